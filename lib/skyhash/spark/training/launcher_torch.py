"""Ranks by Spark's own `TorchDistributor`: processes of torchrun, gradients averaged by torch over Gloo.

On a local master the ranks are processes of the driver's machine, on a cluster one of each barrier task.
"""

from __future__ import annotations

import contextlib
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from skyhash.spark.training.launcher import (
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


class TorchGroup:
    """See `skyhash.spark.training.launcher.ProcessGroup`."""

    def __init__(self, interface: str):
        import torch.distributed as dist

        if interface:
            os.environ["GLOO_SOCKET_IFNAME"] = interface
        dist.init_process_group("gloo")
        self.dist = dist
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def broadcast(self, tensors: dict[str, torch.Tensor]) -> None:
        for tensor in tensors.values():
            self.dist.broadcast(tensor, src=0)

    def averaging(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        def mean(flat: torch.Tensor) -> torch.Tensor:
            self.dist.all_reduce(flat)
            return flat.div_(self.size)

        return averaged_in_one_message(optimiser, self.size, mean)

    def all_gather(self, rows: torch.Tensor) -> torch.Tensor:
        if self.size == 1:
            return rows
        from skyhash.spark.training.gather_torch import all_gather

        return all_gather(rows, self.rank, [count for (count,) in self.gather([len(rows)])])

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        summed = tensor.detach().clone()
        self.dist.all_reduce(summed)
        return summed

    def gather(self, numbers: list[int]) -> list[list[int]]:
        import torch

        parts = [torch.zeros(len(numbers), dtype=torch.int64) for _ in range(self.size)]
        self.dist.all_gather(parts, torch.tensor(numbers, dtype=torch.int64))
        return [part.tolist() for part in parts]


def run(spark: SparkSession, function: RankFunction, ranks: int, quick_steps: bool = False) -> list[Any]:
    """See `skyhash.spark.training.launcher`; torch sends a message at once, however long the steps are.

    Raises
    ------
    UserError
        The cluster cannot run `ranks` tasks at once.
    """
    from pyspark.ml.torch.distributor import TorchDistributor

    local = spark.sparkContext.master.startswith("local")
    if not local:
        require_slots(spark, ranks)
    distributor = TorchDistributor(num_processes=ranks, local_mode=local, use_gpu=False)
    distributor.logger.setLevel(logging.WARNING)
    interface = loopback() if one_machine(spark) else ""
    with reported():
        return unpacked(distributor.run(with_code(partial(_on_rank, function, interface))))


def _on_rank(function: RankFunction, interface: str) -> list[tuple[str, Any]]:
    group = TorchGroup(interface)
    try:
        with contextlib.redirect_stdout(None):
            result = guarded(function, group)
        # on a local master all ranks write their result to one file, and the last one's is read: all return the same
        gathered: list[Any] = [None] * group.size
        group.dist.all_gather_object(gathered, result)
        return gathered
    finally:
        group.dist.destroy_process_group()
