"""Write the hash columns by distributed inference.

    spark-submit jobs/hash.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   descriptors, models
writes  hashes, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("hash", sys.argv[1:]))
