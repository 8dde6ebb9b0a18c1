"""Encoders by name."""

from __future__ import annotations

from skyhash.errors import ConfigError
from skyhash.nets.autoencoder import Autoencoder
from skyhash.nets.encoder import Encoder

ENCODERS: dict[str, type[Encoder]] = {"autoencoder": Autoencoder}


def build(name: str, **settings) -> Encoder:
    """An encoder with fresh weights; `settings` are its constructor's.

    Raises
    ------
    ConfigError
        No encoder has that name.
    """
    if name not in ENCODERS:
        raise ConfigError("train.encoder", repr(name), f"one of {', '.join(sorted(ENCODERS))}")
    return ENCODERS[name](**settings)
