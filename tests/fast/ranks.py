"""Ranks of a training as threads, for tests of losses that look at the rows of all ranks."""

import threading

import torch


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows, rank):
        every = rank._exchange(rows)
        ctx.rank, ctx.counts = rank, [len(one) for one in every]
        return torch.cat(every)

    @staticmethod
    def backward(ctx, slope):
        of_all = torch.stack(ctx.rank._exchange(slope)).sum(dim=0)
        return of_all.split(ctx.counts)[ctx.rank.rank], None


class Threads:
    """A rank; the backward pass of the gathered rows sums over ranks, so all ranks must go through it, each in its
    own thread."""

    def __init__(self, rank, size, meet, shelf):
        self.rank, self.size, self.meet, self.shelf = rank, size, meet, shelf

    def _exchange(self, value):
        self.shelf[self.rank] = value
        self.meet.wait()
        every = list(self.shelf)
        self.meet.wait()
        return every

    def all_gather(self, rows):
        return _Gather.apply(rows, self)

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
