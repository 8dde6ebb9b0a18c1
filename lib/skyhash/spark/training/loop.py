"""The training loop of one rank: read its shard, step with averaged gradients, count rows, write checkpoints."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.coders import packing
from skyhash.errors import DataLoss, SkyhashError
from skyhash.spark.training import checkpoints, reader, shards
from skyhash.spark.training.reader import Reader, ShardRows

if TYPE_CHECKING:
    import torch

    from skyhash.nets.encoder import Batch, Encoder
    from skyhash.spark.training.launcher import ProcessGroup

PROGRESS = "progress.jsonl"
FINAL = "weights.safetensors"

# rows of all ranks from which the thresholds of packed bits are computed
SAMPLE_ROWS = 131072
SAMPLE_NUMBERS = 16 << 20
# rows of rank 0 that the encoder monitors after every epoch, and their bytes at most
WATCHED_ROWS = 2048
WATCHED_BYTES = 64 << 20
ENCODED_AT_ONCE = 256


@dataclass(frozen=True)
class TrainingPlan:
    """Parameters of a training, sent to every rank; neither data nor weights.

    Attributes
    ----------
    snapshot : str
        Folder of the training rows, mounted by every rank.
    key : str
        Fingerprint of the training.
    encoder, settings : dict
        `EncoderSettings` and `TrainSettings` as dicts.
    threads : int
        torch threads of a rank.
    """

    snapshot: str
    key: str
    seed: int
    encoder: dict[str, Any]
    settings: dict[str, Any]
    threads: int


@dataclass(frozen=True)
class Trained:
    """What a rank reports: the digest of its parameters, and the metrics of all ranks and epochs."""

    digest: str
    metrics: list[dict[str, Any]]
    resumed_from: int


def train(plan: TrainingPlan, group: ProcessGroup) -> Trained:
    """Train from the last checkpoint, or from the start, to the last epoch; rank 0 writes the weights.

    Running statistics of batch normalisation differ between ranks: those of rank 0 are sent to all after every epoch,
    before anything is monitored or written.

    Raises
    ------
    DataLoss
        A rank found other rows than the snapshot's manifest says; it names rank, epoch, found and expected.
    """
    import torch

    from skyhash.nets import train_loop

    torch.set_num_threads(plan.threads)
    folder = Path(plan.snapshot)
    manifest = shards.load(folder)
    if manifest.ranks != group.size:
        raise DataLoss(f"training: a snapshot for {manifest.ranks} ranks is read by {group.size}")
    device = device_of("train.device", plan.settings["device"], group.rank)
    torch.manual_seed(plan.seed)
    encoder = train_loop.make(plan.encoder, manifest.shape, manifest.classes)
    checkpoint = checkpoints.load(folder, plan.key)
    read = reader.kept(reader.get(plan.settings["reader"]))
    reader.require_rows(read, folder, group.rank, plan.seed, _agree(group))
    encoder.fit(lambda: _batches_in_order(plan, group.rank), group)
    encoder.to(device)
    group.broadcast(encoder.state_dict())
    optimiser = group.averaging(train_loop.optimiser_of(encoder, plan.settings))
    watched = _watched(plan, group.rank, device)
    metrics: list[dict[str, Any]] = []
    if checkpoint is not None:
        checkpoints.restore(checkpoint, encoder, optimiser)
        metrics = checkpoint.metrics
    resumed_from, epochs = len(metrics), plan.settings["epochs"]
    for epoch in range(resumed_from, epochs):
        metrics.append(_epoch(plan, group, read, encoder, optimiser, epoch, device))
        group.broadcast(dict(encoder.named_buffers()))
        if group.rank == 0:
            encoder.eval()
            with torch.inference_mode():
                metrics[-1] |= {name: float(value) for name, value in encoder.monitor(watched).items()}
            with (folder / PROGRESS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics[-1]) + "\n")
            if (epoch + 1) % plan.settings["checkpoint_epochs"] == 0 and epoch + 1 < epochs:
                checkpoints.save(folder, plan.key, epoch + 1, metrics, encoder, optimiser)
    parameters = digest(dict(encoder.named_parameters()))
    _write_final(plan, group, encoder.to("cpu"))
    return Trained(parameters, metrics, resumed_from)


def device_of(setting: str, name: str, rank: int) -> torch.device:
    """The device of a rank, or of a task, that a setting names.

    Raises
    ------
    SkyhashError
        The setting is ``cuda`` and there is no CUDA device.
    """
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise SkyhashError(f"{setting}: found no CUDA device on a rank or task, expected one")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", rank % torch.cuda.device_count())


def _epoch(
    plan: TrainingPlan,
    group: ProcessGroup,
    read: Reader,
    encoder: Encoder,
    optimiser: torch.optim.Optimizer,
    epoch: int,
    device: torch.device,
) -> dict[str, Any]:
    import torch

    from skyhash.nets import train_loop

    began = time.monotonic()
    # random draws inside the loss depend on these three alone, so that a resumed training repeats them
    torch.manual_seed(int(np.random.SeedSequence([plan.seed, epoch, group.rank]).generate_state(1)[0]))
    encoder.train()
    batches = _batches(plan, group, read, epoch, device)
    losses, rows = train_loop.train_epoch(encoder, optimiser, batches, epoch, plan.settings, group)
    # counts the rows that went through training steps, not only those that were read
    manifest = shards.load(Path(plan.snapshot))
    counts = group.gather([rows, manifest.shard_rows(group.rank)])
    for rank, (found, expected) in enumerate(counts):
        if found != expected:
            raise DataLoss(f"training, epoch {epoch + 1}: rank {rank} trained on {found} rows, expected {expected}")
    seen = [found for found, _ in counts]
    names = sorted(losses)
    weighted = torch.tensor([losses[name] * rows for name in names], dtype=torch.float64)
    means = dict(zip(names, (group.total(weighted) / sum(seen)).tolist(), strict=True))
    seconds = round(time.monotonic() - began, 3)
    parts = {f"loss_{name}": value for name, value in means.items() if name != "loss"}
    return {"epoch": epoch + 1, "loss": means.get("loss", 0.0), **parts, "rows": seen, "seconds": seconds}


def _batches(
    plan: TrainingPlan, group: ProcessGroup, read: Reader, epoch: int, device: torch.device
) -> Iterator[Batch]:
    folder = Path(plan.snapshot)
    batch = reader.batch_of(shards.load(folder), plan.settings["batch"])
    for rows in reader.epoch(read, folder, group.rank, epoch, plan.seed, batch, _agree(group)):
        yield _batch(rows, device)


def _agree(group: ProcessGroup) -> reader.Agree:
    return lambda found, expected: [(one[0], one[1]) for one in group.gather([found, expected])]


def _batch(rows: ShardRows, device: torch.device | str = "cpu") -> Batch:
    import torch

    from skyhash.nets.encoder import Batch

    columns = (rows.data, rows.hours, rows.labels, rows.ids, rows.sources)
    return Batch(*(torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in columns))


def _batches_in_order(plan: TrainingPlan, rank: int) -> Iterator[Batch]:
    """A rank's rows, once, in the snapshot's order of its row groups."""
    folder = Path(plan.snapshot)
    manifest = shards.load(folder)
    read = reader.get(plan.settings["reader"])
    for turn in range(len(manifest.group_rows) // manifest.ranks):
        rows = read(folder, manifest, rank, [turn])
        for start in range(0, len(rows.position), ENCODED_AT_ONCE):
            yield _batch(rows.take(slice(start, start + ENCODED_AT_ONCE)))


def _watched(plan: TrainingPlan, rank: int, device: torch.device) -> Batch:
    """A sample of the rank's rows, evenly spread over its shard."""
    import torch

    from skyhash.nets.encoder import Batch

    manifest = shards.load(Path(plan.snapshot))
    most = max(1, min(WATCHED_ROWS, WATCHED_BYTES // shards.row_bytes(manifest.dtype, manifest.shape)))
    stride = -(-manifest.shard_rows(rank) // most)
    kept = [Batch(*(column[::stride] for column in batch)) for batch in _batches_in_order(plan, rank)]
    return Batch(*(torch.cat(column)[:most].to(device) for column in zip(*kept, strict=True)))


def _write_final(plan: TrainingPlan, group: ProcessGroup, encoder: Encoder) -> None:
    """Rank 0 writes the weights, and the thresholds of packed bits by each rule, on an even sample of all ranks' rows.

    Every rank encodes the rows of its own shard.
    """
    import torch

    folder = Path(plan.snapshot)
    manifest = shards.load(folder)
    stride = max(1, -(-manifest.rows // min(SAMPLE_ROWS, max(1, SAMPLE_NUMBERS // encoder.code_size))))
    encoder.eval()
    with torch.inference_mode():
        codes = [encoder.encode(batch.data[::stride]).float() for batch in _batches_in_order(plan, group.rank)]
    code = group.all_gather(torch.cat(codes).clone())
    if group.rank != 0:
        return
    tensors = {f"encoder/{name}": tensor for name, tensor in encoder.state_dict().items()}
    thresholds = packing.every_threshold(code.numpy())
    tensors |= {f"thresholds/{kind}": torch.from_numpy(row) for kind, row in thresholds.items()}
    facts = {"key": plan.key}
    checkpoints.write(folder / FINAL, tensors, facts)


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """Fingerprint of named tensors, bit for bit."""
    import torch

    state = hashlib.sha256()
    for name in sorted(tensors):
        state.update(name.encode())
        state.update(tensors[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()
