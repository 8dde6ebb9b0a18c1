"""Regions, grid and descriptor against slow references: scikit-image, and loops straight from Algorithm 1."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import measure, morphology
from solar_images import describe
from solar_images import magnetogram as made

from skyhash.pixels.solar import grid as cells
from skyhash.pixels.solar import regions, runs
from skyhash.pixels.solar.disk import Disk
from skyhash.pixels.solar.magnetic_grid import MagneticGrid, MagneticGridSettings
from skyhash.pixels.solar.orientation import axes_up, field_gauss, on_disk


def slow_mask(magnetogram, threshold, opening, min_area):
    """scikit-image, on the field in gauss, float64."""
    values = magnetogram.values.astype(np.float64)
    field = values * magnetogram.scale + magnetogram.offset
    mask = np.abs(field) > threshold
    if magnetogram.blank is not None:
        mask &= magnetogram.values != magnetogram.blank
    mask &= on_disk(magnetogram.geometry, magnetogram.shape)
    if opening:
        padded = np.pad(mask, opening + 1)
        mask = morphology.dilation(morphology.erosion(padded, morphology.disk(opening)), morphology.disk(opening))
        mask = mask[opening + 1 : -opening - 1, opening + 1 : -opening - 1]
    labels = measure.label(mask, connectivity=2)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    keep = areas >= min_area
    keep[0] = False
    return keep[labels], int(keep.sum()), field


def slow_grid(magnetogram, mask, field, n, what, frame):
    """Algorithm 1 in loops: slices, cells, sum of region pixels per cell; the image turned north up first."""
    disk, (height, width) = magnetogram.geometry, magnetogram.shape
    cos, sin = axes_up(disk.rotation_deg)
    left, top, size_x, size_y = cells.frame_of(magnetogram, frame)
    matrix = np.zeros((n, n))
    for y in range(height):
        for x in range(width):
            if not mask[y, x]:
                continue
            dx, dy = x - disk.center_x_px, y - disk.center_y_px
            column = math.floor((cos * dx - sin * dy - left) * n / size_x)
            row = math.floor((top - (sin * dx + cos * dy)) * n / size_y)
            row, column = min(max(row, 0), n - 1), min(max(column, 0), n - 1)
            matrix[row, column] += 1.0 if what == "area" else abs(field[y, x])
    return matrix


def mask_of(shape, found):
    mask = np.zeros(shape, bool)
    for y in range(shape[0]):
        for i in range(found.row_start[y], found.row_start[y + 1]):
            mask[y, found.begin[i] : found.end[i]] = True
    return mask


def image(seed, side, rotation, dtype, density=6):
    random = np.random.default_rng(seed)
    field = random.normal(0, 40, (side, side))
    for _ in range(density):
        x, y, r = *random.uniform(0, side, 2), random.uniform(1, side / 6)
        rows, columns = np.mgrid[:side, :side]
        field += random.normal(0, 300) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * r * r))
    radius = side * random.uniform(0.3, 0.48)
    disk = Disk(side / 2 + random.uniform(-3, 3), side / 2 + random.uniform(-3, 3), radius, rotation)
    if dtype == "int32":
        values = np.rint(field * 10).astype(np.int32)
        values[random.random((side, side)) < 0.02] = -(2**31)
        return made(values, disk, 0.1, 0.0, -(2**31))
    if dtype == "uint8":
        return made(np.clip(field / 2 + 128, 0, 255).astype(np.uint8), disk, 2.0, -256.0)
    if dtype == "int16":
        return made(np.rint(field * 3).astype(np.int16), disk, 1 / 3, 1.5, -32768)
    values = field.astype(dtype)
    values[random.random((side, side)) < 0.02] = np.nan
    return made(values, disk)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("rotation", [0.0, 179.93, 3.1, -90.0, 123.4])
@pytest.mark.parametrize("side", [17, 64, 131])
def test_regions_and_sums_equal_the_slow_reference(side, rotation, dtype):
    for seed, (opening, min_area) in enumerate([(0, 1), (4, 40), (9, 300)]):
        magnetogram = image(seed, side, rotation, dtype)
        found = regions.find(magnetogram, 100.0, opening, min_area)
        pixels = regions.scaled_sizes(opening, min_area, magnetogram.geometry.radius_px)
        mask, count, field = slow_mask(magnetogram, 100.0, *pixels)
        np.testing.assert_array_equal(mask_of(magnetogram.shape, found), mask)
        assert len(found.areas) == count
        assert found.areas.sum() == mask.sum()
        for what in ("area", "intensity"):
            for frame in ("disk", "image"):
                for n in (1, 5, 16):
                    fast = cells.cell_sums(magnetogram, found, n, what, frame)
                    np.testing.assert_allclose(fast, slow_grid(magnetogram, mask, field, n, what, frame), rtol=1e-12)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_opening_and_labelling_of_any_mask(data):
    height, width = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 70))
    bits = data.draw(st.binary(min_size=height * width, max_size=height * width))
    cut = data.draw(st.integers(0, 255))
    values = np.frombuffer(bits, np.uint8).reshape(height, width)
    radius, min_area = data.draw(st.integers(0, 4)), data.draw(st.integers(1, 30))
    magnetogram = made(values, Disk(width / 2, height / 2, 100.0))  # a disk wider than the image
    found = runs.threshold(
        values.astype(np.int32), np.int32(-1), np.int32(cut), np.int32(0), False, width / 2, height / 2, 100.0
    )
    result = regions.Regions(*runs.regions_of_at_least(*runs.opening(found, radius), min_area))
    mask, count, _ = slow_mask(magnetogram, cut, radius, min_area)
    np.testing.assert_array_equal(mask_of(values.shape, result), mask)
    assert len(result.areas) == count


@pytest.mark.parametrize("ends", [(0, 128), (100, 128), (100, 129), (128, 256), (127, 256), (255, 300), (0, 300)])
def test_runs_that_end_where_a_block_of_128_pixels_does(ends):
    values = np.zeros((3, 300), np.int32)
    values[1, slice(*ends)] = 9
    found = runs.threshold(values, np.int32(-1), np.int32(5), np.int32(0), False, 150.0, 1.0, 1000.0)
    result = regions.Regions(*runs.regions_of_at_least(*runs.opening(found, 0), 1))
    np.testing.assert_array_equal(mask_of(values.shape, result), values > 5)


def test_a_pixel_on_the_circle_counts():
    found = runs.threshold(np.full((11, 11), 9, np.int32), np.int32(-1), np.int32(5), np.int32(0), False, 5.0, 5.0, 5.0)
    result = regions.Regions(*runs.regions_of_at_least(*runs.opening(found, 0), 1))
    down, west = np.mgrid[-5:6, -5:6]
    np.testing.assert_array_equal(mask_of((11, 11), result), down**2 + west**2 <= 25)


@pytest.mark.parametrize("scale", [0.1, 0.01, 1 / 3, 2.0, 1e-7])
def test_bounds_in_stored_units_are_exact(scale):
    magnetogram = made(np.zeros((1, 1), np.int32), Disk(0, 0, 1), scale, 0.3)
    low, high = (int(b) for b in regions.stored_bounds(magnetogram, 100.0, np.dtype(np.int32)))
    assert high * scale + 0.3 <= 100.0 < (high + 1) * scale + 0.3
    assert (low - 1) * scale + 0.3 < -100.0 <= low * scale + 0.3


def test_an_image_cut_into_equal_slices_is_plain_algorithm_1():
    magnetogram = image(5, 64, 0.0, "int32")
    found = regions.find(magnetogram, 100.0, 0, 1)
    picture = np.abs(regions.intensity_image(magnetogram, found))[::-1].astype(np.float64)  # north up
    expected = [[cell.sum() for cell in np.hsplit(part, 16)] for part in np.vsplit(picture, 16)]
    np.testing.assert_allclose(cells.cell_sums(magnetogram, found, 16, frame="image"), expected, rtol=1e-6)


def test_turning_the_camera_by_180_degrees_changes_nothing():
    up = image(2, 64, 0.0, "int32")
    c = up.geometry
    down = made(up.values[::-1, ::-1], Disk(63 - c.center_x_px, 63 - c.center_y_px, c.radius_px, 180.02), 0.1,
                       0.0, up.blank)  # fmt: skip
    np.testing.assert_array_equal(field_gauss(up), field_gauss(down))
    for frame in ("disk", "image"):
        np.testing.assert_allclose(describe(up, frame=frame).vector, describe(down, frame=frame).vector, rtol=1e-6)


def test_a_turned_camera_sees_the_same_cells():
    """A spot in the north-east stays in the north-east cell, whatever the roll of the camera."""
    for angle in range(0, 360, 15):
        cos, sin = axes_up(angle)
        east, north = -75.0, 78.0
        x, y = 128 + cos * east + sin * north, 128 - sin * east + cos * north
        rows, columns = np.mgrid[:257, :257]
        values = np.where(np.hypot(columns - x, rows - y) < 6, 5000, 0).astype(np.int32)
        magnetogram = made(values, Disk(128, 128, 120, angle), 0.1)
        vector = describe(magnetogram, grid=4, opening_px=0, transform="none").vector.reshape(4, 4)
        assert np.argmax(vector) == 0, angle
        assert np.count_nonzero(vector) == 1
        field = field_gauss(magnetogram)
        assert field[128 - 78, 128 - 75] == 500
        assert field.shape == (257, 257)


def test_the_disk_is_that_of_slow_distances_in_an_image_that_is_no_square():
    disk = Disk(11.3, 6.8, 5.1)
    found = on_disk(disk, (14, 25))
    assert found.shape == (14, 25)
    for y, x in np.ndindex(14, 25):
        assert found[y, x] == (math.dist((x, y), (11.3, 6.8)) <= 5.1)


def test_the_field_is_turned_about_the_disk_centre_and_nan_beyond_it():
    """At 90 degrees west is up in the file; the disk lies off the middle of an image that is no square."""
    disk = Disk(12.0, 9.0, 8.0, 90.0)
    values = np.zeros((21, 30), np.float32)
    values[9 - 5, 12 + 3] = 7.0  # x_up = -y, y_up = x: five to the west, three to the north
    field = field_gauss(made(values, disk))
    # row 0 of the field is the northernmost of the file's 21 rows
    assert np.argwhere(field == 7).tolist() == [[20 - (9 + 3), 12 + 5]]
    assert np.isnan(field[20 - 9, 12 + 9]) and np.isnan(field[20 - (9 + 9), 12]) and field[20 - 9, 12 - 7] == 0


def test_polarity_is_kept_and_groups_do_not_cancel():
    values = np.zeros((64, 64), np.int32)
    values[30:34, 20:26], values[30:34, 26:32] = 3000, -3000
    magnetogram = made(values, Disk(31.5, 31.5, 30.0), 0.1)
    found = regions.find(magnetogram, 100.0, 0, 1)
    picture = regions.intensity_image(magnetogram, found)
    assert len(found.areas) == 1  # both halves touch
    assert (picture.max(), picture.min(), picture.sum()) == (300, -300, 0)
    assert cells.cell_sums(magnetogram, found, 1)[0, 0] == 48 * 300


@pytest.mark.parametrize("transform", ["none", "sqrt", "log1p"])
@pytest.mark.parametrize("normalise", ["disk", "none", "max", "l2", "sum"])
def test_a_quiet_sun_is_zero_and_never_nan(transform, normalise):
    magnetogram = made(np.zeros((64, 64), np.int32), Disk(31.5, 31.5, 30.0), 0.1)
    described = describe(magnetogram, transform=transform, normalise=normalise)
    assert described.is_zero
    assert described.vector.dtype == np.float32
    assert not described.vector.any()
    assert (described.regions, described.region_pixels) == (0, 0)


def test_an_image_of_twice_the_side_has_the_same_descriptor():
    """Default normalisation: sums as if every image had a disk of one radius."""
    small = np.zeros((64, 64), np.int32)
    small[20:30, 14:24], small[40:46, 33:47] = 2500, -1800
    large = np.kron(small, np.ones((2, 2), np.int32))
    settings = {"opening_px": 0, "min_area_px": 0, "preview_px": 0}
    one = describe(made(small, Disk(31.5, 31.5, 32.0), 0.1), **settings)
    two = describe(made(large, Disk(63.5, 63.5, 64.0), 0.1), **settings)
    assert two.region_pixels == 4 * one.region_pixels
    np.testing.assert_allclose(two.vector, one.vector, rtol=1e-6)
    assert not np.allclose(
        *(describe(made(v, Disk(c, c, r), 0.1), normalise="none", **settings).vector
          for v, c, r in ((small, 31.5, 32.0), (large, 63.5, 64.0)))
    )  # fmt: skip


def test_normalisation():
    sums = np.array([[9.0, 16.0], [0.0, 0.0]])
    np.testing.assert_allclose(cells.transformed(sums, "sqrt", "l2"), [0.6, 0.8, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(cells.transformed(sums, "none", "max"), [0.5625, 1, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(cells.transformed(sums, "none", "sum"), [0.36, 0.64, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(cells.transformed(sums, "log1p"), np.log1p([9, 16, 0, 0]), rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "said"), [({"measure": "mass"}, "measure is 'mass'"), ({"frame": "sky"}, "frame is 'sky'"),
                        ({"transform": "cube"}, "transform"), ({"normalise": "l1"}, "normalise")]
)  # fmt: skip
def test_an_unknown_choice_is_named(wrong, said):
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        MagneticGridSettings(**wrong)
    unchecked = MagneticGrid(MagneticGridSettings.model_construct(**MagneticGridSettings().model_dump() | wrong))
    with pytest.raises(ValueError, match=said):
        unchecked(image(0, 64, 0.0, "int32"))


def test_sizes_scale_with_the_disk():
    assert regions.scaled_sizes(1, 9, 480.0) == (1, 9)
    assert regions.scaled_sizes(1, 9, 1920.0) == (4, 144)
    assert regions.scaled_sizes(1, 9, 202.0) == (0, 2)
    assert regions.scaled_sizes(0, 0, 480.0) == (0, 1)
