"""A standalone Spark cluster on this machine: one master, two workers, and an environment without the project."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ONE_CORE_EACH = {"spark.executor.cores": "1", "spark.cores.max": "2"}


@dataclass
class Cluster:
    """A running cluster and how to submit to it."""

    url: str
    folder: Path
    python: Path
    spark_home: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """What a job's shell on the cluster sees: nothing of the checkout."""
        kept = {k: v for k, v in os.environ.items() if k in ("HOME", "LANG", "TMPDIR", "JAVA_HOME", "USER")}
        path = f"{self.python.parent}:{self.spark_home / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        return kept | {"PATH": path, "SPARK_HOME": str(self.spark_home), "SPARK_LOCAL_IP": "127.0.0.1",
                       "OMP_NUM_THREADS": "1", "SPARK_SUBMIT_OPTS": os.environ["SPARK_SUBMIT_OPTS"]}  # fmt: skip

    def submit(self, *arguments: str, wait: bool = True, conf: dict[str, str] | None = None):
        """spark-submit in the cluster's own folder; returns the finished (or running) process."""
        settings = {"spark.driver.memory": "1500m", "spark.executor.memory": "1g", "spark.ui.enabled": "false",
                    "spark.pyspark.python": str(self.python), "spark.sql.shuffle.partitions": "2",
                    "spark.databricks.delta.snapshotPartitions": "2", "spark.driver.host": "127.0.0.1",
                    "spark.executor.extraJavaOptions": os.environ["SPARK_SUBMIT_OPTS"],
                    **(conf or {})}  # fmt: skip
        command = [str(self.spark_home / "bin" / "spark-submit"), "--master", self.url]
        for key, value in settings.items():
            command += ["--conf", f"{key}={value}"]
        log = self.folder / f"submit-{time.time_ns()}.log"
        with log.open("w") as out:
            process = subprocess.Popen([*command, *arguments], cwd=self.folder, env=self.environment(), stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)  # fmt: skip
        process.log = log
        if wait:
            process.wait(timeout=900)
        return process


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory) -> Path:
    """Python with the libraries but without the project: what environment.tar.gz unpacks to on a node."""
    folder = tmp_path_factory.mktemp("node") / "environment"
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})["purelib"])
    # a path that a .pth names is not searched for further .pth files, so the project's own entry stays behind
    (packages / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = folder / "bin" / "python"
    found = subprocess.run([python, "-c", "import skyhash"], cwd=folder, capture_output=True, text=True, check=False,
                           env={"PATH": "/usr/bin:/bin"})  # fmt: skip
    assert "No module named 'skyhash'" in found.stderr, found.stderr
    return python


@pytest.fixture(scope="session")
def package(tmp_path_factory) -> Path:
    """The zip of the code, made as `make package` makes it."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, ROOT / "setup.py", "-q", "package", "--folder", folder], cwd=ROOT, check=True)
    (made,) = folder.glob("skyhash-*.zip")
    return made


@pytest.fixture(scope="session")
def chain(cluster, package) -> tuple[Path, str]:
    """One rebuild of a small simulated archive on two executors: its warehouse, and what the job printed."""
    warehouse = cluster.folder / "warehouse"
    done = cluster.submit(
        "--py-files", str(package), "jobs/rebuild.py", "--config", "conf/demo.yaml",
        "--set", f"archive.path={cluster.folder / 'archive'}", "--set", f"warehouse={warehouse}",
        "--set", "simulate.images=60", "--set", "simulate.side_px=128", "--set", "train.epochs=3",
        "--set", "evaluate.bootstrap=50", conf=ONE_CORE_EACH,
    )  # fmt: skip
    assert done.returncode == 0, done.log.read_text()[-4000:]
    return warehouse, done.log.read_text()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, bare_environment):
    """Master and two workers of two cores each; stopped at the end, whatever happens."""
    import pyspark

    home = Path(pyspark.__file__).parent
    folder = tmp_path_factory.mktemp("cluster")
    for name in ("jobs", "conf"):
        shutil.copytree(ROOT / name, folder / name)
    made = Cluster("", folder, bare_environment, home)
    try:
        made.url = _start_master(made)
        for name in ("worker-1", "worker-2"):
            start_worker(made, name)
        yield made
    finally:
        for process in made.processes.values():
            stop(process)


def _start_master(cluster: Cluster) -> str:
    log = _start(cluster, "master", "org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", "0",
                 "--webui-port", "0")  # fmt: skip
    return _wait_for(log, r"Starting Spark master at (spark://\S+)")


def start_worker(cluster: Cluster, name: str) -> None:
    """Start a worker of two cores and wait until the master knows it."""
    log = _start(cluster, name, "org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0",
                 "--cores", "2", "--memory", "3g", "--work-dir", str(cluster.folder / name), cluster.url)  # fmt: skip
    _wait_for(log, r"Successfully registered with (master)")


# the project's quiet logging hides what the daemons say of themselves
DAEMON_LOGGING = """rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""


def _start(cluster: Cluster, name: str, java_class: str, *arguments: str) -> Path:
    log = cluster.folder / f"{name}-{time.time_ns()}.log"
    logging = cluster.folder / "daemons.properties"
    logging.write_text(DAEMON_LOGGING)
    options = f"-Dlog4j2.configurationFile=file:{logging} {os.environ['SPARK_SUBMIT_OPTS']}"
    environment = cluster.environment() | {"SPARK_DAEMON_MEMORY": "512m", "SPARK_DAEMON_JAVA_OPTS": options}
    with log.open("w") as out:
        cluster.processes[name] = subprocess.Popen(
            [cluster.spark_home / "bin" / "spark-class", java_class, *arguments],
            cwd=cluster.folder, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    return log


def _wait_for(log: Path, pattern: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if match := re.search(pattern, log.read_text()):
            return match.group(1)
        time.sleep(0.2)
    raise AssertionError(f"{pattern!r} did not appear in {log}:\n{log.read_text()[-2000:]}")


def stop(process: subprocess.Popen) -> None:
    """End a process and all it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
