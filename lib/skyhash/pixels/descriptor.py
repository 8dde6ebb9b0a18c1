"""The interface of descriptors: an image in, an array of fixed shape and type out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy.typing as npt

from skyhash.pixels.image import Image
from skyhash.settings import DescriptorSettings


class Descriptor(Protocol):
    """One descriptor, made as ``Class(settings)``.

    To add one, write a class with these attributes and enter it in `skyhash.pixels.DESCRIPTORS`, or name it in an
    installed package's entry point of the group ``skyhash.descriptors``.

    Attributes
    ----------
    Settings : type
        Extends `skyhash.settings.DescriptorSettings`. Two images described under equal settings are comparable.
    version : int
        Raised whenever the array changes for equal settings: stored descriptors of other versions are recomputed.
    shape : tuple of int
        Of the array, for these settings.
    dtype : str
        numpy's name of the array's type: ``float32`` or ``uint8``.
    built_on : tuple of type, optional
        Descriptors that this one calls: its stored arrays are recomputed when their versions are raised, too.
    untrained : mapping of str to callable, optional
        Name -> function of rows (m, width) to rows, which needs no fitting. An evaluation compares each, as it is and
        as its principal components, with the learned hash. Read by `untrained_of`.
    """

    Settings: type[DescriptorSettings]
    version: int
    shape: tuple[int, ...]
    dtype: str

    def __call__(self, image: Image) -> tuple[npt.NDArray, dict[str, Any]]:
        """Describe one image.

        Returns
        -------
        array : ndarray of `dtype`, shape `shape`
        facts : dict
            Intermediate results (number of regions, signal to noise); stored as JSON beside the array.

        Raises
        ------
        BadFile
            The image cannot be described: it goes to quarantine, the job goes on.
        """

    def preview(self, image: Image, side_px: int) -> bytes | None:
        """A PNG of at most `side_px` on a side, north (or up) at the top, for pictures; None where there is none."""


def untrained_of(descriptor: Descriptor) -> Mapping[str, Callable[[npt.NDArray], npt.NDArray]]:
    """The descriptor's own untrained baselines; none where its class names none."""
    return getattr(descriptor, "untrained", {})
