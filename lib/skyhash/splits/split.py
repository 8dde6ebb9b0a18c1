"""Interface of a split: which images train, which are left out, and which are unseen.

A split is fitted once, when training starts, to a JSON-serialisable rule that is stored with the model. The rule
depends on columns of one observation only, so that images that arrive later are assigned too, and an evaluation knows
which images the model has not seen. Fitting works on summaries of parts of the table, so that no process holds all
rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from skyhash.settings import SplitSettings

if TYPE_CHECKING:
    import pandas as pd

TRAIN, GAP, UNSEEN = "train", "gap", "unseen"
COLUMNS = ("natural_key", "obs_time_us", "label", "source_id", "split")
"""Columns that a split may read; obs_time_us is float64, microseconds since 1970 (UTC), NaN where there is no time.
The others are strings or None."""


class ShareSettings(SplitSettings):
    """Settings of a split that trains on a share of the images."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(0.6, description="of the images that train")


class Split(ABC):
    """Base of the splits; a subclass is made as ``Class(settings, seed)``.

    Parameters
    ----------
    settings : SplitSettings
        Of the class's own `Settings`.
    seed : int
        Of everything drawn.
    """

    Settings: ClassVar[type[SplitSettings]]

    def __init__(self, settings: Any, seed: int):
        self.settings, self.seed = settings, seed

    def summary(self, images: pd.DataFrame) -> Any:
        """What `fit` needs to know of some of the images: JSON-serialisable, of bounded size; None = nothing.

        Parameters
        ----------
        images : DataFrame
            `COLUMNS` of a part of the archive's images, at least one row.
        """
        return None

    @abstractmethod
    def fit(self, summaries: Sequence[Any]) -> dict[str, Any]:
        """The rule, JSON-serialisable; its key ``by`` names the split in the registry.

        Parameters
        ----------
        summaries : sequence
            Of `summary`, of disjoint parts that together are all images, in any order.

        Raises
        ------
        ConfigError
            A setting has no valid value.
        InputError
            The images lack what this split needs, e.g. times.
        """

    @staticmethod
    @abstractmethod
    def assign(rule: dict[str, Any], images: pd.DataFrame) -> npt.NDArray[np.object_]:
        """`TRAIN`, `GAP` or `UNSEEN` of each image.

        Parameters
        ----------
        rule : dict
            Of `fit`.
        images : DataFrame
            `COLUMNS` of n images.

        Returns
        -------
        (n,) object
        """


def uniform(seed: int, keys: Sequence[str]) -> npt.NDArray[np.float64]:
    """Pseudo-random numbers in [0, 1) that depend on seed and key alone.

    The leading 48 bits of the SHA-256 of ``seed:key``, divided by 2^48.
    """
    digests = (hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in keys)
    return np.array([int.from_bytes(digest[:6], "big") for digest in digests], np.float64) / (1 << 48)


def parts(trains: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    """`TRAIN` where true, `UNSEEN` elsewhere."""
    return np.where(trains, TRAIN, UNSEEN).astype(object)
