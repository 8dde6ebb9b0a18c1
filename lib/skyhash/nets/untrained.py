"""Codes of an untrained network as a descriptor, a baseline of the trained one.

The network is any encoder with its settings. Its weights are drawn from `seed`, or pretrained.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from skyhash.nets import train_loop
from skyhash.nets.encoder import Alone, Encoder
from skyhash.nets.settings.untrained import UntrainedSettings
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.image import Image


@functools.lru_cache(maxsize=2)
def _network(settings: str, shape: tuple[int, ...], seed: int) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = train_loop.make(json.loads(settings), shape, ())
    encoder.fit(lambda: iter(()), Alone())
    return encoder.eval()


class Untrained:
    """The descriptor; see the module."""

    Settings = UntrainedSettings
    version = 1
    dtype = "float32"

    def __init__(self, settings: UntrainedSettings):
        self.settings = settings
        self.input = DESCRIPTORS.make(DESCRIPTORS.settings(settings.of["kind"])(**settings.of))
        self.shape = (self._encoder().code_size,)

    def __call__(self, image: Image) -> tuple[npt.NDArray[np.float32], dict[str, Any]]:
        """Codes, float32, shape (code_size,); facts and errors are those of the descriptor that is read."""
        data, facts = self.input(image)
        with torch.inference_mode():
            code = self._encoder().encode(torch.from_numpy(np.array(data))[None])
        return code[0].float().numpy(), facts

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """That descriptor's preview."""
        return self.input.preview(image, side_px)

    def _encoder(self) -> Encoder:
        # not kept in the instance, because descriptors are pickled to Spark's workers
        return _network(json.dumps(self.settings.encoder, sort_keys=True), tuple(self.input.shape), self.settings.seed)
