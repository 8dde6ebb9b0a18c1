"""Checks of every archive of full-disk solar images."""

from __future__ import annotations

from skyhash.archives.archive import Facts
from skyhash.errors import BadFile
from skyhash.pixels.solar.disk import Disk

MIN_RADIUS_PX = 16
"""A disk of 32 px gives a grid of 16 two pixels per cell; nothing smaller can be described."""


def check_quality(facts: Facts, reject: int) -> None:
    """Refuse an image whose QUALITY has any of the bits in the mask `reject`.

    Raises
    ------
    BadFile
        Reason ``quality``.
    """
    quality = facts.get("quality")
    if quality is not None and quality & reject:
        raise BadFile("quality", f"QUALITY is 0x{quality:08x}, bits 0x{quality & reject:08x} are rejected")


def check_disk(disk: Disk, width: int, height: int) -> None:
    """Refuse an image that does not show the whole disk.

    Raises
    ------
    BadFile
        Reason ``no_disk``.
    """
    where = f"a disk of radius {disk.radius_px:.1f} px about ({disk.center_x_px:.1f}, {disk.center_y_px:.1f})"
    if not disk.radius_px >= MIN_RADIUS_PX:
        raise BadFile("no_disk", f"{where}, expected a radius of at least {MIN_RADIUS_PX} px")
    spare = 0.02 * disk.radius_px
    for centre, size in ((disk.center_x_px, width), (disk.center_y_px, height)):
        if centre - disk.radius_px < -0.5 - spare or centre + disk.radius_px > size - 0.5 + spare:
            raise BadFile("no_disk", f"{where} does not fit into {width} x {height} px: a cut-out")
