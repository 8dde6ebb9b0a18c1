"""Read the archive's files into tables.

    spark-submit jobs/ingest.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   the files under archive.path
writes  observations, quarantine, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("ingest", sys.argv[1:]))
