"""Compute the descriptor of every observation, and those that an evaluation compares it with.

The profile's describe.kind names the descriptor, e.g. the magnetic grid of Grycuk et al. (2022), section 2.2, or a
cut-out. Only images without a descriptor of these settings are read. A file that cannot be read any more or has changed
since ingest gets a row of quarantine, and the job continues.

  spark-submit jobs/describe.py --config conf/solar_hmi.yaml --set warehouse=/data/tables

reads   observations, and the files they name
writes  descriptors, quarantine, runs
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skyhash.config import Config
from skyhash.spark.storage.store import Store
from skyhash.stages.images import descriptors
from skyhash.stages.runs.fingerprint import descriptor_id
from skyhash.stages.runs.freshness import code_versions
from skyhash.stages.runs.report import Report

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run(spark: SparkSession, config: Config, run_id: str = "") -> Report:
    """Describe the observations that have no descriptor yet.

    Raises
    ------
    InputError
        There are no observations.
    DataLoss
        The number of rows read back is not the number of images.
    """
    from pyspark.sql import functions as f

    report = Report("describe", run_id)
    store = Store.of(spark, config)
    report.note_inputs(store, "observations", "descriptors", "quarantine")
    store.require("observations", made_by="ingest")
    main = descriptor_id(config.describe)
    report.facts |= {"images": store.live().count(), "descriptor": main} | code_versions(config, "describe")
    now, failures = 0, 0
    for wanted_id in descriptors.wanted(config):
        rows = descriptors.missing(store, config, wanted_id).cache()
        count = rows.count()
        if count:
            failed = descriptors.describe(spark, config, store, report, rows, count, wanted_id)
            failures += failed
            if wanted_id != main:
                report.facts[f"described now by {wanted_id}"] = count - failed
            else:
                now = count - failed
        report.rows_in += count
        rows.unpersist()
    report.facts["described now"] = now
    if failures:
        report.facts["unreadable since ingest"] = failures
    rows = store.read("descriptors").where(f.col("descriptor_id") == main)
    report.facts["zero descriptors"] = rows.agg(f.sum(f.col("is_zero").cast("int"))).first()[0]
    return report
