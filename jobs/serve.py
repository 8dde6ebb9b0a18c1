"""Serve the released views to SQL clients (JDBC, ODBC, Python) by Spark's Thrift server, until it is stopped.

    spark-submit jobs/serve.py --config conf/solar_hmi.yaml --set warehouse=/data/tables --host 0.0.0.0

reads   what the clients' statements name
writes  nothing
"""

import sys

from skyhash.cli import job

if __name__ == "__main__":
    sys.exit(job("serve", sys.argv[1:]))
