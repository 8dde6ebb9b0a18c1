"""Compact the tables and delete what no release and no running job needs.

    spark-submit jobs/maintain.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   every table
writes  compacted versions of tables, releases, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("maintain", sys.argv[1:]))
