"""The cut-out around the brightest pixel against a slow reading of the paper; edges, small images, shapes."""

import statistics

import numpy as np
import pytest

from skyhash.errors import BadFile
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.brightest_cutout import BrightestCutoutSettings
from skyhash.pixels.descriptor import untrained_of
from skyhash.pixels.image import Image
from skyhash.pixels.shapes import hog_of_rows, radial_profiles


def describe(values, **settings):
    return DESCRIPTORS.make(BrightestCutoutSettings(**settings))(Image(np.asarray(values, np.float32)))


def slow(values, side=64, least=5.0, by="cutout"):
    """The four steps of the module, pixel by pixel."""
    height, width = values.shape
    measured = [float(v) for row in values for v in row if np.isfinite(v)]
    middle = statistics.median(measured)
    noise = 1.4826 * statistics.median(abs(v - middle) for v in measured)
    row, column = height // 2, width // 2
    if (max(measured) - middle) / noise > least:
        row, column = next((r, c) for r in range(height) for c in range(width) if values[r, c] == max(measured))
    inside = []
    for r in range(row - side // 2, row - side // 2 + side):
        for c in range(column - side // 2, column - side // 2 + side):
            there = 0 <= r < height and 0 <= c < width and np.isfinite(values[r, c])
            inside.append(float(values[r, c]) if there else None)
    known = [v for v in inside if v is not None]
    of = known if by == "cutout" else measured
    zero, spread = statistics.median(of), statistics.pstdev(of)
    return np.reshape([0.0 if v is None else (v - zero) / spread for v in inside], (side, side))


def field(height, width, seed, bright=0.0, holes=0.0):
    random = np.random.default_rng(seed)
    values = random.normal(3.0, 2.0, (height, width)).astype(np.float32)
    values[random.integers(height), random.integers(width)] += bright
    values[random.random((height, width)) < holes] = np.nan
    return values


@pytest.mark.parametrize("by", ["cutout", "image"])
@pytest.mark.parametrize(
    ("shape", "bright", "holes"), [((90, 70), 40, 0), ((90, 70), 0, 0.2), ((20, 31), 60, 0.3), ((64, 64), 0, 0)]
)
def test_cutouts_are_those_of_the_slow_loops(shape, bright, holes, by):
    for seed in range(3):
        values = field(*shape, seed, bright, holes)
        least = 5.0 if bright else 50.0
        found, facts = describe(values, scale_by=by, least_snr=least)
        np.testing.assert_allclose(found, slow(values, by=by, least=least), atol=2e-5)
        assert found.dtype == np.float32 and facts["centred"] == ("brightest" if facts["snr"] > least else "middle")


def test_the_threshold_decides_the_centre():
    values = field(100, 100, 0)
    values[10, 80] = 3.0 + 2.0 * 20
    found, facts = describe(values)
    assert (
        facts["centred"] == "brightest" and found[32, 32] == found.max() and facts["snr"] == pytest.approx(20, rel=0.1)
    )
    found, facts = describe(values, least_snr=30)
    assert facts["centred"] == "middle"
    np.testing.assert_allclose(np.corrcoef(found.ravel(), values[18:82, 18:82].ravel())[0, 1], 1, atol=1e-6)


def test_noise_is_that_of_the_background_though_a_third_is_source():
    values = np.random.default_rng(1).normal(0, 1, (90, 90))
    values[:30] += 500
    assert describe(values)[1]["noise"] < 3, "a standard deviation would say 236"


def test_an_image_of_64_px_without_source_is_kept_whole():
    values = field(64, 64, 2)
    found, _ = describe(values, least_snr=1e9)
    np.testing.assert_allclose(found, (values - np.median(values)) / values.std(), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (6, 6), (3, 500)])
def test_tiny_and_narrow_images_are_padded(shape):
    values = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    if values.size == 1:
        with pytest.raises(BadFile, match="empty"):
            describe(values)
        return
    found, facts = describe(values)
    assert found.shape == (64, 64) and np.isfinite(found).all()
    assert np.count_nonzero(found) <= facts["measured"] * 64 * 64


def test_models_without_noise_are_centred_on_their_source():
    values = np.zeros((200, 200))
    values[150:153, 20:23] = 1e-6
    found, facts = describe(values)
    assert facts["centred"] == "brightest" and found.max() == found[32, 32]


def test_values_of_any_size_are_scaled_alike():
    values = field(80, 80, 4, bright=50)
    for factor in (1e-7, 1e6):
        np.testing.assert_allclose(describe(values * factor)[0], describe(values)[0], atol=1e-3)


@pytest.mark.parametrize("values", [np.full((70, 70), np.nan), np.full((70, 70), 2.0)])
def test_nothing_to_see_is_empty(values):
    with pytest.raises(BadFile, match="empty"):
        describe(values)


def test_a_source_beside_the_measured_middle():
    values = np.full((300, 300), np.nan, np.float32)
    values[:20, :20] = field(20, 20, 0)
    with pytest.raises(BadFile, match="no pixel of it is measured"):
        describe(values, least_snr=1e9)


def test_grey_pictures_and_stretch():
    values = field(80, 80, 5, bright=400)
    scaled, _ = describe(values)
    stretched, _ = describe(values, stretch="asinh", softening=2.0)
    np.testing.assert_allclose(stretched, np.arcsinh(scaled / 2), atol=1e-5)
    picture, _ = describe(values, form="grey", stretch="asinh")
    assert picture.dtype == np.uint8 and picture.max() == picture[32, 32] == 255 and (picture[scaled <= 0] == 0).all()
    assert DESCRIPTORS.make(BrightestCutoutSettings(form="grey")).dtype == "uint8"


def test_a_preview_shows_the_cutout():
    preview = DESCRIPTORS.make(BrightestCutoutSettings()).preview(Image(field(80, 80, 6, bright=50)), 32)
    assert preview.startswith(b"\x89PNG")
    assert DESCRIPTORS.make(BrightestCutoutSettings()).preview(Image(np.zeros((9, 9))), 32) is None


def test_radial_profiles_do_not_see_turns_and_mirrors():
    # odd, so that the centre pixel stays where it is
    images = np.random.default_rng(7).normal(size=(3, 33, 33))
    rows = radial_profiles(images.reshape(3, -1))
    for same in (np.rot90(images, 1, (1, 2)), images[:, ::-1]):
        np.testing.assert_allclose(radial_profiles(same.reshape(3, -1)), rows, atol=1e-5)
    assert not np.allclose(radial_profiles(np.roll(images, 3, 1).reshape(3, -1)), rows, atol=1e-2)
    bar, ring = np.zeros((2, 33, 33))
    bar[16], ring[16, 16] = 1, 1
    assert abs(radial_profiles(bar.reshape(1, -1)).reshape(24, 5)[10, 2]) > 0.05, "a bar has an even harmonic"
    assert untrained_of(DESCRIPTORS.get("brightest_cutout")).keys() == {"radial_profiles", "hog"}
    assert hog_of_rows(images.reshape(3, -1)).shape[0] == 3


def test_clipped_noise_is_background_and_what_is_above_it_stays():
    values = field(80, 80, 5, bright=100)
    plain, facts = describe(values)
    clipped, _ = describe(values, clip_sigma=4.0)
    kept = clipped != 0
    assert 0 < kept.sum() < 12 and kept[32, 32]
    np.testing.assert_array_equal(clipped[kept], plain[kept])


def test_a_colour_image_is_described_as_its_mean_grey():
    grey = field(80, 70, 4, bright=40)
    tinted = grey[:, :, None] + np.array([-5.0, 1.0, 4.0], np.float32)
    np.testing.assert_allclose(describe(tinted)[0], describe(grey)[0], atol=1e-4)
