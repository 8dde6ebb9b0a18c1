"""Report sections on provenance: the build of neighbours, the training, rejected files, and the runs."""

from __future__ import annotations

import json
from typing import Any

from skyhash.pages import plots
from skyhash.pages.page import HtmlTable, Picture, Section
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation.subject import Subject

RUNS_SHOWN = 20


def epochs(model: dict[str, Any]) -> tuple[list[float], dict[str, list[float]]]:
    """Training loss after each epoch, and the numbers that the encoder monitored; empty if the model has no metrics."""
    metrics = json.loads(model["metrics"] or "[]")
    known = ("epoch", "loss", "losses", "rows", "seconds")
    names = [name for name in (metrics[-1] if metrics else ()) if name not in known and not name.startswith("loss_")]
    watched = {name: [float(entry[name]) for entry in metrics if name in entry] for name in names}
    return [float(entry["loss"]) for entry in metrics], watched


def dead_units(store: Store, model_id: str) -> tuple[int, int]:
    """Code units that are 0 for every image, and all units."""
    from pyspark.sql import functions as f

    units = store.read("hashes").where(f.col("model_id") == model_id).select(f.posexplode("code").alias("unit", "v"))
    row = units.groupBy("unit").agg(f.max(f.abs("v")).alias("m")).agg(
        f.count("*"), f.sum((f.col("m") == 0).cast("int"))
    ).first()  # fmt: skip
    return int(row[1] or 0), int(row[0])


def sections(store: Store, subject: Subject, pictures: dict[str, bytes]) -> list[Section]:
    """The report's closing sections; their pictures are added to `pictures`."""
    losses, watched = epochs(subject.model)
    if losses:
        pictures["loss"] = plots.training(losses, watched)
    made = [_build(subject), _training(store, subject, pictures.get("loss")), _rejected(store)]
    return [*made, _runs(store)]


def _build(subject: Subject) -> Section:
    build = subject.build
    if not build:
        return Section("How the neighbours were found", "The table neighbour_runs has no row of this build.")
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
    # an imported model may lack facts of its training
    facts = {
        "encoder": f"{model['encoder']}, {model['parameters'] or 0:,} parameters",
        "trained on": _formatted("{:,} images", model["training_rows"]),
        "from": _formatted("{:%Y-%m-%d %H:%M} UTC", model["trained_from"]),
        "until": _formatted("{:%Y-%m-%d %H:%M} UTC", model["trained_until"]),
        "by": _formatted("{} ranks, {}, read through {}", model["ranks"], model["launcher"], model["reader"]),
        "epochs, last loss": _formatted("{}, {:.5g}", model["epochs"], model["final_loss"]),
        "dead code units": f"{dead} of {units} (0 for every image)",
        "seconds": _formatted("{:.1f}", model["seconds"]),
    }
    parts: list[Picture | HtmlTable | dict[str, str]] = [facts]
    if loss_png:
        parts.insert(0, Picture(loss_png, "Training loss and monitored numbers per epoch"))
    return Section("Training", "", parts)


def _formatted(template: str, *values: Any) -> str:
    return "not known" if None in values else template.format(*values)


def _rejected(store: Store) -> Section:
    from pyspark.sql import functions as f

    rows = store.read("quarantine").groupBy("reason").agg(f.count("*"), f.min("message")).orderBy("reason").collect()
    images = store.live().count()
    bad = sum(row[1] for row in rows)
    text = f"{images:,} observations, {bad:,} files or images in quarantine."
    if not rows:
        return Section("Rejected files", text)
    cells = [[row[0], f"{row[1]:,}", row[2]] for row in rows]
    return Section("Rejected files", text, [HtmlTable(["reason", "files", "for example"], cells)])


def _runs(store: Store) -> Section:
    # a run has a row of its start, and one of its end
    shown = ("job", "status", "started", "seconds", "rows_in", "rows_out", "run_id")
    rows = [row for row in store.rows("runs", shown, descending="started") if row["status"] != "started"][:RUNS_SHOWN]
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
        [HtmlTable(["job", "started (UTC)", "seconds", "rows in", "rows out", "run"], cells)],
    )
