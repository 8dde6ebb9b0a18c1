"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# the JVMs of tests live for seconds or minutes: the quick compiler alone, and one thread to collect garbage
SHORT_LIVED_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
os.environ.setdefault("SPARK_SUBMIT_OPTS", SHORT_LIVED_JVM)


# files of tests/spark with long chains of their own, which share nothing with the others but the session
LONG_CHAINS = ("alma", "aurora", "galaxies", "nightly_files", "reread", "sixth_archive")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Under --dist loadscope, tests that share a Spark session or a cluster run in one process.

    Those of long chains have a second session, in the process that is done first with the others: so that both
    processes end at nearly the same time.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFolder(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            if file in (f"tests/spark/test_{name}.py" for name in LONG_CHAINS):
                return "tests/spark, long chains"
            folder = "/".join(nodeid.split("/")[:2])
            return folder if folder in ("tests/slow", "tests/spark") else nodeid

    return ByFolder(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SKYHASH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are absent: no folder {folder}")
    return folder
