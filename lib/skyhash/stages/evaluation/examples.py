"""Example queries of an evaluation: the picture of what was retrieved for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.config import Config
from skyhash.pages.gallery import GalleryImage, gallery
from skyhash.scores.time_windows import HOUR, PUBLISHED_CRITERION
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation.subject import UNKNOWN_TIME, Subject

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HOURS_APART = 6.0
SHOWN = 6


def spread(n: int, wanted: int) -> np.ndarray:
    """`wanted` places (or all n), evenly spread over 0 .. n - 1."""
    return np.unique(((np.arange(min(wanted, n)) + 0.5) * n / max(min(wanted, n), 1)).astype(int))


def picture(store: Store, config: Config, subject: Subject) -> bytes:
    """Queries spread over the archive and what was retrieved for them, as PNG.

    With class labels, a frame says whether the label is the query's. Without, of images that have times, whether it
    lies in the query's window of 48 h; frames taken within `HOURS_APART` of each other are shown once.
    """
    from pyspark.sql import functions as f

    images = subject.images
    described = store.read("descriptors").where(f.col("descriptor_id") == subject.model["descriptor_id"])
    chosen = _queries(config, subject, described)
    lists = subject.neighbours.where(f.col("query_id").isin(chosen)).collect()
    found = {r["query_id"]: (r["neighbour_ids"], r["similarities"]) for r in lists}
    kept = {query: _shown(subject, query, *found.get(query, ([], []))) for query in chosen}
    wanted = sorted({*chosen, *(i for retrieved in kept.values() for i, _ in retrieved)})
    previews = described.where(f.col("image_id").isin(wanted)).select("image_id", "preview").collect()
    preview = {r["image_id"]: bytes(r["preview"]) if r["preview"] else None for r in previews}
    rows = []
    for query in chosen:
        start = int(images.positions(np.array(query)))
        first = GalleryImage(preview.get(query), _query_caption(subject, start))
        rows.append((first, [_retrieved(subject, start, i, s, preview.get(i)) for i, s in kept[query]]))
    kind = "SIMULATED images" if subject.simulated else "images"
    return gallery(rows, f"Queries and their nearest {kind}", _legend(subject))


def _queries(config: Config, subject: Subject, described: DataFrame) -> list[int]:
    times = subject.images.facts["obs_time"][subject.images.positions(subject.queries)]
    in_order = subject.queries[np.argsort(times, kind="stable")]
    # a descriptor of zeros (a quiet Sun) makes a poor example: its code is all zeros
    rows = described.where("NOT is_zero").select("image_id").toLocalIterator()
    usable = np.array([r[0] for r in rows], np.int64)
    candidates = in_order[np.isin(in_order, usable)]
    candidates = candidates if len(candidates) else in_order
    return [int(i) for i in candidates[spread(len(candidates), config.evaluate.gallery)]]


def _labels(subject: Subject) -> Any:
    return subject.images.facts.get("label")


def _shown(subject: Subject, query: int, ids: list[int], similarities: list[float]) -> list[tuple[int, float]]:
    """The best of a list, at most `SHOWN`; of images with times and without labels, apart from each other in time."""
    at = subject.images.positions(np.array([query, *ids], dtype=np.int64))
    times = subject.images.facts["obs_time"][at]
    by_time = _labels(subject) is None and times[0] != UNKNOWN_TIME
    taken, kept = [times[0]], []
    for image, similarity, position, time in zip(ids, similarities, at[1:], times[1:], strict=True):
        if position < 0 or not subject.images.retrievable[position]:
            continue
        if not by_time or all(abs(time - other) >= HOURS_APART * HOUR for other in taken):
            taken.append(time)
            kept.append((int(image), float(similarity)))
            if len(kept) == SHOWN:
                break
    return kept


def _query_caption(subject: Subject, at: int) -> str:
    labels, time = _labels(subject), subject.images.facts["obs_time"][at]
    if labels is not None:
        return str(labels[at] or "")
    if time == UNKNOWN_TIME:
        return f"image {subject.images.ids[at]}"
    moment = np.datetime64(int(time), "us")
    return f"{np.datetime64(moment, 'D')}\n{str(np.datetime64(moment, 'm'))[-5:]} UTC"


def _retrieved(subject: Subject, start: int, image: int, similarity: float, preview: bytes | None) -> GalleryImage:
    at = int(subject.images.positions(np.array(image)))
    labels, times = _labels(subject), subject.images.facts["obs_time"]
    if labels is not None:
        same = None if labels[start] is None or labels[at] is None else bool(labels[start] == labels[at])
        return GalleryImage(preview, f"{labels[at] or ''}\n{similarity:.3f}", same)
    if UNKNOWN_TIME in (times[start], times[at]):
        return GalleryImage(preview, f"image {image}\n{similarity:.3f}")
    apart = int(times[at]) - int(times[start])
    day = np.datetime64(np.datetime64(int(times[at]), "us"), "D")
    inside = abs(apart) <= PUBLISHED_CRITERION.half_window_us
    return GalleryImage(preview, f"{day}\n{_time_apart(apart / HOUR)}   {similarity:.3f}", inside)


def _time_apart(hours: float) -> str:
    """A time difference for people: ``+11.5 h``, ``-3.2 d``."""
    return f"{hours:+.1f} h" if abs(hours) < 48 else f"{hours / 24:+.1f} d"


def _legend(subject: Subject) -> str:
    if _labels(subject) is not None:
        return "frame: green of the query's class, dashed orange of another.   below: class, similarity"
    if (subject.images.facts["obs_time"] == UNKNOWN_TIME).all():
        return "below: image_id, similarity"
    return (
        "frame: green within the 48 h window of the query, dashed orange outside it.   "
        "below: date, time from the query, similarity"
    )
