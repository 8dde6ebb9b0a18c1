"""Ranks by `horovod.spark.run`: one per Spark task, gradients averaged by Horovod over Gloo."""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.spark.training.launcher import (
    START_SECONDS,
    Work,
    guarded,
    loopback,
    one_machine,
    require_slots,
    unpacked,
    with_code,
)

if TYPE_CHECKING:
    import torch
    from pyspark.sql import SparkSession

# Horovod's background thread looks for gradients every so many milliseconds: its own 1 ms costs more than a small step
CYCLE_MILLISECONDS = "0.1"


class HorovodGroup:
    """See `skyhash.spark.training.launcher.Group`."""

    def __init__(self) -> None:
        import horovod.torch as hvd

        hvd.init()
        self.hvd = hvd
        self.rank, self.size = hvd.rank(), hvd.size()

    def broadcast(self, module: torch.nn.Module) -> None:
        self.hvd.broadcast_parameters(module.state_dict(), root_rank=0)

    def averaging(self, optimiser: torch.optim.Optimizer, module: torch.nn.Module) -> torch.optim.Optimizer:
        # one group: all gradients always travel as one message, so that sums do not depend on timing
        return self.hvd.DistributedOptimizer(optimiser, named_parameters=module.named_parameters(), groups=1)

    def total(self, numbers: np.ndarray) -> np.ndarray:
        import torch

        return self.hvd.allreduce(torch.from_numpy(numbers), op=self.hvd.Sum, name="total").numpy()

    def gather(self, numbers: list[int]) -> list[list[int]]:
        import torch

        return self.hvd.allgather(torch.tensor([numbers], dtype=torch.int64), name="gather").tolist()


def run(spark: SparkSession, work: Work, ranks: int) -> list[Any]:
    """See `skyhash.spark.training.launcher`.

    Raises
    ------
    UserError
        The cluster cannot run `ranks` tasks at once.
    """
    import horovod.spark

    require_slots(spark, ranks)
    logging.getLogger("horovod").setLevel(logging.WARNING)
    call = with_code(partial(_on_rank, work))
    # executors may have another interpreter than the driver, by another path
    results = horovod.spark.run(
        call,
        num_proc=ranks,
        use_gloo=True,
        use_mpi=False,
        start_timeout=START_SECONDS,
        env={"HOROVOD_CYCLE_TIME": os.environ.get("HOROVOD_CYCLE_TIME", CYCLE_MILLISECONDS)},
        nics={loopback()} if one_machine(spark) else None,
        executable=spark.sparkContext.pythonExec,
        verbose=0,
    )
    return unpacked(results)


def _on_rank(work: Work) -> tuple[str, Any]:
    group = HorovodGroup()
    try:
        with contextlib.redirect_stdout(None):
            return guarded(work, group)
    finally:
        group.hvd.shutdown()
