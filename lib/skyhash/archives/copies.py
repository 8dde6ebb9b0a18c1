"""Altered copies of images, as further members with the same source, for the evaluation `mini_search`.

A copy is turned by a random angle, mirrored with probability 1/2, and gets a little noise (the positive transformations
of Friberg, GalaxIDNet, section 3.4). Image and copies have the same `source_id`, by which `skyhash.scores.mini_search`
finds them. A copy is determined by the image's natural key and the copy's number. It has no label, because mirroring
exchanges the two senses of spirals. Archives make copies only where the setting `copies` is above 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from skyhash.archives.archive import Facts, Member
from skyhash.archives.guard import guarded
from skyhash.pixels.image import Image

SIGN = "~"
NOISE = 0.02
"""Standard deviation of the noise, of full white."""


def names_of(wanted: Iterable[str] | None) -> set[str] | None:
    """Names of the members whose images or copies are wanted; None = all."""
    return None if wanted is None else {name.split(SIGN)[0] for name in wanted}


def with_copies(members: Iterable[Member], count: int, wanted: Iterable[str] | None) -> Iterator[Member]:
    """Each member, then `count` copies of it, called ``name~1``, ``name~2``, ...; only those that are wanted."""
    chosen = None if wanted is None else set(wanted)
    for member in members:
        if chosen is None or member.name in chosen:
            yield _Original(member) if count else member
        for number in range(1, count + 1):
            if chosen is None or f"{member.name}{SIGN}{number}" in chosen:
                yield _Copy(member, number)


class _Original:
    def __init__(self, member: Member):
        self.member, self.name = member, member.name

    @guarded
    def facts(self) -> Facts:
        facts = self.member.facts()
        return facts | {"source_id": facts["natural_key"]}

    def image(self) -> Image:
        return self.member.image()


class _Copy:
    def __init__(self, member: Member, number: int):
        self.member, self.number, self.name = member, number, f"{member.name}{SIGN}{number}"

    @guarded
    def facts(self) -> Facts:
        facts, key = self.member.facts(), self.member.facts()["natural_key"]
        extra = (facts.get("facts") or {}) | {"altered_copy": self.number}
        facts_of_copy = {"natural_key": f"{key}{SIGN}{self.number}", "source_id": key, "label": None, "facts": extra}
        return facts | facts_of_copy

    @guarded
    def image(self) -> Image:
        image, key = self.member.image(), self.member.facts()["natural_key"]
        seed = np.frombuffer(hashlib.sha256(f"{key}{SIGN}{self.number}".encode()).digest(), np.uint32)
        return replace(image, values=altered(image.values, np.random.default_rng(seed)))


def altered(values: npt.NDArray, random: np.random.Generator) -> npt.NDArray:
    """Pixels turned around the middle, mirrored or not, with noise; shape and dtype stay, pixels from outside the image
    are black.

    Parameters
    ----------
    values : ndarray of uint8, shape (height, width) or (height, width, 3)
    random : numpy Generator
    """
    from PIL import Image as Picture

    mirrored = values[:, ::-1] if random.random() < 0.5 else values
    picture = Picture.fromarray(np.ascontiguousarray(mirrored))
    turned = np.asarray(picture.rotate(random.uniform(0, 360), Picture.Resampling.BILINEAR), dtype=np.float32)
    noisy = turned + random.standard_normal(turned.shape, dtype=np.float32) * (NOISE * 255)
    return np.clip(np.rint(noisy), 0, 255).astype(values.dtype)
