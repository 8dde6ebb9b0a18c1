"""Build the table of the k nearest images of every image.

    spark-submit jobs/neighbours.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   hashes, observations, models
writes  neighbours, neighbour_runs, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("neighbours", sys.argv[1:]))
