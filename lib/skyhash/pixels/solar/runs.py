"""Run-length encoded masks: morphology and labelling whose cost depends on the regions, not on the image's size.

A run is a sequence of adjacent set pixels in one row. A set of pixels is three arrays: `row_start` (int64, shape
(height + 1,)), the index of each row's first run, and `begin` and `end` (int32, shape (runs,)), the first column of
each run and the column after its last; the runs of a row are in order and do not touch. An active Sun at 4096 px has
some ten thousand runs where the mask has 16 million pixels.
"""

from __future__ import annotations

import numpy as np

from skyhash.compiled import compiled


@compiled
def _grown(array, needed):
    if needed <= array.shape[0]:
        return array
    larger = np.empty(max(needed, 2 * array.shape[0]), array.dtype)
    larger[: array.shape[0]] = array
    return larger


@compiled
def _beyond(part, low, high):
    """How many values are below low or above high; counting has no branch, so it becomes vector instructions."""
    count = 0
    for x in range(part.size):
        count += (part[x] < low) | (part[x] > high)
    return count


@compiled
def threshold(values, low, high, blank, has_blank, center_x, center_y, radius):
    """Runs of the pixels on the disk whose stored value is below `low` or above `high`.

    Parameters
    ----------
    values : ndarray, shape (height, width)
    low, high : same kind of number as values
        Open bounds in stored units.
    blank : number
        Stored value to leave out, where `has_blank`. NaN is never beyond a bound.
    center_x, center_y, radius : float
        The disk, pixels; a pixel belongs to it when its centre does.

    Returns
    -------
    row_start, begin, end
        The runs.
    """
    height, width = values.shape
    row_start = np.zeros(height + 1, np.int64)
    begin, end = np.empty(1024, np.int32), np.empty(1024, np.int32)
    n = 0
    for y in range(height):
        row_start[y] = n
        dy = y - center_y
        squared = radius * radius - dy * dy
        if squared < 0.0:
            continue
        half = np.sqrt(squared)
        left, right = max(0, int(np.ceil(center_x - half)) - 1), min(width, int(np.floor(center_x + half)) + 2)
        while left < right and (left - center_x) * (left - center_x) + dy * dy > radius * radius:
            left += 1
        while right > left and (right - 1 - center_x) * (right - 1 - center_x) + dy * dy > radius * radius:
            right -= 1
        row = values[y]
        # room for the most runs that a row can have; growing within the row would make each pixel ten times as dear
        begin, end = _grown(begin, n + width // 2 + 1), _grown(end, n + width // 2 + 1)
        open_run = False
        block = left
        while block < right:
            stop = min(block + 128, right)
            if _beyond(row[block:stop], low, high) == 0:
                if open_run:
                    end[n - 1] = block
                    open_run = False
                block = stop
                continue
            for x in range(block, stop):
                value = row[x]
                inside = ((value < low) | (value > high)) and not (has_blank and value == blank)
                if inside and not open_run:
                    begin[n] = x
                    n += 1
                    open_run = True
                elif open_run and not inside:
                    end[n - 1] = x
                    open_run = False
            block = stop
        if open_run:
            end[n - 1] = right
    row_start[height] = n
    return row_start, begin[:n].copy(), end[:n].copy()


@compiled
def _intersect_shrunk(a_begin, a_end, row_begin, row_end, shrink):
    """Intersect runs a with the runs of another row, each shortened by `shrink` at both ends."""
    out_begin, out_end = (
        np.empty(a_begin.size + row_begin.size, np.int32),
        np.empty(a_begin.size + row_begin.size, np.int32),
    )
    n = i = j = 0
    while i < a_begin.size and j < row_begin.size:
        low, high = max(a_begin[i], row_begin[j] + shrink), min(a_end[i], row_end[j] - shrink)
        if low < high:
            out_begin[n], out_end[n] = low, high
            n += 1
        if a_end[i] < row_end[j] - shrink:
            i += 1
        else:
            j += 1
    return out_begin[:n], out_end[:n]


@compiled
def _unite_grown(a_begin, a_end, row_begin, row_end, grow):
    """Unite runs a with the runs of another row, each lengthened by `grow` at both ends."""
    out_begin, out_end = (
        np.empty(a_begin.size + row_begin.size, np.int32),
        np.empty(a_begin.size + row_begin.size, np.int32),
    )
    n = i = j = 0
    while i < a_begin.size or j < row_begin.size:
        if j >= row_begin.size or (i < a_begin.size and a_begin[i] <= row_begin[j] - grow):
            low, high = a_begin[i], a_end[i]
            i += 1
        else:
            low, high = row_begin[j] - grow, row_end[j] + grow
            j += 1
        if n and low <= out_end[n - 1]:
            out_end[n - 1] = max(out_end[n - 1], high)
        else:
            out_begin[n], out_end[n] = low, high
            n += 1
    return out_begin[:n], out_end[:n]


@compiled
def _morphed(row_start, begin, end, half_widths, erode):
    height, radius = row_start.size - 1, half_widths.size // 2
    new_start = np.zeros(height + 1, np.int64)
    new_begin, new_end = np.empty(max(1, begin.size), np.int32), np.empty(max(1, begin.size), np.int32)
    n = 0
    for y in range(height):
        new_start[y] = n
        first, last = row_start[y], row_start[y + 1]
        low, high = max(0, y - radius), min(height - 1, y + radius)
        if erode and (first == last or low != y - radius or high != y + radius):
            continue
        if not erode and row_start[low] == row_start[high + 1]:
            continue
        width = half_widths[radius]
        if erode:
            kept_begin, kept_end = _intersect_shrunk(
                begin[first:last], end[first:last], begin[first:last], end[first:last], width
            )
        else:
            kept_begin, kept_end = begin[first:last] - width, end[first:last] + width
            kept_begin, kept_end = _unite_grown(kept_begin[:0], kept_end[:0], begin[first:last], end[first:last], width)
        for other in range(low, high + 1):
            if other == y or (erode and kept_begin.size == 0):
                continue
            a, b = row_start[other], row_start[other + 1]
            width = half_widths[other - y + radius]
            if erode:
                kept_begin, kept_end = _intersect_shrunk(kept_begin, kept_end, begin[a:b], end[a:b], width)
            elif a != b:
                kept_begin, kept_end = _unite_grown(kept_begin, kept_end, begin[a:b], end[a:b], width)
        new_begin, new_end = _grown(new_begin, n + kept_begin.size), _grown(new_end, n + kept_begin.size)
        new_begin[n : n + kept_begin.size], new_end[n : n + kept_begin.size] = kept_begin, kept_end
        n += kept_begin.size
    new_start[height] = n
    return new_start, new_begin[:n].copy(), new_end[:n].copy()


def opening(runs, radius):
    """Erosion, then dilation, by the disk of that radius (all whole offsets within it, as scikit-image's ``disk``).

    Beyond the image's edge nothing is set. The runs of the Sun never reach it, so the edge plays no part.

    Parameters
    ----------
    runs : tuple of ndarray
        `row_start`, `begin`, `end`.
    radius : int
        Pixels; 0 leaves the set as it is.
    """
    if radius == 0:
        return runs
    offsets = np.arange(-radius, radius + 1)
    half_widths = np.floor(np.sqrt(radius * radius - offsets * offsets)).astype(np.int32)
    return _morphed(*_morphed(*runs, half_widths, True), half_widths, False)


@compiled
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def regions_of_at_least(row_start, begin, end, min_area):
    """Keep the connected regions (by edge or corner) with at least so many pixels.

    Returns
    -------
    row_start, begin, end
        The runs that are left.
    region : ndarray of int32, shape (runs,)
        Which region a run belongs to, counted from 0 in the order of their first run.
    areas : ndarray of int64, shape (regions,)
        Pixels of each region.
    """
    height, total = row_start.size - 1, begin.size
    parent = np.arange(total)
    for y in range(1, height):
        i, j = row_start[y - 1], row_start[y]
        while i < row_start[y] and j < row_start[y + 1]:
            if begin[i] <= end[j] and begin[j] <= end[i]:
                a, b = _root(parent, i), _root(parent, j)
                parent[max(a, b)] = min(a, b)
            if end[i] < end[j]:
                i += 1
            else:
                j += 1
    area = np.zeros(total, np.int64)
    for i in range(total):
        area[_root(parent, i)] += end[i] - begin[i]
    number = np.full(total, -1, np.int32)
    areas = np.empty(total, np.int64)
    region = np.empty(total, np.int32)
    new_start = np.zeros(height + 1, np.int64)
    new_begin, new_end = np.empty(total, np.int32), np.empty(total, np.int32)
    n = regions = 0
    for y in range(height):
        new_start[y] = n
        for i in range(row_start[y], row_start[y + 1]):
            root = _root(parent, i)
            if area[root] < min_area:
                continue
            if number[root] < 0:
                number[root] = regions
                areas[regions] = area[root]
                regions += 1
            new_begin[n], new_end[n], region[n] = begin[i], end[i], number[root]
            n += 1
    new_start[height] = n
    return new_start, new_begin[:n].copy(), new_end[:n].copy(), region[:n].copy(), areas[:regions].copy()
