"""COSFIRE-like filters: slow loops, turns, and what the arrangements tell apart."""

import numpy as np
import pytest
from scipy import ndimage

from skyhash.errors import ConfigError
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.cosfire import OPENINGS, CosfireSettings
from skyhash.pixels.image import Image


def made(**settings):
    return DESCRIPTORS.make(CosfireSettings(**{"side_px": 65, "clip_sigma": 0, "radii_px": (5, 12, 20), **settings}))


def source(*polar, side=65, width=2.0):
    """Blobs at (distance px, angle deg) from the centre."""
    down, across = np.mgrid[:side, :side] - (side - 1) / 2
    image = np.zeros((side, side))
    for radius, angle in polar:
        y, x = radius * np.sin(np.radians(angle)), radius * np.cos(np.radians(angle))
        image += np.exp(-((down - y) ** 2 + (across - x) ** 2) / (2 * width**2))
    return Image(image.astype(np.float32))


def test_answers_are_those_of_slow_loops():
    descriptor = made(sigmas_px=(1.5,))
    image = source((5, 20), (20, 190), (0, 0))
    found, _ = descriptor(image)
    grey = descriptor.cutout(image)[0] / 255
    dog = np.maximum(ndimage.gaussian_filter(grey, 1.5) - ndimage.gaussian_filter(grey, 3.0), 0)
    blurred = {r: ndimage.gaussian_filter(dog, 1.0 + 0.1 * r) for r in (0, 5, 12, 20)}

    def at(radius, step):
        turn = 2 * np.pi * step / 24
        position = [[32 + radius * np.sin(turn)], [32 + radius * np.cos(turn)]]
        return float(ndimage.map_coordinates(blurred[radius], position, order=1)[0])

    expected = []
    for i, first in enumerate((5, 12, 20)):
        for second in (5, 12, 20)[i:]:
            for opening in OPENINGS:
                two = [at(first, turn) * at(second, turn + side * opening) for turn in range(24) for side in (1, -1)]
                expected += [max(v ** (1 / 2) for v in two), max((v * at(0, 0)) ** (1 / 3) for v in two)]
    expected += [at(0, 0), *(np.mean([at(r, turn) for turn in range(24)]) for r in (5, 12, 20))]
    expected = np.sqrt(expected)
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-5)


@pytest.mark.parametrize("turn", [15, 45, 90, 210])
def test_turned_sources_answer_alike(turn):
    descriptor = made()
    shape = ((12, 0), (20, 150), (0, 0))
    plain, _ = descriptor(source(*shape))
    turned, _ = descriptor(source(*((r, a + turn) for r, a in shape)))
    other, _ = descriptor(source((12, 0), (20, 60), (0, 0)))
    assert plain @ turned > 0.998
    assert plain @ turned > plain @ other + 0.02


def test_a_mirror_image_answers_alike():
    image = source((12, 10), (20, 150))
    np.testing.assert_allclose(
        made()(image)[0], made()(Image(np.ascontiguousarray(image.values[:, ::-1])))[0], atol=2e-3
    )


def test_the_filter_of_an_arrangement_answers_it_most():
    """Of straight pairs, the one at the source's own distances answers most."""
    descriptor = made(sigmas_px=(1.5,))
    for i, radius in enumerate(descriptor.settings.radii_px):
        found, _ = descriptor(source((radius, 30), (radius, 210)))
        straight = {k: found[2 * n] for n, k in enumerate(descriptor.pairs) if k[2] == 12}
        assert max(straight, key=straight.get) == (i, i, 12)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="radii_px"):
        made(radii_px=(40.0,))
    with pytest.raises(ConfigError, match="crops_px"):
        made(crops_px=(10, 20, 30))
