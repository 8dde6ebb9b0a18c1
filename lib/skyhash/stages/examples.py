"""Example queries of an evaluation: the picture, and a table in Table 2's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyhash.config import Config
from skyhash.pages.gallery import Shot, gallery
from skyhash.pages.page import Section, Sheet
from skyhash.scores.windows import HOUR, MINUTE, PUBLISHED_FORM
from skyhash.spark.storage.store import Store

if TYPE_CHECKING:
    from skyhash.stages.evaluate import Subject

HOURS_APART = 6.0
SHOWN = 6
EXAMPLES = 16


def spread(n: int, wanted: int) -> np.ndarray:
    """`wanted` places (or all n), evenly spread over 0 .. n - 1."""
    return np.unique(((np.arange(min(wanted, n)) + 0.5) * n / max(min(wanted, n), 1)).astype(int))


def picture(store: Store, config: Config, subject: Subject) -> bytes:
    """Queries spread over time and what was retrieved for them, as PNG."""
    from pyspark.sql import functions as f

    searched = subject.searched
    in_time = subject.queries[np.argsort(searched.times[searched.places(subject.queries)], kind="stable")]
    described = store.read("descriptors").where(f.col("descriptor_id") == subject.model["descriptor_id"])
    # a quiet Sun makes a poor example: its code is all zeros
    active = np.array([r[0] for r in described.where("NOT is_zero").select("image_id").toLocalIterator()], np.int64)
    candidates = in_time[np.isin(in_time, active)]
    candidates = candidates if len(candidates) else in_time
    chosen = [int(i) for i in candidates[spread(len(candidates), config.evaluate.gallery)]]
    lists = subject.neighbours.where(f.col("query_id").isin(chosen)).collect()
    found = {r["query_id"]: (r["neighbour_ids"], r["similarities"]) for r in lists}
    kept = {query: apart_from_each_other(subject, query, *found[query]) for query in chosen}
    wanted = sorted({*chosen, *(i for shots in kept.values() for i, _ in shots)})
    previews = described.where(f.col("image_id").isin(wanted)).select("image_id", "preview").collect()
    of = {r["image_id"]: bytes(r["preview"]) if r["preview"] else None for r in previews}

    def shot(image: int, query: int, similarity: float) -> Shot:
        time, start = (int(searched.times[searched.places(np.array(i))]) for i in (image, query))
        inside = abs(time - start) <= PUBLISHED_FORM.reach
        return Shot(np.datetime64(time, "us"), of.get(image), similarity, (time - start) / MINUTE, inside)

    rows = [(shot(query, query, 1.0), [shot(i, query, s) for i, s in kept[query]]) for query in chosen]
    return gallery(rows, PUBLISHED_FORM.window_hours, subject.simulated)


def apart_from_each_other(
    subject: Subject, query: int, ids: list[int], similarities: list[float]
) -> list[tuple[int, float]]:
    """The best of a list that lie `HOURS_APART` or more from the query and from each other, at most `SHOWN`."""
    places = subject.searched.places(np.array([query, *ids], dtype=np.int64))
    times = subject.searched.times[places]
    taken, kept = [times[0]], []
    for image, similarity, place, time in zip(ids, similarities, places[1:], times[1:], strict=True):
        if place >= 0 and all(abs(time - other) >= HOURS_APART * HOUR for other in taken):
            taken.append(time)
            kept.append((int(image), float(similarity)))
            if len(kept) == SHOWN:
                break
    return kept


def section(queries) -> Section:
    """Example queries of the hash in the published form, spread over time."""
    form = PUBLISHED_FORM
    rows = queries.where(
        f"method = 'hash' AND window_hours = {form.window_hours} AND exclusion_minutes = {form.exclusion_minutes}"
    )
    ids = rows.select("image_id", "obs_time").orderBy("obs_time", "image_id").toPandas()["image_id"].to_numpy()
    wanted = [int(i) for i in ids[spread(len(ids), EXAMPLES)]] if len(ids) else []
    cells = [
        [f"{r['obs_time']:%Y-%m-%d %H:%M:%S}", *(str(r[c]) for c in ("ri", "si", "tp", "fp", "fn")),
         *(f"{r[m]:.2f}" for m in ("precision", "recall", "f1"))]
        for r in rows.where(rows["image_id"].isin(wanted)).orderBy("obs_time", "image_id").collect()
    ]  # fmt: skip
    columns = ["Timestamp (UTC)", "RI", "SI", "PRI (TP)", "FPRI (FP)", "PNRI (FN)", "Precision", "Recall", "F1"]
    text = "In the form of the published Table 2: 48 h, the query counted. SI is smaller beside gaps and edges."
    return Section("Example queries", text, [Sheet(columns, cells)])
