"""Ranks by `horovod.spark.run`: one per Spark task, gradients averaged by Horovod over Gloo."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from skyhash.spark.training.launcher import (
    START_SECONDS,
    RankFunction,
    averaged_in_one_message,
    guarded,
    loopback,
    one_machine,
    reported,
    require_slots,
    unpacked,
    with_code,
)

if TYPE_CHECKING:
    import torch
    from pyspark.sql import SparkSession

# Milliseconds between two looks for messages by Horovod's background thread. Its default of 1 is a large part of a
# step of a few milliseconds; beside longer steps, 10,000 looks a second take a third of a core from the sums.
QUICK_CYCLE, CYCLE = "0.1", "2"


class HorovodGroup:
    """See `skyhash.spark.training.launcher.ProcessGroup`."""

    def __init__(self) -> None:
        import horovod.torch as hvd

        hvd.init()
        self.hvd = hvd
        self.rank, self.size = hvd.rank(), hvd.size()

    def broadcast(self, tensors: dict[str, torch.Tensor]) -> None:
        self.hvd.broadcast_parameters(tensors, root_rank=0)

    def averaging(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        return averaged_in_one_message(optimiser, self.size, lambda flat: self.hvd.allreduce_(flat, name="gradients"))

    def all_gather(self, rows: torch.Tensor) -> torch.Tensor:
        if self.size == 1:
            return rows
        gathered: torch.Tensor = self.hvd.allgather(rows)
        if gathered.requires_grad:
            # the gradient of Horovod's own is the mean over ranks
            gathered.register_hook(lambda gradient: gradient * self.size)
        return gathered

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        return self.hvd.allreduce(tensor.detach(), op=self.hvd.Sum)

    def gather(self, numbers: list[int]) -> list[list[int]]:
        import torch

        return self.hvd.allgather(torch.tensor([numbers], dtype=torch.int64), name="gather").tolist()


def run(spark: SparkSession, function: RankFunction, ranks: int, quick_steps: bool = False) -> list[Any]:
    """See `skyhash.spark.training.launcher`.

    Raises
    ------
    UserError
        The cluster cannot run `ranks` tasks at once.
    """
    import horovod.spark

    require_slots(spark, ranks)
    logging.getLogger("horovod").setLevel(logging.WARNING)
    call = with_code(partial(_on_rank, function))
    with reported():
        results = horovod.spark.run(
            call,
            num_proc=ranks,
            use_gloo=True,
            use_mpi=False,
            start_timeout=START_SECONDS,
            env={"HOROVOD_CYCLE_TIME": os.environ.get("HOROVOD_CYCLE_TIME", QUICK_CYCLE if quick_steps else CYCLE)},
            nics={loopback()} if one_machine(spark) else None,
            # executors may have an interpreter at another path than the driver's
            executable=spark.sparkContext.pythonExec,
            verbose=0,
        )
        return unpacked(results)


def _on_rank(function: RankFunction) -> tuple[str, Any]:
    group = HorovodGroup()
    try:
        with contextlib.redirect_stdout(None):
            return guarded(function, group)
    finally:
        group.hvd.shutdown()
