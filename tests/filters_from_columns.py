"""A `PairFilter` from columns in memory, as jobs make it from a table's columns by SQL."""

import numpy as np

from skyhash.topk.filters.columns import directions, least_differences, pair_matrix
from skyhash.topk.filters.pair_filter import NO_FILTER, PairFilter


def build_pair_filter(
    n, *, within_seconds=0.0, within_degrees=0.0, obs_time_us=None, ra_deg=None, dec_deg=None, checksum=None,
    source=None, category=None, pairs=None, listable=None,
) -> PairFilter:  # fmt: skip
    """Build the filter of n images, each column in ascending order of image_id; what is 0 or None is off.

    Times are microseconds UTC or `UNKNOWN_TIME`; angles are degrees, NaN = unknown; of the texts, None and "" equal
    nothing; `pairs` are the acceptable (category of the query, category of the neighbour).
    """
    fields = NO_FILTER._asdict() | least_differences(within_seconds, within_degrees)
    if within_seconds > 0:
        fields["time"] = np.array(obs_time_us, np.int64)
    if within_degrees > 0:
        fields["sky"] = directions(np.array(ra_deg, np.float64), np.array(dec_deg, np.float64))
    for name, column in (("checksum", checksum), ("source", source)):
        if column is not None:
            known = sorted({value for value in column if value})
            fields[name] = np.array([known.index(value) if value else -1 for value in column], np.int64)
    if pairs is not None:
        names, fields["pairs"] = pair_matrix(pairs)
        numbers = [names.index(value) if value in names else len(names) for value in category]
        fields["category"] = np.array(numbers, np.int32)
    if listable is not None:
        fields["listable"] = np.array(listable, np.bool_)
    assert all(len(part) in (0, n) for name, part in fields.items() if name != "pairs" and isinstance(part, np.ndarray))
    return PairFilter(**fields)
