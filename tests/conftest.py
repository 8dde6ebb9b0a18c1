"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# the JVMs of tests live for seconds or minutes: the quick compiler alone, and one thread to collect garbage
SHORT_LIVED_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
os.environ.setdefault("SPARK_SUBMIT_OPTS", SHORT_LIVED_JVM)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items):
    """Two folders share something costly (a Spark session, a cluster): each runs in one process, side by side."""
    for item in items:
        for folder in ("slow", "spark"):
            if Path(item.fspath).is_relative_to(ROOT / "tests" / folder):
                item.add_marker(pytest.mark.xdist_group(folder))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SKYHASH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real data sets are absent: no folder {folder}")
    return folder
