"""One query against an archive that is kept in memory: a single compiled pass, in milliseconds.

A sample of the archive, scored first, says from which similarity on a row can be among the k nearest; the pass over all
rows keeps what reaches it. Where that leaves fewer than k (about one query in a thousand) a second pass keeps all. The
similarities are those that `kernel.knn` stores, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from skyhash.compiled import compiled
from skyhash.errors import ConfigError, InputError
from skyhash.topk.candidates import keys, merge
from skyhash.topk.exact import limits as threshold
from skyhash.topk.vectors import rows as prepare
from skyhash.topk.vectors.rows import Rows
from skyhash.topk.vectors.similarity import NUMBER, WEIGHTS, blend_of, pieces_of, similarity

SAMPLE = 8192
NOBODY = -1


class Lookup:
    """Nearest rows of an archive, one query at a time.

    Parameters
    ----------
    rows : Rows
        Of `prepare.prepare`; kept, not copied.
    weights : three floats
        Of the blend.
    seed : int
        Of the sample; without influence on the result.
    """

    def __init__(self, rows: Rows, weights: tuple[float, float, float] = WEIGHTS, seed: int = 0):
        self.rows, self.n = rows, len(rows)
        self.blend = blend_of(rows, weights)
        self.norms = rows.norms if len(rows.norms) else np.zeros(self.n)
        sampled = np.sort(np.random.default_rng(seed).choice(self.n, min(SAMPLE, self.n), replace=False))
        self.sample = np.ascontiguousarray(rows.values[sampled])
        self.sample_norms = self.norms[sampled]
        self.found = np.empty(self.n, np.uint64)

    def like(self, code: NDArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (int64) and similarities (float32) of the k rows nearest to any code, best first, ties by id.

        Parameters
        ----------
        code : float (d,), or packed bits uint8 (bytes,) for hamming

        Raises
        ------
        InputError
            Another length than the archive's codes, NaN or infinity.
        ConfigError
            k below 1.
        """
        return self._nearest(*self._prepared(np.asarray(code)), NOBODY, k)

    def of(self, row: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The same for a row of the archive, itself left out: its list as `kernel.knn` makes it."""
        return self._nearest(self.rows.values[row], self.norms[row], row, k)

    def _prepared(self, code: NDArray) -> tuple[NDArray, float]:
        bits = self.rows.metric == "hamming"
        wanted = self.rows.dimensions // 8 if bits else self.rows.dimensions
        if code.shape != (wanted,):
            raise InputError("code", f"shape {code.shape}", f"({wanted},), as the archive's codes")
        prepare.check(np.zeros(1, np.int64), code[None], self.rows.metric)
        if bits:
            return prepare.as_words(code[None])[0], 0.0
        values, norms = np.zeros((1, self.rows.values.shape[1]), np.float32), np.zeros(1)
        prepare.fill(values, norms, np.array([NOBODY]), code[None], self.rows.metric, self.rows.scale)
        return values[0], float(norms[0])

    def _nearest(self, query: NDArray, norm: float, skip: int, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        if k < 1:
            raise ConfigError("neighbours.k", k, "1 or more")
        query = np.ascontiguousarray(query)
        limit, need = keys.ALL, threshold.rank(self.n, k, len(self.sample))
        if need < len(self.sample):
            count = self._scan(self.sample, self.sample_norms, query, norm, NOBODY, keys.ALL)
            order = np.partition(self.found[:count], need - 1)[need - 1]
            limit = order | np.uint64(keys.MAX_ROWS)
        count = self._scan(self.rows.values, self.norms, query, norm, skip, limit)
        if count < min(k, self.n - 1):
            count = self._scan(self.rows.values, self.norms, query, norm, skip, keys.ALL)
        return merge.decode(np.sort(self.found[:count])[:k], self.rows.ids)

    def _scan(
        self, values: NDArray, norms: NDArray[np.float64], query: NDArray, norm: float, skip: int, limit: np.uint64
    ) -> int:
        return int(
            _scan(
                NUMBER[self.rows.metric], values, pieces_of(self.rows), norms, self.rows.scale, self.blend, query,
                norm, skip, limit, self.found,
            )
        )  # fmt: skip


@compiled
def _scan(metric, values, pieces, norms, scale, blend, query, norm, skip, limit, found):
    """Write the keys of all rows within the limit; returns how many."""
    count = 0
    first, step, own = values.ctypes.data, values.strides[0], query.ctypes.data
    for row in range(len(values)):
        score = similarity(metric, own, first + row * step, pieces, norm, norms[row], scale, blend)
        key = keys.key(score, row)
        found[count] = key
        count += key <= limit and row != skip
    return count
