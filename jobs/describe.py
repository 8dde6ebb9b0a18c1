"""Compute the grid descriptor of every observation.

    spark-submit jobs/describe.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, and the files they name
writes  descriptors, quarantine, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("describe", sys.argv[1:]))
