"""Judge the neighbours against time windows, beside the plain baselines.

    spark-submit jobs/evaluate.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, descriptors, hashes, models, neighbours
writes  evaluation_queries, evaluation_summary, runs, and the HTML report
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("evaluate", sys.argv[1:]))
