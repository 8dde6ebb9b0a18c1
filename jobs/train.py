"""Train the encoder across ranks, one version of the descriptors read through Petastorm.

    spark-submit jobs/train.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   descriptors, observations
writes  models, runs
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("train", sys.argv[1:]))
