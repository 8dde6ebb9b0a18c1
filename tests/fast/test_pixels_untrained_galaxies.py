"""Descriptors of galaxies without training: laws of turns and mirrors, slow sums, scikit-image, first weights."""

import numpy as np
import pytest
import torch
from skimage.feature import hog

from skyhash.errors import BadFile, ConfigError
from skyhash.nets import train_loop
from skyhash.nets.settings.untrained import UntrainedSettings
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.colour_image import ColourImageSettings
from skyhash.pixels.hog import HogSettings
from skyhash.pixels.image import Image
from skyhash.pixels.radial_harmonics import RadialHarmonicsSettings, harmonics
from skyhash.simulated.galaxies import stretched
from skyhash.simulated.galaxy_light import galaxy


def spiral(label="Spiral clockwise", seed=3):
    return stretched((bands := galaxy(label, np.random.default_rng(seed), 65)) / bands.max())


def described(settings, values):
    descriptor = DESCRIPTORS.make(settings)
    array, _ = descriptor(Image(np.ascontiguousarray(values)))
    assert array.shape == descriptor.shape and array.dtype == descriptor.dtype
    return array


def test_harmonics_are_the_slow_sums():
    grey = np.random.default_rng(1).uniform(size=(9, 9))
    found = harmonics(grey, 3, 8, 4)
    for ring in range(3):
        for order in range(4):
            total = 0
            for step in range(8):
                radius, turn = (ring + 0.5) / 3 * 4, 2 * np.pi * step / 8
                y, x = 4 + radius * np.sin(turn), 4 + radius * np.cos(turn)
                y0, x0 = int(y), int(x)
                b, a = y - y0, x - x0
                y1, x1 = min(y0 + 1, 8), min(x0 + 1, 8)
                value = (1 - b) * ((1 - a) * grey[y0, x0] + a * grey[y0, x1])
                value += b * ((1 - a) * grey[y1, x0] + a * grey[y1, x1])
                total += value * np.exp(-1j * order * turn) / 8
            assert found[ring, order] == pytest.approx(total, abs=1e-9)


def test_a_turn_keeps_harmonics_and_a_mirror_exchanges_the_sense():
    of = RadialHarmonicsSettings(side_px=65)
    seen = described(of, spiral())
    np.testing.assert_allclose(described(of, np.rot90(spiral())), seen, atol=1e-6)
    mirrored = described(of, spiral()[:, ::-1])
    sizes = of.radii * of.orders
    np.testing.assert_allclose(mirrored[:sizes], seen[:sizes], atol=1e-6)
    np.testing.assert_allclose(mirrored[sizes:], -seen[sizes:], atol=1e-6)
    assert np.abs(seen[sizes:]).max() > 0.01
    assert len(described(RadialHarmonicsSettings(side_px=65, sense=False), spiral())) == sizes
    with pytest.raises(BadFile, match="median"):
        described(RadialHarmonicsSettings(side_px=8), np.where(np.arange(64).reshape(8, 8) < 9, 3, 7).astype(np.uint8))


def test_amplitudes_and_changes_of_phase_are_those_of_the_module():
    seen = described(RadialHarmonicsSettings(side_px=65, radii=5, angles=32, orders=4), spiral())
    grey = spiral().astype(float).mean(axis=2)
    found = harmonics(np.clip(grey - np.median(grey), 0, None), 5, 32, 4)
    found /= sum(abs(ring) for ring in found[:, 0])
    expected = [abs(found[ring, order]) ** 0.5 for ring in range(5) for order in range(4)]
    for ring in range(4):
        for order in range(1, 4):
            inner, outer = found[ring, order], found[ring + 1, order]
            change = np.angle(outer) - np.angle(inner)
            expected.append((abs(inner) * abs(outer)) ** 0.5 * np.sin(change))
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_hog_is_scikit_images():
    found = described(HogSettings(side_px=64, crop_px=64, cell_px=16, orientations=6), spiral())
    picture = spiral()[:64, :64]
    wanted = hog(picture, orientations=6, pixels_per_cell=(16, 16), cells_per_block=(2, 2), channel_axis=2)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(ConfigError, match=r"describe.cell_px"):
        DESCRIPTORS.make(HogSettings(side_px=16, cell_px=12))


def test_an_untrained_network_keeps_its_first_weights():
    picture = {"kind": "colour_image", "side_px": 32}
    net = {"kind": "galaxy_vit", "patch_px": 8, "hidden": 16, "widened": 16, "output": 12}
    settings = UntrainedSettings(of=picture, encoder=net, seed=4)
    found = described(settings, spiral())
    torch.manual_seed(4)
    encoder = train_loop.make(settings.encoder, (32, 32, 3), ()).eval()
    data, _ = DESCRIPTORS.make(DESCRIPTORS.settings("colour_image")(**picture))(Image(spiral()))
    with torch.no_grad():
        np.testing.assert_allclose(found, encoder.encode(torch.from_numpy(data.copy())[None])[0].numpy(), atol=1e-6)
    assert not np.allclose(found, described(settings.model_copy(update={"seed": 5}), spiral()))
    with pytest.raises(ConfigError, match=r"encoder.kind"):
        UntrainedSettings(encoder={"kind": "nothing"})


@pytest.mark.parametrize("settings", [HogSettings(side_px=64), RadialHarmonicsSettings(side_px=64)])
def test_previews_show_the_picture_that_is_described(settings):
    picture = DESCRIPTORS.make(ColourImageSettings(side_px=64))
    found = DESCRIPTORS.make(settings).preview(Image(spiral()), 48)
    assert found == picture.preview(Image(spiral()), 48) and found is not None
