"""The interface of encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch
from skyhash.settings import EncoderSettings


class Batch(NamedTuple):
    """Rows of one training step.

    Parameters
    ----------
    data : Tensor, shape (batch, *input_shape)
        Descriptors as stored: their own dtype (float32 or uint8), on the encoder's device.
    hours : Tensor of float64, shape (batch,)
        Times of observation, hours since 1970-01-01 UTC; NaN = unknown.
    labels : Tensor of int64, shape (batch,)
        Positions in `Encoder.classes`; -1 = unknown.
    ids : Tensor of int64, shape (batch,)
        Image ids.
    sources : Tensor of int64, shape (batch,)
        Equal for images of one source; -1 = unknown.
    """

    data: Tensor
    hours: Tensor
    labels: Tensor
    ids: Tensor
    sources: Tensor


class ProcessGroup(Protocol):
    """The ranks of a training, as in torch.distributed; all ranks must make the same calls in the same order."""

    rank: int
    size: int

    def all_gather(self, rows: Tensor) -> Tensor:
        """Concatenate the rows of all ranks, in the order of ranks; ranks may hold different numbers of rows.

        Differentiable: the gradient of a rank's rows is the sum of the gradients of all ranks' losses.
        """

    def total(self, tensor: Tensor) -> Tensor:
        """Sum over all ranks, without gradient."""


class Alone:
    """A group of one rank."""

    rank, size = 0, 1

    def all_gather(self, rows: Tensor) -> Tensor:
        return rows

    def total(self, tensor: Tensor) -> Tensor:
        return tensor


class Encoder(nn.Module):
    """A network that turns stored descriptors into codes, made as ``Class(settings, input_shape, classes)``.

    To add one, extend this class and enter it in `skyhash.nets.ENCODERS`, or name it in an installed package's entry
    point of the group ``skyhash.encoders``. Statistics fitted before the first step (means, scales) are kept in
    buffers, so that the weights file is all that hashing needs.

    Attributes
    ----------
    Settings : type
        Extends `skyhash.settings.EncoderSettings`.
    version : int
        Raised whenever equal settings, seed and rows give another model.
    file_settings : tuple of str
        Settings that name a file of which the whole content decides the model.
    threshold : {'median', 'mean', 'zero', 'half'}
        Default rule of the packed bits: bit = code above the training rows' median or mean, above 0 or above 0.5.
    quick_steps : bool
        A training step takes a few milliseconds at most, so that messages between ranks should not wait.
    input_shape : tuple of int
    classes : tuple of str
        Labels of the training rows, sorted; empty where there are none.
    code_size : int
        Numbers per code.
    """

    Settings: ClassVar[type[EncoderSettings]] = EncoderSettings
    version: ClassVar[int] = 1
    file_settings: ClassVar[tuple[str, ...]] = ()
    threshold: ClassVar[str] = "median"
    quick_steps: ClassVar[bool] = False
    code_size: int

    def __init__(self, settings: EncoderSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__()
        self.settings, self.input_shape, self.classes = settings, tuple(input_shape), tuple(classes)

    def fit(self, batches: Callable[[], Iterator[Batch]], group: ProcessGroup) -> None:
        """Fit buffers to the training rows, and initialise weights from them where the encoder does so.

        Parameters
        ----------
        batches : callable
            Returns an iterator over this rank's rows, in a fixed order; may be called several times.
        group : ProcessGroup
            Statistics are to be summed over its ranks, so that all ranks have equal buffers.
        """

    def loss(self, batch: Batch, group: ProcessGroup) -> dict[str, Tensor]:
        """Weighted parts of the loss, scalars with gradients; training minimises their sum."""
        raise NotImplementedError

    def encode(self, data: Tensor) -> Tensor:
        """Codes, float32, shape (rows, code_size), in evaluation mode."""
        raise NotImplementedError

    def classify(self, codes: Tensor) -> Tensor | None:
        """Class numbers predicted from codes, int64, shape (rows,); None where the encoder predicts no classes."""
        return None

    def monitor(self, rows: Batch) -> dict[str, float]:
        """Metrics to report after every epoch, computed in evaluation mode on some thousand fixed training rows."""
        code = torch.cat([self.encode(part) for part in rows.data.split(256)])
        return {"dead_units": float((code == code[:1]).all(dim=0).sum())}

    def parameter_groups(self, learning_rate: float) -> list[dict]:
        """Parameter groups of the optimiser, without frozen layers; a group's ``lr`` is multiplied by the schedule."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": learning_rate}]


def require_square(input_shape: tuple[int, ...], colours: bool = True) -> None:
    """Raise ModelMismatch unless descriptors are square: (side, side) or, with `colours`, (side, side, channels)."""
    if len(input_shape) not in ((2, 3) if colours else (2,)) or input_shape[0] != input_shape[1]:
        expected = "square images" if colours else "square grey images"
        raise ModelMismatch("encoder.kind", f"descriptors of shape {tuple(input_shape)}", expected)
