"""Bring the whole archive up to date and release it.

    spark-submit jobs/rebuild.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   the files under archive.path, and every table
writes  every table, releases, and the HTML report
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("rebuild", sys.argv[1:]))
