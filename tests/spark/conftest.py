"""One Spark session for all tests that need one: starting it costs more than most of them."""

import os
import sys

import pytest

from skyhash.config import load


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A session on two local cores, with Delta, as `skyhash.spark.session` starts it for the jobs."""
    from skyhash.spark.session import start

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, ["lib", *sys.path]))
    os.environ["OMP_NUM_THREADS"] = "1"
    scratch = tmp_path_factory.mktemp("spark")
    conf = {
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "sql"),
        "spark.driver.memory": "2g",
        # the tables of tests are tiny: one shuffle task each, and compiling a plan costs more than running it
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    session = start(load(None, ["spark.master=local[2]", f"spark.conf={conf}"]), "tests")
    yield session
    session.stop()


@pytest.fixture
def warehouse(tmp_path):
    """A fresh folder for the tables of one test."""
    return tmp_path / "warehouse"


@pytest.fixture(scope="session")
def built(spark, tmp_path_factory):
    """A simulated archive brought through the whole chain."""
    from small_chain import settings

    from skyhash.stages.chain.running import run_job

    config = settings(tmp_path_factory.mktemp("chain"))
    return config, run_job(spark, config, "rebuild")


@pytest.fixture(scope="session")
def released(spark, tmp_path_factory):
    """Settings of a warehouse with a release and a newer, unreleased version of its lists; ids and similarities."""
    import released_images

    return released_images.write(spark, tmp_path_factory.mktemp("sql"))
