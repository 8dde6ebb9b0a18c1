"""Spark's Thrift server in a session's JVM: clients of HiveServer2 (JDBC, ODBC, Python) query the session's views."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.errors import InputError, SkyhashError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

CLASS = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
STATEMENTS = "org.apache.spark.sql.hive.thriftserver.SparkExecuteStatementOperation"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for whatever the server writes, deleted at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="skyhash-serve-") as folder:
        yield Path(folder)


def conf(host: str, port: int, scratch: Path) -> dict[str, str]:
    """Spark's settings for a session that will serve.

    Parameters
    ----------
    host, port : str, int
        Address to listen on; port 0 = any free one.
    scratch : Path
        Folder for whatever the server writes.
    """
    hive = {
        "hive.server2.thrift.bind.host": host,
        "hive.server2.thrift.port": str(port),
        # a log file per statement is not needed, and Hive fails to delete it
        "hive.server2.logging.operation.enabled": "false",
        "hive.exec.scratchdir": str(scratch / "hive"),
        "hive.exec.local.scratchdir": str(_made(scratch / "sessions")),
        "hive.downloaded.resources.dir": str(scratch / "resources"),
    }
    return {
        # all connections share the session, because its views belong to it
        "spark.sql.hive.thriftServer.singleSession": "true",
        "spark.sql.warehouse.dir": str(scratch / "tables"),
        **{f"spark.hadoop.{name}": value for name, value in hive.items()},
    }


def require_free(host: str, port: int) -> None:
    """Check that the address can be listened on.

    Raises
    ------
    InputError
        The port is in use, or the host is none of this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # as the server does: a port whose last connections are still closing is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OverflowError:
        raise InputError("--port", port, "a number from 0 to 65535; 0 takes any free port") from None
    except OSError as error:
        found = f"{host}:{port}, {error.strerror or error}"
        raise InputError("--host and --port", found, "an address of this machine with a free port") from None


class ThriftServer:
    """The running server of a session that was started with `conf`.

    Raises
    ------
    SkyhashError
        The server could not start.
    """

    def __init__(self, spark: SparkSession, scratch: Path):
        from py4j.protocol import Py4JJavaError

        jvm: Any = spark._jvm
        # by default the embedded database of Hive's catalogue logs into the working folder
        jvm.java.lang.System.setProperty("derby.stream.error.file", str(scratch / "derby.log"))
        # clients get the errors of their statements; the server does not log them
        log4j = jvm.org.apache.logging.log4j
        log4j.core.config.Configurator.setLevel(STATEMENTS, log4j.Level.OFF)
        try:
            self._server = getattr(jvm, CLASS).startWithContext(spark._jsparkSession.sqlContext())
        except Py4JJavaError as error:
            cause = error.java_exception
            while cause.getCause() is not None:
                cause = cause.getCause()
            raise SkyhashError(f"Spark's Thrift server did not start: {cause.toString()}") from None

    @property
    def port(self) -> int:
        """The port it listens on."""
        services = self._server.getServices()
        found = [services.get(i) for i in range(services.size())]
        return next(int(one.getPortNumber()) for one in found if "Thrift" in one.getName())

    def check(self) -> None:
        """Raise SkyhashError if the server has ended.

        Raises
        ------
        SkyhashError
            It, or its JVM, has ended.
        """
        from py4j.protocol import Py4JError

        try:
            state = self._server.getServiceState().toString()
        except (Py4JError, OSError) as error:
            raise SkyhashError(f"Spark's JVM ended: {error}") from None
        if state != "STARTED":
            raise SkyhashError(f"Spark's Thrift server ended: it is {state}")

    def stop(self) -> None:
        """Close the connections and stop listening; does nothing where the JVM has ended already."""
        from py4j.protocol import Py4JError

        with contextlib.suppress(Py4JError, OSError):
            self._server.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
