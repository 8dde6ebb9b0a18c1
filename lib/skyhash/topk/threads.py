"""Work shared out among the threads of one process; libraries below it keep to the calling thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def cores() -> int:
    """Processors at hand."""
    return len(os.sched_getaffinity(0))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Matrix products on the calling thread alone: the tiles are what is shared out among cores."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 0
    with threadpool_limits(1, user_api="blas"):
        if torch:
            torch.set_num_threads(1)
        try:
            yield
        finally:
            if torch:
                torch.set_num_threads(before)


def for_each(work: Callable[[Piece], Made], pieces: Sequence[Piece], threads: int = 0) -> list[Made]:
    """``work`` of every piece, in the order of the pieces.

    Parameters
    ----------
    work : callable
        Spends its time in compiled code, which does not hold Python's lock.
    pieces : sequence
    threads : int
        0 = one for each processor at hand.
    """
    with single_threaded():
        if len(pieces) < 2 or threads == 1:
            return [work(piece) for piece in pieces]
        with ThreadPoolExecutor(threads or cores()) as pool:
            return list(pool.map(work, pieces))
