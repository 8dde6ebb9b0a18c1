"""Serve the released views to SQL clients by Spark's Thrift server, until it is stopped (Ctrl-C or SIGTERM).

Any client of HiveServer2 can connect: beeline and other JDBC programs, ODBC, PyHive. The views are those of `skyhash
sql`. The views are replaced within some seconds of a new release; running statements keep the files that they began
with. All connections share one session and run as the user who started the server, without a password by default, so it
listens on 127.0.0.1 unless --host names another address. Hive's settings of authentication and encryption are given
with the prefix spark.hadoop, e.g. spark.hadoop.hive.server2.authentication.

  skyhash serve --config conf/solar_hmi.yaml --set warehouse=/data/tables --port 10000
  spark-submit jobs/serve.py --config conf/solar_hmi.yaml --set warehouse=/data/tables --host 0.0.0.0

  beeline -u jdbc:hive2://127.0.0.1:10000 -e 'SELECT * FROM current_neighbour_pairs WHERE query_id = 0 AND rank <= 5'

reads   what the clients' statements name
writes  nothing
"""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

from skyhash.config import Config
from skyhash.errors import InputError
from skyhash.locations import Location
from skyhash.spark import thrift_server
from skyhash.spark.logs import say
from skyhash.spark.session import start
from skyhash.spark.storage.store import Store
from skyhash.stages.releases import releases, sql
from skyhash.stages.runs.report import Report

SECONDS = 5.0
"""Seconds between two checks for a new release."""


def run(config: Config, host: str, port: int) -> Report:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    host, port : str, int
        Address to listen on; port 0 = any free one, which the log names.

    Raises
    ------
    InputError
        The address cannot be listened on, or the warehouse holds no table.
    SkyhashError
        The server ended by itself.
    """
    # before Spark starts, so that a mistake is answered at once
    thrift_server.require_free(host, port)
    if not Location(config.warehouse, config.storage).exists():
        raise InputError("warehouse", f"{config.warehouse}, no such folder", "a folder of tables; run a job first")
    with thrift_server.scratch() as scratch:
        say("serve: starting Spark")
        spark = start(config, "serve", thrift_server.conf(host, port, scratch))
        try:
            return _serve(Store.of(spark, config), config, host, scratch)
        finally:
            spark.stop()


def _serve(store: Store, config: Config, host: str, scratch: Path) -> Report:
    report = Report("serve")
    views = sql.register(store, config)
    seen, releases_seen = _state(store), 1
    server = thrift_server.ThriftServer(store.spark, scratch)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        say(f"serve: {len(views)} views of {store.warehouse} at jdbc:hive2://{host}:{server.port}")
        while not stopped.wait(SECONDS):
            server.check()
            now = _state(store)
            if now != seen:
                views = sql.register(store, config)
                seen, releases_seen = now, releases_seen + 1
                say(f"serve: {len(views)} views, release {_release(store)}")
        say("serve: stopping")
    finally:
        server.stop()
    report.facts |= {"views": len(views), "times that the views were made": releases_seen}
    return report.finish()


def _state(store: Store) -> Any:
    """Changes with every release, and with every table that is new."""
    return store.version("releases"), store.names()


def _release(store: Store) -> Any:
    last = releases.newest(store)
    return last["release_id"] if last else "none yet"
