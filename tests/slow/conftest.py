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
from submitting import ONE_CORE_EACH, ROOT, SMALL, Operator, readme_commands

CACHE = Path(sys.prefix).parent / ".cache"  # of the checkout whose environment this is


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
        settings = {**SMALL, "spark.pyspark.python": str(self.python), **(conf or {})}
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
    # a folder added so is not searched for further .pth files, and the project's own entry stays behind
    (packages / "libraries.pth").write_text(f"import sys; sys.path.append({sysconfig.get_paths()['purelib']!r})\n")
    python = folder / "bin" / "python"
    found = subprocess.run([python, "-c", "import skyhash"], cwd=folder, capture_output=True, text=True, check=False,
                           env={"PATH": "/usr/bin:/bin"})  # fmt: skip
    assert "No module named 'skyhash'" in found.stderr, found.stderr
    return python


@pytest.fixture(scope="session")
def dist(tmp_path_factory, bare_environment) -> Path:
    """What `make package-cpu` makes; unless that was done before, its environment links to the checkout's libraries."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(["bash", ROOT / "docker" / "dist.sh", sys.executable, CACHE, folder], check=True)
    packed, made = ROOT / "dist" / "environment.tar.gz", folder / "environment.tar.gz"
    if packed.exists():
        made.symlink_to(packed)
    else:
        linked = bare_environment.parents[1]
        subprocess.run(["bash", ROOT / "docker" / "environment.sh", sys.prefix, linked, made], check=True)
    return folder


@pytest.fixture(scope="session")
def package(dist) -> Path:
    """The zip of the code."""
    (made,) = dist.glob("skyhash-*.zip")
    return made


@pytest.fixture(scope="session")
def operator(cluster, dist, tmp_path_factory) -> Operator:
    """A Spark as it is downloaded, without Delta, with settings for two small machines; a copy of `dist/`."""
    folder = tmp_path_factory.mktemp("operator")
    home = folder / "spark"
    shutil.copytree(cluster.spark_home / "bin", home / "bin")
    (home / "python").symlink_to(cluster.spark_home / "python")
    (home / "jars").mkdir()
    for jar in (cluster.spark_home / "jars").iterdir():
        if "delta" not in jar.name:
            (home / "jars" / jar.name).symlink_to(jar)
    settings = {**SMALL, **ONE_CORE_EACH, "spark.local.dir": str(folder / "tmp")}
    (home / "conf").mkdir()
    (home / "conf" / "spark-defaults.conf").write_text("".join(f"{k} {v}\n" for k, v in settings.items()))
    (folder / "tmp").mkdir()
    shutil.copytree(dist, folder / "skyhash")
    return Operator(cluster, folder, home)


@pytest.fixture(scope="session")
def chain(operator) -> tuple[Path, str]:
    """README's rebuild of a small simulated archive on two executors: its warehouse, and what the job printed."""
    settings = ["simulate.images=60", "simulate.side_px=128", "simulate.cadence_minutes=120", "simulate.broken=0.02",
                "seed=20110101", "train.epochs=3", "evaluate.bootstrap=50"]  # fmt: skip
    done = operator.run(readme_commands("rebuild"), *settings)
    assert done.returncode == 0, done.stdout[-4000:]
    return operator.warehouse, done.stdout


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
