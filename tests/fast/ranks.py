"""Ranks of a training as threads, for tests of losses that look at the rows of all ranks."""

import threading

import torch


class Threads:
    """A rank; the backward pass of the gathered rows sums over ranks, as Horovod's does."""

    def __init__(self, rank, size, meet, shelf):
        self.rank, self.size, self.meet, self.shelf = rank, size, meet, shelf

    def _exchange(self, value):
        self.shelf[self.rank] = value
        self.meet.wait()
        every = list(self.shelf)
        self.meet.wait()
        return every

    def all_gather(self, rows):
        return torch.cat(self._exchange(rows))  # one graph over all ranks: gradients of every loss reach every row

    def total(self, tensor):
        return torch.stack([value.detach() for value in self._exchange(tensor)]).sum(dim=0)


def on_ranks(work, parts):
    """`work(part, group)` of every rank's part, in the order of ranks; an error of a rank is raised."""
    size = len(parts)
    meet, shelf, found, errors = threading.Barrier(size), [None] * size, [None] * size, []

    def run(rank):
        try:
            found[rank] = work(parts[rank], Threads(rank, size, meet, shelf))
        except BaseException as error:
            errors.append(error)
            meet.abort()

    ranks = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in ranks:
        thread.start()
    for thread in ranks:
        thread.join()
    if errors:
        raise errors[0]
    return found
