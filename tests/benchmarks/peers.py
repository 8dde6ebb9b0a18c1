"""What a user would pick instead.

Each peer searches k + 1, for it lists the query itself, and is timed in its favour: reading and normalising the codes
are not counted. Where only some queries are asked the time is scaled up, for it is linear in queries (building an index
is counted once, in full).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from judge import sampled, unit
from measure import Clock, cores
from numpy.typing import NDArray

Answer = dict[str, Any]  # rows asked, their lists, and the part of all queries that was asked


def _asked(path: str, queries: int, judged: int) -> tuple[NDArray, NDArray[np.int64], NDArray[np.int64]]:
    codes = np.load(path)
    n = len(codes)
    rows = np.arange(n) if queries >= n else sampled(n, queries, 12)
    return codes, rows, np.unique(np.linspace(0, len(rows) - 1, min(judged, len(rows))).astype(int))


def _answer(clock: Clock, n: int, rows: NDArray, positions: NDArray, lists: NDArray, **facts: Any) -> Answer:
    clock.seconds += clock.parts["search"] * (n / len(rows) - 1)
    facts["note"] = " ".join(filter(None, [facts.get("note", ""), _scaled(n, rows)]))
    return {"rows": rows[positions], "lists": list(lists[positions]), **facts}


def _scaled(n: int, rows: NDArray) -> str:
    return "" if len(rows) == n else f"extrapolated from {len(rows):,} of {n:,} queries"


def faiss_knn(clock: Clock, path: str, k: int, queries: int, judged: int) -> Answer:
    """faiss.knn: exact, by inner product of unit rows."""
    import faiss

    codes, rows, positions = _asked(path, queries, judged)
    codes = unit(codes)
    faiss.knn(codes[:64], codes[:4096], 10, metric=faiss.METRIC_INNER_PRODUCT)
    with clock.timed("search"):
        _, found = faiss.knn(codes[rows], codes, k + 1, metric=faiss.METRIC_INNER_PRODUCT)
    return _answer(clock, len(codes), rows, positions, found)


def torch_topk(clock: Clock, path: str, k: int, queries: int, judged: int) -> Answer:
    """torch.mm and topk, 512 queries at a time: exact."""
    import torch

    codes, rows, positions = _asked(path, queries, judged)
    archive = torch.from_numpy(unit(codes))
    found = np.empty((len(rows), k + 1), np.int64)
    torch.mm(archive[:64], archive[:4096].T).topk(10)
    with clock.timed("search"):
        for start in range(0, len(rows), 512):
            part = slice(start, start + 512)
            found[part] = torch.mm(archive[rows[part]], archive.T).topk(k + 1, sorted=True).indices.numpy()
    return _answer(clock, len(codes), rows, positions, found)


def faiss_ivf(clock: Clock, path: str, k: int, queries: int, judged: int, target: float = 0.99) -> Answer:
    """faiss IVF-Flat, 4 sqrt(n) lists, probes raised by half until the judged queries reach the target recall."""
    import faiss
    from judge import recall

    codes, rows, positions = _asked(path, queries, judged)
    codes = unit(codes)
    n, d = codes.shape
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, int(4 * np.sqrt(n)), faiss.METRIC_INNER_PRODUCT)
    with clock.timed("build"):
        index.train(codes[sampled(n, 40 * index.nlist)])
        index.add(codes)
    index.nprobe, reached = 8, 0.0
    while True:  # tuning is not timed
        _, some = index.search(codes[rows[positions]], k + 1)
        reached = recall(codes, rows[positions], list(some), k, 50)
        if reached >= target or index.nprobe >= index.nlist:
            break
        index.nprobe = min(index.nlist, int(1.5 * index.nprobe))
    with clock.timed("search"):
        _, found = index.search(codes[rows], k + 1)
    return _answer(clock, n, rows, positions, found, note=f"nprobe {index.nprobe} of {index.nlist}")


def hnsw(clock: Clock, path: str, k: int, queries: int, judged: int, ef: int = 0) -> Answer:
    """hnswlib, M 16, ef of construction 200, ef of the search 1.5 k by default."""
    import hnswlib

    codes, rows, positions = _asked(path, queries, judged)
    codes = unit(codes)
    index = hnswlib.Index(space="ip", dim=codes.shape[1])
    index.init_index(max_elements=len(codes), ef_construction=200, M=16, random_seed=1)
    with clock.timed("build"):
        index.add_items(codes, num_threads=cores())
    index.set_ef(ef or int(1.5 * k) + 1)
    with clock.timed("search"):
        found, _ = index.knn_query(codes[rows], k + 1, num_threads=cores())
    return _answer(clock, len(codes), rows, positions, found.astype(np.int64))


def faiss_binary(clock: Clock, path: str, k: int, queries: int, judged: int) -> Answer:
    """faiss IndexBinaryFlat: exact Hamming distances of packed codes."""
    import faiss

    codes, rows, positions = _asked(path, queries, judged)
    index = faiss.IndexBinaryFlat(8 * codes.shape[1])
    index.add(codes)
    index.search(codes[:8], 10)
    with clock.timed("search"):
        _, found = index.search(codes[rows], k + 1)
    return _answer(clock, len(codes), rows, positions, found.astype(np.int64))


def faiss_one(clock: Clock, path: str, k: int, queries: int) -> Answer:
    """Median seconds of one query at a time on a faiss flat index, warm."""
    import faiss

    codes = unit(np.load(path))
    index = faiss.IndexFlatIP(codes.shape[1])
    index.add(codes)
    rows = sampled(len(codes), queries)
    took = []
    for row in rows:
        begun = time.perf_counter()
        index.search(codes[row : row + 1], k + 1)
        took.append(time.perf_counter() - begun)
    clock.seconds = float(np.median(took))
    return {"rows": rows}
