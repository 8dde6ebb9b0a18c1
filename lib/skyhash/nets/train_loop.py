"""One epoch of training of any encoder; the optimiser that the launcher wraps averages gradients over ranks.

The learning rate rises over the first steps and falls as half a cosine over the epochs (Loshchilov and Hutter 2017). It
follows from the epoch's number alone, so that a resumed training takes the same steps.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from typing import Any

import torch

from skyhash.errors import SkyhashError
from skyhash.nets import ENCODERS
from skyhash.nets.encoder import Batch, Encoder, ProcessGroup

WARM_STEPS = 20


def make(settings: dict[str, Any], input_shape: tuple[int, ...], classes: tuple[str, ...]) -> Encoder:
    """A fresh encoder.

    Parameters
    ----------
    settings : dict
        Of the profile's group `encoder`, as a dict.
    input_shape : tuple of int
        Of a descriptor.
    classes : tuple of str
        Labels of the training rows.
    """
    kind = settings["kind"]
    encoder: Encoder = ENCODERS.get(kind)(ENCODERS.settings(kind).model_validate(settings), input_shape, classes)
    return encoder


def optimiser_of(encoder: Encoder, settings: dict[str, Any]) -> torch.optim.Optimizer:
    """Adam (AdamW where train.weight_decay is set) over the encoder's own parameter groups."""
    groups = encoder.parameter_groups(settings["learning_rate"])
    for group in groups:
        group["highest"] = group["lr"]
    fused = all(p.is_floating_point() for group in groups for p in group["params"])
    return torch.optim.AdamW(groups, lr=settings["learning_rate"], weight_decay=settings["weight_decay"], fused=fused)


def share_of_rate(epochs: int, epoch: int, step: int) -> float:
    """Learning rate of a step as a share of the highest; `epoch` and `step` of the epoch count from 0."""
    fall = 0.5 + 0.5 * math.cos(math.pi * epoch / epochs)
    rise = min(1.0, (step + 1) / WARM_STEPS) if epoch == 0 else 1.0
    return fall * rise


def train_epoch(
    encoder: Encoder,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[Batch],
    epoch: int,
    settings: dict[str, Any],
    group: ProcessGroup,
) -> tuple[dict[str, float], int]:
    """Step once per batch.

    Parameters
    ----------
    encoder : Encoder
        Of `make`.
    optimiser : Optimizer
        Of `optimiser_of`; it may be wrapped, so that a step averages gradients across ranks.
    batches : iterable of Batch
        On the encoder's device.
    epoch : int
        From 0.
    settings : dict
        `config.TrainSettings` as a dict.
    group : ProcessGroup
        For losses over all ranks' rows.

    Returns
    -------
    losses : dict of str to float
        Mean over rows: ``loss``, and its parts by name.
    rows : int
        Rows that went through steps.

    Raises
    ------
    SkyhashError
        The loss is not finite.
    """
    totals: dict[str, torch.Tensor] = {}
    rows = 0
    for step, batch in enumerate(batches):
        for parameters in optimiser.param_groups:
            parameters["lr"] = parameters["highest"] * share_of_rate(settings["epochs"], epoch, step)
        optimiser.zero_grad()
        with _precision(settings["precision"], batch.data.device.type):
            parts = encoder.loss(batch, group)
            loss = torch.stack([part.float() for part in parts.values()]).sum()
        loss.backward()
        optimiser.step()
        count = len(batch.data)
        for name, part in (("loss", loss), *parts.items()):
            zero = torch.zeros((), dtype=torch.float64)
            totals[name] = totals.get(name, zero) + part.detach().double().cpu() * count
        rows += count
        if not bool(torch.isfinite(totals["loss"])):
            raise SkyhashError(f"training, epoch {epoch + 1}, step {step + 1}: the loss is {float(loss.detach())}")
    return {name: float(total) / max(rows, 1) for name, total in totals.items()}, rows


def _precision(name: str, device: str) -> Any:
    if name == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device, dtype=torch.bfloat16)
