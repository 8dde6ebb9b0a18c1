"""Rank images by their similarity to several chosen ones, from the released table of neighbours.

Neither Spark nor a network is needed. An image's score is the mean of its similarities to the chosen images (--rule
least: the minimum; most: the maximum). For a chosen image whose list does not contain it, the list's last similarity is
used.

  skyhash refine 12 99 105 --config conf/alma_demo.yaml --k 20
  skyhash refine 12 99 --config conf/alma_demo.yaml --format json

reads   neighbours, releases
writes  nothing; --format csv or json prints rows for other programs
"""

from __future__ import annotations

from collections.abc import Sequence

from skyhash.config import Config
from skyhash.errors import InputError
from skyhash.locations import Location
from skyhash.scores.refine import NeighbourRow, Rule, combined
from skyhash.stages.releases.released import NeighbourTable, neighbour_files

COLUMNS = ["rank", "image_id", "score", "listed_by"]


def rank(config: Config, images: Sequence[int], k: int, rule: Rule) -> list[list[int | float]]:
    """Rows of `COLUMNS`, at most `k`; listed_by is the number of chosen images whose lists contain the image.

    Raises
    ------
    InputError
        No release, or a chosen image is not in its neighbours.
    """
    rows = chosen(NeighbourTable(neighbour_files(Location(config.warehouse, config.storage))), images)
    ids, scores = combined(rows, rule)
    listed = [sum(image in row.ids for row in rows) for image in ids[:k]]
    return [[n, int(i), float(s), c] for n, (i, s, c) in enumerate(zip(ids[:k], scores[:k], listed, strict=True), 1)]


def chosen(table: NeighbourTable, images: Sequence[int]) -> list[NeighbourRow]:
    """Rows of images that must be there."""
    rows = table.rows(images)
    missing = sorted(set(images) - {row.query for row in rows})
    if missing:
        raise InputError("image", missing[0], "the image_id of an image with a row in the released neighbours")
    return rows
