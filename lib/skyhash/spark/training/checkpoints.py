"""Checkpoints of a training: safetensors, written under a temporary name, then renamed.

A checkpoint holds the weights, the optimiser's moments, and as text the epoch and the metrics so far. The order of
rows and all random draws depend on (seed, epoch, rank) alone, so no state of a generator is needed.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhash.errors import InputError

if TYPE_CHECKING:
    import torch

FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """State after `epochs` whole epochs; `metrics` as in `models.metrics`."""

    epochs: int
    metrics: list[dict[str, Any]]
    weights: dict[str, torch.Tensor]
    moments: dict[int, dict[str, torch.Tensor]]


def save(
    folder: Path, key: str, epochs: int, metrics: list[dict], module: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Replace the checkpoint of `folder` in one step."""
    import torch

    tensors = {f"weights/{name}": tensor for name, tensor in module.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        for name, value in state.items():
            tensors[f"moments/{index}/{name}"] = torch.as_tensor(value)
    facts = {"key": key, "epochs": epochs, "metrics": metrics}
    write(folder / FILE, tensors, {"facts": json.dumps(facts)})


def load(folder: Path, key: str) -> Checkpoint | None:
    """The last checkpoint; None if there is none.

    Raises
    ------
    InputError
        It belongs to another training or cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.exists():
        return None
    weights: dict[str, torch.Tensor] = {}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads(file.metadata()["facts"])
            for name in file.keys():  # noqa: SIM118  safe_open is no mapping
                kind, _, rest = name.partition("/")
                if kind == "weights":
                    weights[rest] = file.get_tensor(name)
                else:
                    index, _, field = rest.partition("/")
                    moments.setdefault(int(index), {})[field] = file.get_tensor(name)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError(str(path), found, "a checkpoint; delete it to start anew") from None
    if facts["key"] != key:
        raise InputError(str(path), f"a checkpoint of training {facts['key']}", f"one of training {key}")
    return Checkpoint(facts["epochs"], facts["metrics"], weights, moments)


def restore(checkpoint: Checkpoint, module: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
    """Load a checkpoint's weights and moments into model and optimiser."""
    module.load_state_dict(checkpoint.weights)
    state = optimiser.state_dict()
    optimiser.load_state_dict({"state": checkpoint.moments, "param_groups": state["param_groups"]})


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file under a temporary name, then rename it."""
    from safetensors.torch import save_file

    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    save_file({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, draft, metadata)
    draft.replace(path)
