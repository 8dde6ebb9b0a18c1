"""What the learned hash must beat: the descriptor itself, and codes that need no training of a net.

Each baseline is fitted on the encoder's training stretch and ranks the same images for the same queries, floats by
cosine and bits by the number that differ (ties by id, as the hash's own lists are made). Queries are
spread over tasks; a task reads the descriptors from the table's files, codes them, ranks them with the kernel of
`topk` and judges the lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.codes.itq import Itq
from skyhash.codes.lsh import Lsh
from skyhash.codes.pca import Components
from skyhash.codes.pca_sign import PcaSign
from skyhash.codes.standardised import Standardised
from skyhash.scores.windows import Form
from skyhash.spark.neighbours.vectors import gather, width_of
from skyhash.spark.udfs.evaluation import judged_rows
from skyhash.spark.udfs.query_search import nearest
from skyhash.topk.vectors.rows import prepare

if TYPE_CHECKING:
    import pandas as pd

MOST_QUERIES = 2000  # above it a sample is judged; its size is the n of the baseline's rows
MOST_FITTED = 50_000  # training rows that means, components and rotations are fitted on
QUERIES_PER_TASK = 256


@dataclass(frozen=True)
class Source:
    """Descriptors of one way of describing, in one version of the table."""

    files: Sequence[str]
    descriptor_id: str

    def of(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ids (m,) int64, ascending, and their vectors (m, width) float32; images without one are left out."""
        where = ("descriptor_id", self.descriptor_id)
        return gather(self.files, "vector", where, width_of(self.files, "vector", where), ids)


@dataclass(frozen=True)
class Baseline:
    """One method: `encode` takes (m, width) float32 to codes that `metric` compares."""

    name: str
    metric: str
    encode: Callable[[np.ndarray], np.ndarray]


def raw(vectors: np.ndarray) -> np.ndarray:
    """The descriptor as it is."""
    return vectors


def sample(ids: np.ndarray, seed: int) -> np.ndarray:
    """The queries of the baselines: all, or a seeded sample of `MOST_QUERIES`; ascending."""
    if len(ids) <= MOST_QUERIES:
        return np.sort(ids)
    return np.sort(np.random.default_rng(seed).choice(ids, MOST_QUERIES, replace=False))


def training_rows(source: Source, trained: np.ndarray, searched: np.ndarray, seed: int) -> tuple[np.ndarray, str]:
    """Descriptors to fit on, and which they are.

    A model that was trained on another archive leaves no training stretch here; the baselines are then fitted on the
    images that are searched, which is in their favour, and the text says so.
    """
    of_stretch = len(trained) >= 2
    ids = trained if of_stretch else searched
    if len(ids) > MOST_FITTED:
        ids = np.sort(np.random.default_rng(seed).choice(ids, MOST_FITTED, replace=False))
    _, rows = source.of(ids)
    return rows, f"{len(rows):,} images " + ("of the training stretch" if of_stretch else "of those searched")


def fit(rows: np.ndarray, components: int, seed: int) -> list[Baseline]:
    """Every baseline, fitted.

    Parameters
    ----------
    rows : (t, width) float32
        Descriptors of the training stretch.
    components : int
        Of the principal components, and bits of the binary coders; no more than the descriptor's length.
    seed : int
        Of the rotation and the hyperplanes.
    """
    count = min(components, rows.shape[1])
    return [
        Baseline("raw_descriptor", "cosine", raw),
        Baseline("standardised_descriptor", "cosine", Standardised.fit(rows)),
        Baseline(f"pca_{count}", "cosine", Components.fit(rows, count)),
        Baseline("pca_sign", "hamming", PcaSign.fit(rows, count)),
        Baseline("itq", "hamming", Itq.fit(rows, count, seed)),
        Baseline("lsh", "hamming", Lsh.fit(rows, count, seed)),
    ]


def judge_baselines(
    source: Source, fitted: Any, searched: Any, k: int, forms: Sequence[Form], fraction: float
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over a column image_id: rows of `JUDGED` for every baseline.

    Parameters
    ----------
    source : Source
    fitted : Broadcast of list of Baseline
    searched : Broadcast of Searched
    k : int
        Length of the lists.
    """

    def judge_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        ids = [batch["image_id"].to_numpy() for batch in batches]
        queries = np.sort(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
        if not len(queries):
            return
        images, vectors = source.of(searched.value.ids)
        rows = np.searchsorted(images, queries)
        for baseline in fitted.value:
            lists = nearest(prepare(images, baseline.encode(vectors), baseline.metric), rows, k)
            yield judged_rows(searched.value, queries, lists, forms, fraction, baseline.name)

    return judge_batches
