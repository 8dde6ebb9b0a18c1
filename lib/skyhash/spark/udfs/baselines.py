"""Baselines of the learned hash: descriptors, codes of classical coders, and logistic regressions.

Each method is fitted on the encoder's training part and ranks the same images for the same queries: floats by cosine,
bits by Hamming distance, ties by id. A task reads the arrays from the tables' files, encodes them, ranks them by an
exact lookup (`topk.exact.lookup`) and evaluates the lists of its queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.coders.itq import Itq
from skyhash.coders.logistic import Logistic
from skyhash.coders.lsh import Lsh
from skyhash.coders.pca import Components
from skyhash.coders.pca_sign import PcaSign
from skyhash.coders.standardised import Standardised
from skyhash.scores.evaluation import Evaluation, SearchSet
from skyhash.spark.udfs.evaluation import judged_rows, packed_left
from skyhash.spark.udfs.table_arrays import CodeArrays, DescriptorArrays, JoinedArrays
from skyhash.topk.candidates.merge import as_matrix
from skyhash.topk.exact.lookup import lookup
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import WEIGHTS

if TYPE_CHECKING:
    import pandas as pd

MOST_FITTED = 50_000  # training rows from which means, components and rotations are computed
MOST_CLASSIFIED = 10_000  # training rows of a logistic regression, whose fit reads all rows some hundred times
QUERIES_PER_TASK = 256


@dataclass(frozen=True)
class Method:
    """A ranking method: `encode` turns the source's rows (m, width) into codes that `metric` compares.

    `weights` are those of the metric ``blend``.
    """

    name: str
    metric: str
    source: DescriptorArrays | JoinedArrays | CodeArrays
    encode: Callable[[np.ndarray], np.ndarray]
    weights: tuple[float, float, float] = WEIGHTS


def unchanged(rows: np.ndarray) -> np.ndarray:
    """The rows themselves."""
    return rows


def sample(ids: np.ndarray, most: int, seed: int) -> np.ndarray:
    """All ids, or a seeded sample of `most`; ascending."""
    if len(ids) <= most:
        return np.sort(ids)
    return np.sort(np.random.default_rng(seed).choice(ids, most, replace=False))


def training_rows(
    source: DescriptorArrays, trained: np.ndarray, searched: np.ndarray, seed: int
) -> tuple[np.ndarray, str]:
    """Descriptors to fit the baselines on, and a text that says which.

    A model trained on another archive has no training part here; the baselines are then fitted on the searched images,
    which favours them.
    """
    of_training = len(trained) >= 2
    ids = sample(trained if of_training else searched, MOST_FITTED, seed)
    _, rows = source.of(ids)
    return rows, f"{len(rows):,} images " + ("of the training part" if of_training else "of those searched")


@dataclass(frozen=True)
class Composed:
    """Two encodings, one after the other."""

    first: Callable[[np.ndarray], np.ndarray]
    then: Callable[[np.ndarray], np.ndarray]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        return self.then(self.first(rows))


def fit(
    source: DescriptorArrays,
    rows: np.ndarray,
    components: int,
    bits: int,
    seed: int,
    untrained: Mapping[str, Callable[[np.ndarray], np.ndarray]],
) -> list[Method]:
    """All baselines of the descriptor that is encoded, fitted.

    Parameters
    ----------
    rows : (t, width) float32
        Descriptors of the training part.
    components, bits : int
        Number of principal components, and of bits of the binary coders; at most the descriptor's length.
    seed : int
        Of the rotation and the hyperplanes.
    untrained : mapping
        The descriptor's own (`skyhash.pixels.descriptor.untrained_of`): each unchanged, and its principal components.
    """
    count, bits = min(components, rows.shape[1], len(rows)), min(bits, rows.shape[1], len(rows))
    methods = [
        Method("raw_descriptor", "cosine", source, unchanged),
        Method("standardised_descriptor", "cosine", source, Standardised.fit(rows)),
        Method(f"pca_{count}", "cosine", source, Components.fit(rows, count)),
        Method("pca_sign", "hamming", source, PcaSign.fit(rows, bits)),
        Method("itq", "hamming", source, Itq.fit(rows, bits, seed)),
        Method("lsh", "hamming", source, Lsh.fit(rows, bits, seed)),
    ]
    for name, function in untrained.items():
        methods.append(Method(name, "cosine", source, function))
        leading = Components.fit(function(rows), count)
        methods.append(Method(f"{name}_pca_{count}", "cosine", source, Composed(function, leading)))
    return methods


def binary(name: str, source: DescriptorArrays, rows: np.ndarray, bits: int, seed: int) -> list[Method]:
    """The classical binary coders over another descriptor, named after it; parameters as in `fit`."""
    bits = min(bits, rows.shape[1], len(rows))
    return [
        Method(f"{name}_pca_sign", "hamming", source, PcaSign.fit(rows, bits)),
        Method(f"{name}_itq", "hamming", source, Itq.fit(rows, bits, seed)),
        Method(f"{name}_lsh", "hamming", source, Lsh.fit(rows, bits, seed)),
    ]


def classifier(
    name: str, source: DescriptorArrays | JoinedArrays, trained: np.ndarray, labels: np.ndarray, bits: int, seed: int
) -> list[Method]:
    """Logistic regression on a descriptor, fitted to labels: a rival that trains no network.

    Parameters
    ----------
    name : str
        Of the descriptor.
    source : DescriptorArrays or JoinedArrays
    trained : (t,) int64
        Ids of the training part, ascending.
    labels : (t,) object
        None = unknown.
    bits : int
        Of a code of the probabilities as `encoder.code: classes` makes it; 0 = the probabilities themselves, by cosine.

    Returns
    -------
    list of Method
        Empty where fewer than two classes are labelled.
    """
    ids = sample(trained[np.array([label is not None for label in labels], dtype=bool)], MOST_CLASSIFIED, seed)
    known, rows = source.of(ids)
    of_known = labels[np.searchsorted(trained, known)]
    if len(set(of_known)) < 2:
        return []
    fitted = Logistic.fit(rows, list(of_known))
    if not bits:
        return [Method(f"{name}_logistic", "cosine", source, fitted)]
    return [Method(f"{name}_logistic", "hamming", source, Composed(fitted, ClassBits(len(fitted.classes), bits)))]


@dataclass(frozen=True)
class ClassBits:
    """Class probabilities (m, classes) as packed codes, by `skyhash.nets.layers.class_code`."""

    classes: int
    bits: int

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        import torch

        from skyhash.nets.layers.class_code import class_code
        from skyhash.nets.losses.centres import codewords

        code = class_code(torch.from_numpy(rows), codewords(self.classes, self.bits))
        return np.packbits(code.numpy() > 0.5, axis=1)


def judge_methods(
    methods: Any, images: Any, k: int, evaluations: dict[str, Evaluation]
) -> Callable[[Iterator[pd.DataFrame]], Iterator[pd.DataFrame]]:
    """Function for `mapInPandas` over a column image_id: rows of `evaluation.JUDGED` for every method.

    Parameters
    ----------
    methods : Broadcast of list of Method
    images : Broadcast of SearchSet
    k : int
        Length of the lists.
    evaluations : dict
        Kind -> evaluation.
    """

    def judge_batches(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        found = [batch["image_id"].to_numpy() for batch in batches]
        queries = np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64)
        if not len(queries):
            return
        searched: SearchSet = images.value
        loaded: tuple[Any, tuple[np.ndarray, np.ndarray]] | None = None
        for method in methods.value:
            if loaded is None or loaded[0] != method.source:
                loaded = (method.source, method.source.of(searched.ids))
            yield _judged(method, *loaded[1], searched, queries, k, evaluations)

    return judge_batches


def _judged(
    method: Method,
    ids: np.ndarray,
    rows: np.ndarray,
    searched: SearchSet,
    queries: np.ndarray,
    k: int,
    evaluations: dict[str, Evaluation],
) -> pd.DataFrame:
    known = queries[np.isin(queries, ids)]
    # lists are longer by the number of images that may not be retrieved, which are then removed
    longer = min(k + int(np.count_nonzero(~searched.retrievable)), max(len(ids) - 1, 1))
    codes = prepare(ids, method.encode(rows), method.metric)
    lists = lookup(codes, np.searchsorted(ids, known), longer, weights=method.weights)
    found, similarities = as_matrix(lists, codes.ids, longer)
    retrieved = np.where(found >= 0, searched.positions(found), -1)
    retrieved = np.where((retrieved >= 0) & searched.retrievable[retrieved], retrieved, -1)
    retrieved, similarities = packed_left(retrieved, similarities)
    return judged_rows(searched, searched.positions(known), retrieved, similarities, evaluations, method.name)


def order_by_source(methods: Sequence[Method]) -> list[Method]:
    """Methods grouped by source, so that a task reads each source once."""
    sources: list[Any] = []
    for method in methods:
        if method.source not in sources:
            sources.append(method.source)
    return sorted(methods, key=lambda method: sources.index(method.source))
