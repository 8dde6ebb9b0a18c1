"""What one rank does in training: read its shard epoch by epoch, step with averaged gradients, count, checkpoint."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from skyhash.codes import packing
from skyhash.errors import DataLoss
from skyhash.spark.training import checkpoints, reader, shards

if TYPE_CHECKING:
    import torch

    from skyhash.nets.encoder import Encoder
    from skyhash.spark.training.launcher import Group

PROGRESS = "progress.jsonl"
FINAL = "weights.safetensors"

# rows of all ranks on which the thresholds of packed bits, and dead units, are found
SAMPLE_ROWS = 131072
# rows of rank 0 on which an epoch's dead units are counted
WATCHED_ROWS = 2048


@dataclass(frozen=True)
class Plan:
    """All that a rank needs to know; it travels to the ranks, no data and no weights do.

    Attributes
    ----------
    snapshot : str
        Folder of the training rows, as every rank sees it.
    key : str
        Fingerprint of the training.
    settings : dict
        `TrainSettings` as a dict.
    threads : int
        torch threads of a rank.
    """

    snapshot: str
    key: str
    seed: int
    settings: dict[str, Any]
    threads: int


@dataclass(frozen=True)
class Trained:
    """What a rank reports: the digest of its weights, and the metrics of all ranks and epochs."""

    digest: str
    metrics: list[dict[str, Any]]
    resumed_from: int


def train(plan: Plan, group: Group) -> Trained:
    """Train from the last checkpoint, or from the start, to the last epoch; rank 0 writes the weights.

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
    torch.manual_seed(plan.seed)
    encoder, optimiser = train_loop.make(plan.settings, manifest.input_size)
    checkpoint = checkpoints.load(folder, plan.key)
    watched = _fit_input(plan, group, encoder)
    group.broadcast(encoder)
    optimiser = group.averaging(optimiser, encoder)
    metrics: list[dict[str, Any]] = []
    if checkpoint is not None:
        checkpoints.restore(checkpoint, encoder, optimiser)
        metrics = checkpoint.metrics
    resumed_from, epochs = len(metrics), plan.settings["epochs"]
    for epoch in range(resumed_from, epochs):
        metrics.append(_epoch(plan, group, encoder, optimiser, epoch))
        metrics[-1]["dead_units"] = _dead_units(encoder, watched)
        if group.rank == 0:
            with (folder / PROGRESS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics[-1]) + "\n")
            if (epoch + 1) % plan.settings["checkpoint_epochs"] == 0 and epoch + 1 < epochs:
                checkpoints.save(folder, plan.key, epoch + 1, metrics, encoder, optimiser)
    if group.rank == 0:
        _write_final(plan, encoder)
    return Trained(digest(encoder.state_dict()), metrics, resumed_from)


def _epoch(plan: Plan, group: Group, encoder: Encoder, optimiser: torch.optim.Optimizer, epoch: int) -> dict[str, Any]:
    import torch

    from skyhash.nets import train_loop

    began = time.monotonic()
    # draws inside the loss follow from these three alone, so that a resumed training makes the same
    torch.manual_seed(int(np.random.SeedSequence([plan.seed, epoch, group.rank]).generate_state(1)[0]))
    encoder.train()
    batches = _batches(plan, group, epoch)
    loss, rows = train_loop.train_epoch(encoder, optimiser, batches, epoch, plan.settings)
    # the last word on rows is what went through steps, not what was read
    manifest = shards.load(Path(plan.snapshot))
    counts = group.gather([rows, manifest.shard_rows(group.rank)])
    for rank, (found, expected) in enumerate(counts):
        if found != expected:
            raise DataLoss(f"training, epoch {epoch + 1}: rank {rank} trained on {found} rows, expected {expected}")
    losses = np.zeros(group.size)
    losses[group.rank] = loss
    losses = group.total(losses)
    seen = [found for found, _ in counts]
    mean = float(np.average(losses, weights=seen))
    seconds = round(time.monotonic() - began, 3)
    return {"epoch": epoch + 1, "loss": mean, "losses": losses.tolist(), "rows": seen, "seconds": seconds}


def _batches(plan: Plan, group: Group, epoch: int) -> Iterator[Any]:
    import torch

    from skyhash.nets.encoder import Batch

    def agree(found: int, expected: int) -> list[tuple[int, int]]:
        return [(one[0], one[1]) for one in group.gather([found, expected])]

    read = reader.get(plan.settings["reader"])
    folder, batch = Path(plan.snapshot), plan.settings["batch"]
    for rows in reader.epoch(read, folder, group.rank, epoch, plan.seed, batch, agree):
        yield Batch(torch.from_numpy(rows.vectors), torch.from_numpy(rows.hours))


def _fit_input(plan: Plan, group: Group, encoder: Encoder) -> torch.Tensor:
    """Fit the input's scale to all training rows; returns the rows on which rank 0 watches dead units."""
    import torch

    size = encoder.input_size + 1
    gram = torch.zeros((size, size), dtype=torch.float64)
    watched: list[torch.Tensor] = []
    for batch in _batches_in_order(plan, group.rank):
        gram += encoder.gram(batch)
        watched.append(batch[:: max(1, len(batch) // WATCHED_ROWS)])
    encoder.fit_gram(torch.from_numpy(group.total(gram.numpy())))
    kept = torch.cat(watched)
    return kept[:: max(1, len(kept) // WATCHED_ROWS)].clone()


def _batches_in_order(plan: Plan, rank: int) -> Iterator[torch.Tensor]:
    import torch

    folder = Path(plan.snapshot)
    manifest = shards.load(folder)
    read = reader.get(plan.settings["reader"])
    for turn in range(len(manifest.group_rows) // manifest.ranks):
        yield torch.from_numpy(read(folder, manifest, rank, [turn]).vectors)


def _dead_units(encoder: Encoder, rows: torch.Tensor) -> int:
    """Code units that are 0 for every row."""
    import torch

    encoder.eval()
    with torch.inference_mode():
        return int((encoder.encode(rows) == 0).all(dim=0).sum())


def _write_final(plan: Plan, encoder: Encoder) -> None:
    """Weights, and the thresholds of packed bits by each rule, on an even sample of all ranks' rows."""
    import torch

    folder = Path(plan.snapshot)
    manifest = shards.load(folder)
    stride = max(1, manifest.rows // SAMPLE_ROWS)
    encoder.eval()
    codes = []
    with torch.inference_mode():
        for rank in range(manifest.ranks):
            codes += [encoder.encode(rows[::stride]) for rows in _batches_in_order(plan, rank)]
    code = torch.cat(codes).numpy()
    tensors = {f"encoder/{name}": tensor for name, tensor in encoder.state_dict().items()}
    tensors |= {f"thresholds/{kind}": torch.from_numpy(packing.thresholds(code, kind)) for kind in packing.KINDS}
    checkpoints.write(folder / FINAL, tensors, {"key": plan.key})


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """Fingerprint of named tensors, bit for bit."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        state.update(name.encode())
        state.update(tensors[name].detach().contiguous().numpy().tobytes())
    return state.hexdigest()
