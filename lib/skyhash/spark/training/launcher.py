"""The interface of launchers, which run one function on several ranks at once.

``run(spark, function, ranks, quick_steps)`` starts `ranks` processes beside the executors, calls ``function(group)`` in
each and returns their results in the order of ranks. A `SkyhashError` that the function raises is raised on the driver.
`quick_steps` tells that a step takes a few milliseconds at most (`Encoder.quick_steps`).
"""

from __future__ import annotations

import importlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from skyhash.errors import ConfigError, SkyhashError, UserError

if TYPE_CHECKING:
    import torch
    from pyspark.sql import SparkSession

LAUNCHERS = {
    "horovod": "skyhash.spark.training.launcher_horovod",
    "torch_distributor": "skyhash.spark.training.launcher_torch",
}

# seconds for tasks to be scheduled and ranks to connect; the work itself has no limit
START_SECONDS = 120
# seconds: executors of a cluster register one by one after the session has started
SIGN_ON_SECONDS = 60


class ProcessGroup(Protocol):
    """One rank's view of the group of ranks; extends `skyhash.nets.encoder.ProcessGroup`, which losses see.

    Every rank must make the same calls in the same order.
    """

    rank: int
    size: int

    def broadcast(self, tensors: dict[str, torch.Tensor]) -> None:
        """Give every rank the tensors of rank 0, in place."""

    def averaging(self, optimiser: torch.optim.Optimizer) -> torch.optim.Optimizer:
        """Wrap an optimiser so that its step uses the mean gradient of all ranks; its state starts empty."""

    def all_gather(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of all ranks, in the order of ranks; differentiable, and the gradient is summed over all ranks."""

    def total(self, tensor: torch.Tensor) -> torch.Tensor:
        """Sum over all ranks, without gradient."""

    def gather(self, numbers: list[int]) -> list[list[int]]:
        """The numbers of every rank, in the order of ranks."""


RankFunction = Callable[[ProcessGroup], Any]


class Launcher(Protocol):
    def __call__(
        self, spark: SparkSession, function: RankFunction, ranks: int, quick_steps: bool = False
    ) -> list[Any]: ...


def get(name: str) -> Launcher:
    """A launcher by name.

    Raises
    ------
    ConfigError
        No launcher has that name.
    """
    if name not in LAUNCHERS:
        raise ConfigError("train.launcher", repr(name), f"one of {', '.join(sorted(LAUNCHERS))}")
    return importlib.import_module(LAUNCHERS[name]).run


def averaged_in_one_message(
    optimiser: torch.optim.Optimizer, ranks: int, mean: Callable[[torch.Tensor], torch.Tensor]
) -> torch.optim.Optimizer:
    """Let every step of the optimiser use the gradients that `mean`, given all of them as one vector, returns.

    One message takes less time than one for each parameter, and sums do not depend on the order in which they are done.
    A single rank's gradients are the mean already.
    """
    if ranks == 1:
        return optimiser
    import torch

    kept: dict[int, torch.Tensor] = {}

    def average(optimiser: torch.optim.Optimizer, *_: Any) -> None:
        gradients = [p.grad for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        counts = [gradient.numel() for gradient in gradients]
        # kept from step to step: mapping a new vector of some hundred MB takes about as long as sending it
        vector = kept.setdefault(sum(counts), torch.empty(0, dtype=gradients[0].dtype, device=gradients[0].device))
        torch.cat([gradient.reshape(-1) for gradient in gradients], out=vector)
        parts = mean(vector).split(counts)
        torch._foreach_copy_(gradients, [part.view_as(g) for g, part in zip(gradients, parts, strict=True)])

    optimiser.register_step_pre_hook(average)
    return optimiser


def guarded(function: RankFunction, group: ProcessGroup) -> tuple[str, Any]:
    """Call the function; return a SkyhashError as a result, so that the driver gets it with its type and attributes."""
    try:
        return "done", function(group)
    except SkyhashError as error:
        return "failed", error


@contextmanager
def reported() -> Iterator[None]:
    """Turn what a launcher raises when a rank ends early into one line; give back the handlers of signals it took.

    Raises
    ------
    SkyhashError
        A rank was killed, ran out of memory, or could not start.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    excepthook = threading.excepthook

    def without_cancelled_jobs(raised: threading.ExceptHookArgs) -> None:
        # Horovod cancels its Spark job when a rank has died, and its own thread then raises that it was cancelled
        if "SPARK_JOB_CANCELLED" not in str(raised.exc_value):
            excepthook(raised)

    threading.excepthook = without_cancelled_jobs
    try:
        yield
    except SkyhashError:
        raise
    except Exception as error:
        found = " ".join(str(error).split())[:300]
        raise SkyhashError(
            f"training: a rank ended before its work was done ({found}): killed, out of memory, or unable to start;"
            " run the job again: it goes on from its last checkpoint"
        ) from error
    finally:
        threading.excepthook = excepthook
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def unpacked(results: list[tuple[str, Any]] | None) -> list[Any]:
    """The results of all ranks; raises the first rank's error. Called within `reported`."""
    if results is None:
        raise RuntimeError("no result")
    for state, result in results:
        if state == "failed":
            raise result
    return [result for _, result in results]


def require_slots(spark: SparkSession, ranks: int, seconds: float = SIGN_ON_SECONDS) -> None:
    """Wait until the cluster can run `ranks` tasks at once; the launchers themselves would wait without limit.

    Raises
    ------
    UserError
        It cannot within `seconds`.
    """
    context = spark.sparkContext._jsc.sc()
    profile = context.resourceProfileManager().defaultResourceProfile()
    local = spark.sparkContext.master.startswith("local")
    until = time.monotonic() + (0 if local else seconds)
    while (slots := context.maxNumConcurrentTasks(profile)) < ranks:
        if time.monotonic() >= until:
            expected = f"at most {slots}, the tasks that {spark.sparkContext.master} can run at once"
            raise UserError("train.ranks", ranks, expected)
        time.sleep(0.5)


def one_machine(spark: SparkSession) -> bool:
    """Whether the driver and all executors run on one machine, so that ranks can use its loopback interface."""
    if spark.sparkContext.master.startswith("local"):
        return True
    addresses = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().keySet().mkString(" ").split()
    return len({address.rsplit(":", 1)[0] for address in addresses}) == 1


def loopback() -> str:
    """Name of this machine's loopback interface (`lo` on Linux)."""
    import psutil

    for name, addresses in psutil.net_if_addrs().items():
        if any(address.address == "127.0.0.1" for address in addresses):
            return name
    return "lo"


def own_archive() -> Path | None:
    """The zip that this package was imported from (``--py-files``); None if it was imported from a folder."""
    import skyhash

    return next((parent for parent in Path(skyhash.__file__).parents if parent.is_file()), None)


def with_code(call: Callable[[], Any]) -> Callable[[], Any]:
    """A function that makes our code importable where it runs, then calls `call`.

    Ranks are separate processes and do not see the ``--py-files`` of Spark's workers: the zip (a third of a megabyte)
    is sent with the function. The function is pickled by value and `call` within it as bytes, so that a rank can load
    it without our code.
    """
    from pyspark import cloudpickle

    payload = cloudpickle.dumps(call)
    archive = own_archive()
    name, code = (archive.name, archive.read_bytes()) if archive else ("", b"")

    def bootstrapped():
        import pickle
        import sys
        import tempfile

        if not code:
            return pickle.loads(payload)()
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/{name}"
            with open(path, "wb") as file:
                file.write(code)
            sys.path.insert(0, path)
            return pickle.loads(payload)()

    bootstrapped.__module__ = "__main__"
    return bootstrapped
