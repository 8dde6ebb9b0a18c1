"""The report's picture of example queries and the images retrieved for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skyhash.config import Config
from skyhash.pages.gallery import GalleryImage, gallery
from skyhash.scores.evaluation import Evaluation
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation.subject import Subject

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MOST_CANDIDATES = 256  # queries from which those of the picture are chosen
SHOWN = 6


def spread(n: int, wanted: int) -> np.ndarray:
    """`wanted` numbers (or all), evenly spread over 0 .. n - 1."""
    return np.unique(((np.arange(min(wanted, n)) + 0.5) * n / max(min(wanted, n), 1)).astype(int))


def evaluation_of_examples(evaluations: dict[str, Evaluation]) -> Evaluation:
    """The profile's first evaluation that describes examples, else the first."""
    every = list(evaluations.values())
    return next((one for one in every if one.examples), every[0])


def picture(store: Store, config: Config, subject: Subject, evaluation: Evaluation) -> bytes:
    """PNG of queries spread over the archive and the images retrieved for them.

    Parameters
    ----------
    evaluation : Evaluation
        Writes the captions and judges the retrieved images.
    """
    from pyspark.sql import functions as f

    described = store.read("descriptors").where(f.col("descriptor_id") == subject.model["descriptor_id"])
    queries = _queries(config, subject, described)
    lists = subject.neighbours.where(f.col("query_id").isin(queries)).collect()
    found = {r["query_id"]: (r["neighbour_ids"], r["similarities"]) for r in lists}
    images = subject.images
    positions = [int(at) for at in images.positions(np.array(queries, np.int64))]
    retrieved = [_shown(subject, evaluation, at, *found.get(query, ([], [])))
                 for query, at in zip(queries, positions, strict=True)]  # fmt: skip
    wanted = {*positions, *(at for row in retrieved for at, _ in row)}
    ids = [int(i) for i in images.ids[sorted(wanted)]]
    rows = described.where(f.col("image_id").isin(ids)).select("image_id", "preview").collect()
    preview = {r["image_id"]: bytes(r["preview"]) if r["preview"] else None for r in rows}

    def shown(query: int, image: int, similarity: float) -> GalleryImage:
        return GalleryImage(preview.get(images.ids[image]), *evaluation.compare(images, query, image, similarity))

    gallery_rows = [
        (GalleryImage(preview.get(images.ids[at]), evaluation.caption(images, at)),
         [shown(at, image, similarity) for image, similarity in row])
        for at, row in zip(positions, retrieved, strict=True)
    ]  # fmt: skip
    kind = "SIMULATED images" if subject.simulated else "images"
    return gallery(gallery_rows, f"Queries and their nearest {kind}", evaluation.legend)


def _queries(config: Config, subject: Subject, described: DataFrame) -> list[int]:
    """Ids of evaluate.gallery queries, spread over the archive's time."""
    times = subject.images.facts["obs_time"][subject.images.positions(subject.queries)]
    in_order = subject.queries[np.argsort(times, kind="stable")]
    # a descriptor of zeros (nothing found in the image) makes a poor example: its code is all zeros
    candidates = in_order[spread(len(in_order), MOST_CANDIDATES)]
    zero = described.where(described["image_id"].isin(candidates.tolist())).where("is_zero").select("image_id")
    usable = candidates[~np.isin(candidates, np.array([row[0] for row in zero.collect()], np.int64))]
    candidates = usable if len(usable) else candidates
    return [int(i) for i in candidates[spread(len(candidates), config.evaluate.gallery)]]


def _shown(
    subject: Subject, evaluation: Evaluation, query: int, ids: list[int], similarities: list[float]
) -> list[tuple[int, float]]:
    """Positions and similarities of the best of a list, at most `SHOWN`."""
    shown, kept = [query], []
    for image, similarity in zip(subject.images.positions(np.array(ids, np.int64)), similarities, strict=True):
        if image < 0 or not subject.images.retrievable[image]:
            continue
        if evaluation.adds_something(subject.images, shown, int(image)):
            shown.append(int(image))
            kept.append((int(image), float(similarity)))
            if len(kept) == SHOWN:
                break
    return kept
