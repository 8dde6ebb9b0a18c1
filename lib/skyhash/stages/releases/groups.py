"""Cluster an image's nearest images, from the released table of neighbours; neither Spark nor a network is needed.

k-means of the similarities among the listed images. Each group is shown with its most representative image and the
images of the list that are nearest to that one.

  skyhash groups 12 --config conf/alma_demo.yaml
  skyhash groups 12 --config conf/alma_demo.yaml --groups 3 --select 9 --format json

reads   neighbours, releases
writes  nothing; --format csv or json prints rows for other programs
"""

from __future__ import annotations

from typing import Any

from skyhash.config import Config
from skyhash.locations import Location
from skyhash.scores.image_groups import groups
from skyhash.stages.releases.refine import chosen
from skyhash.stages.releases.released import NeighbourTable, neighbour_files

COLUMNS = ["group", "images", "representative", "selected"]


def of_image(config: Config, image: int, count: int, select: int) -> list[list[Any]]:
    """Rows of `COLUMNS`, the largest group first.

    Raises
    ------
    InputError
        No release, or the image is not in its neighbours.
    """
    table = NeighbourTable(neighbour_files(Location(config.warehouse, config.storage)))
    (query,) = chosen(table, [image])
    found = groups(query, table.rows(query.ids.tolist()), count, select, config.seed)
    return [[n, len(one.members), one.representative, one.selected.tolist()] for n, one in enumerate(found, 1)]
