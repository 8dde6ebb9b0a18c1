"""One epoch of training, whatever the encoder; the launcher averages gradients and feeds batches.

The learning rate rises over the first steps and falls as half a cosine over the epochs (Loshchilov and Hutter 2017). It
follows from the epoch's number alone, so that a resumed training takes the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from skyhash.nets import registry
from skyhash.nets.encoder import Batch, Encoder

WARM_STEPS = 20


def make(settings: dict[str, Any], input_size: int) -> tuple[Encoder, torch.optim.Optimizer]:
    """A fresh encoder and its optimiser.

    Parameters
    ----------
    settings : dict
        `config.TrainSettings` as a dict; the group named like the encoder holds what its constructor takes.
    input_size : int
        Numbers per descriptor.
    """
    name = settings["encoder"]
    encoder = registry.build(name, input_size=input_size, **settings.get(name, {}))
    return encoder, torch.optim.Adam(encoder.parameters(), lr=settings["learning_rate"], fused=True)


def learning_rate(settings: dict[str, Any], epoch: int, step: int) -> float:
    """Learning rate of a step; `epoch` and `step` of the epoch count from 0."""
    fall = 0.5 + 0.5 * math.cos(math.pi * epoch / settings["epochs"])
    rise = min(1.0, (step + 1) / WARM_STEPS) if epoch == 0 else 1.0
    return settings["learning_rate"] * fall * rise


def train_epoch(
    encoder: Encoder,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[Batch],
    epoch: int,
    settings: dict[str, Any],
) -> tuple[float, int]:
    """Step once per batch.

    Parameters
    ----------
    encoder, optimiser
        Of `make`; the optimiser may be wrapped, so that a step averages gradients across ranks.
    batches : iterable of Batch
    epoch : int
        From 0.
    settings : dict
        As of `make`.

    Returns
    -------
    loss : float
        Mean of a row.
    rows : int
        Rows that went through steps.
    """
    total, rows = torch.zeros((), dtype=torch.float64), 0
    for step, batch in enumerate(batches):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(settings, epoch, step)
        optimiser.zero_grad()
        loss = encoder.loss(batch)
        loss.backward()
        optimiser.step()
        total += loss.detach() * len(batch.vectors)
        rows += len(batch.vectors)
    return float(total) / max(rows, 1), rows
