"""Where the judged table came from: the build of neighbours, the training, rejected files and the runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from skyhash.pages.page import Picture, Section, Sheet
from skyhash.spark.storage.store import Store

if TYPE_CHECKING:
    from skyhash.stages.evaluate import Subject

RUNS_SHOWN = 20


def epochs(model: dict[str, Any]) -> tuple[list[float], list[int]]:
    """Training loss and dead units after each epoch; empty lists where the model's row tells none."""
    metrics = json.loads(model["metrics"] or "[]")
    dead = [int(entry["dead_units"]) for entry in metrics if "dead_units" in entry]
    return [float(entry["loss"]) for entry in metrics], dead


def dead_units(store: Store, model_id: str) -> tuple[int, int]:
    """Code units that are 0 for every image, and all units."""
    from pyspark.sql import functions as f

    units = store.read("hashes").where(f.col("model_id") == model_id).select(f.posexplode("code").alias("unit", "v"))
    row = units.groupBy("unit").agg(f.max(f.abs("v")).alias("m")).agg(
        f.count("*"), f.sum((f.col("m") == 0).cast("int"))
    ).first()  # fmt: skip
    return int(row[1] or 0), int(row[0])


def sections(store: Store, subject: Subject, loss_png: bytes | None) -> list[Section]:
    """The report's closing sections."""
    made = [_build(subject), _training(store, subject, loss_png), _rejected(store)]
    return [*made, _runs(store)]


def _build(subject: Subject) -> Section:
    build = subject.build
    if not build:
        return Section("How the neighbours were found", "The build left no row in neighbour_runs.")
    recall = f"{build['recall_at_k']:.4f}" if build["recall_at_k"] is not None else "not measured"
    if build["method"] != "exact" and build["recall_low"] is not None:
        recall += f" ({build['recall_low']:.4f}-{build['recall_high']:.4f}, {build['recall_n']:,} queries)"
    facts = {
        "images": f"{build['n']:,} codes of {build['dimensions']}",
        "list length, metric": f"{build['k']:,}, {build['metric']}",
        "method": f"{build['method']}: {build['reason']}",
        "recall against exact": recall,
        "pairs scored": f"{build['pairs_scored']:,} of {build['pairs_possible']:,}",
        "codes of zeros": f"{build['zero_codes']:,}",
        "short lists": f"{build['short_lists']:,}  {_reasons(build['short_reasons'])}".strip(),
        "seconds": f"{build['seconds']:.1f}",
    }
    return Section("How the neighbours were found", "", [facts])


def _reasons(text: str | None) -> str:
    reasons = json.loads(text) if text else {}
    return ", ".join(f"{name} {count:,}" for name, count in reasons.items())


def _training(store: Store, subject: Subject, loss_png: bytes | None) -> Section:
    model = subject.model
    dead, units = dead_units(store, model["model_id"])
    # a model taken in from elsewhere may not tell all of its training
    facts = {
        "encoder": f"{model['encoder']}, {model['parameters'] or 0:,} parameters",
        "trained on": _told("{:,} images", model["training_rows"]),
        "from": _told("{:%Y-%m-%d %H:%M} UTC", model["trained_from"]),
        "until": _told("{:%Y-%m-%d %H:%M} UTC", model["trained_until"]),
        "by": _told("{} ranks, {}, read through {}", model["ranks"], model["launcher"], model["reader"]),
        "epochs, last loss": _told("{}, {:.5g}", model["epochs"], model["final_loss"]),
        "dead code units": f"{dead} of {units} (0 for every image)",
        "seconds": _told("{:.1f}", model["seconds"]),
    }
    parts: list[Picture | Sheet | dict[str, str]] = [facts]
    if loss_png:
        parts.insert(0, Picture(loss_png, "Training loss and dead code units per epoch"))
    return Section("Training", "", parts)


def _told(form: str, *values: Any) -> str:
    return "not told" if None in values else form.format(*values)


def _rejected(store: Store) -> Section:
    from pyspark.sql import functions as f

    rows = store.read("quarantine").groupBy("reason").agg(f.count("*"), f.min("message")).orderBy("reason").collect()
    images = store.read("observations").count()
    bad = sum(row[1] for row in rows)
    text = f"{images + bad:,} files seen = {images:,} observations + {bad:,} in quarantine."
    if not rows:
        return Section("Rejected files", text)
    cells = [[row[0], f"{row[1]:,}", row[2]] for row in rows]
    return Section("Rejected files", text, [Sheet(["reason", "files", "for example"], cells)])


def _runs(store: Store) -> Section:
    rows = store.read("runs").orderBy("started", ascending=False).limit(RUNS_SHOWN).collect()
    cells = [
        [row["job"], f"{row['started']:%Y-%m-%d %H:%M:%S}", f"{row['seconds']:.1f}", f"{row['rows_in']:,}",
         f"{row['rows_out']:,}", row["run_id"]]
        for row in rows
    ]  # fmt: skip
    if not cells:
        return Section("Runs before this one", "None is recorded.")
    return Section(
        "Runs before this one",
        "Newest first; settings and versions are in the table runs.",
        [Sheet(["job", "started (UTC)", "seconds", "rows in", "rows out", "run"], cells)],
    )
