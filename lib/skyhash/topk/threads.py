"""Threads of one process: pieces of work run in parallel, while BLAS and torch are held to one thread each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Limit BLAS and torch to one thread inside the block: parallelism comes from the tiles, one per thread."""
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


def for_each(function: Callable[[Item], Result], items: Sequence[Item], threads: int = 0) -> list[Result]:
    """``function`` of every item, in the order of the items.

    Parameters
    ----------
    function : callable
        Should spend its time in compiled code, which releases Python's global lock.
    items : sequence
    threads : int
        0 = one for each processor.
    """
    with single_threaded():
        if len(items) < 2 or threads == 1:
            return [function(item) for item in items]
        with ThreadPoolExecutor(threads or cores()) as pool:
            return list(pool.map(function, items))
