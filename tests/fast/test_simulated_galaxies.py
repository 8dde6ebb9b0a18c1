"""Simulated galaxies: profiles by their laws, the sense of spirals, files that are written once and read back."""

import itertools

import numpy as np
import pytest
from astropy.modeling.models import Sersic2D

from skyhash.archives import ARCHIVES
from skyhash.archives.galaxy10 import Galaxy10Settings
from skyhash.archives.image_folder import ImageFolderSettings
from skyhash.files import FileSource
from skyhash.simulated import SIMULATORS
from skyhash.simulated.galaxies import CLASSES, GalaxiesSimulatorSettings, stretched
from skyhash.simulated.galaxy_light import CORE, arms, galaxy, sersic


def simulator(**settings):
    return SIMULATORS.make(GalaxiesSimulatorSettings(**settings))


@pytest.mark.parametrize(("n", "ratio"), [(1.0, 1.0), (2.5, 0.5), (4.0, 0.8)])
def test_profiles_are_astropys_outside_the_core(n, ratio):
    y, x = np.mgrid[:61, :61] / 30.0 - 1
    radius = 0.4
    wanted = Sersic2D(amplitude=1, r_eff=radius, n=n, ellip=1 - ratio)(x, y)
    found, outside = sersic(x, y, radius, n, ratio), np.hypot(x, y / ratio) > CORE * radius
    np.testing.assert_allclose(found[outside], wanted[outside], rtol=0.04)
    assert np.ptp(found[~outside]) < 1e-9


@pytest.mark.parametrize("sense", [-1, 1])
@pytest.mark.parametrize("number", [2, 3])
def test_arms_follow_their_spirals(number, sense):
    r = np.linspace(0.02, 0.3, 20)
    for arm in range(number):
        theta = 0.7 + sense * np.log(r) / np.tan(0.3) + 2 * np.pi * arm / number
        found = arms(r * np.cos(theta), r * np.sin(theta), number, 0.3, sense, 0.7)
        np.testing.assert_allclose(found, 1, atol=1e-9)


def winding(plane, bins=24):
    """Mean change of the angle of the second harmonic with log radius: above 0 = anti-clockwise outwards."""
    side = plane.shape[0]
    down, across = np.mgrid[:side, :side] - (side - 1) / 2
    r, theta = np.hypot(down, across) / side, np.arctan2(-down, across)
    edges = np.geomspace(0.03, 0.2, bins)
    found = []
    for low, high in itertools.pairwise(edges):
        ring = (r >= low) & (r < high)
        if ring.any():
            found.append((plane[ring] * np.exp(-2j * theta[ring])).sum())
    turns = np.angle(np.array(found[1:]) * np.conj(found[:-1]))
    weights = np.abs(found[1:]) * np.abs(found[:-1])
    return -float((turns * weights).sum() / weights.sum())


def test_the_two_senses_are_told_apart_and_are_mirror_images():
    every = {"Spiral clockwise": [], "Spiral anti-clockwise": []}
    for seed in range(12):
        seen = {}
        for label in ("Spiral clockwise", "Spiral anti-clockwise"):
            rng = np.random.default_rng([seed, 5])
            seen[label] = winding(galaxy(label, rng, 128).mean(axis=0))
            every[label].append(seen[label])
        # the angle of harmonic m = 2 moves with the arms of two-armed galaxies; others have none to speak of
        if abs(seen["Spiral clockwise"]) > 0.1:
            assert seen["Spiral clockwise"] * seen["Spiral anti-clockwise"] < 0, seed
    assert np.mean(every["Spiral clockwise"]) < 0 < np.mean(every["Spiral anti-clockwise"])
    two_armed = [
        winding(arms(x, y, 2, 0.3, sense, 0.0) * np.exp(-np.hypot(x, y) * 8))
        for sense in (1, -1)
        for x, y in [np.meshgrid(np.linspace(-0.5, 0.5, 128), np.linspace(0.5, -0.5, 128))]
    ]
    assert two_armed[1] < -0.2 < 0.2 < two_armed[0]


def shape(plane):
    """Axis ratio of second moments within 0.3 of the side."""
    side = plane.shape[0]
    down, across = (np.mgrid[:side, :side] - (side - 1) / 2) / side
    weight = np.where(np.hypot(down, across) < 0.3, plane, 0)
    moments = np.array([[(weight * a * b).sum() for a in (across, down)] for b in (across, down)]) / weight.sum()
    low, high = np.linalg.eigvalsh(moments)
    return np.sqrt(low / high)


def test_edge_on_galaxies_are_flat_and_ellipticals_round_and_red():
    flat = [galaxy("Edge-on", np.random.default_rng([1, i]), 96).mean(axis=0) for i in range(10)]
    round_ = [galaxy("Elliptical", np.random.default_rng([1, i]), 96) for i in range(10)]
    spirals = [galaxy("Spiral clockwise", np.random.default_rng([1, i]), 96) for i in range(10)]
    assert max(map(shape, flat)) < 0.5 < min(shape(one.mean(axis=0)) for one in round_)

    def redness(bands):
        return bands[2].sum() / bands[0].sum()

    assert min(map(redness, round_)) > max(map(redness, spirals))


def test_the_stretch_keeps_colours_and_order():
    bands = np.stack([np.full((1, 50), c) * np.linspace(0.001, 0.7, 50) for c in (0.5, 1.0, 1.2)])
    colours = stretched(bands).astype(float) - 8
    assert (np.diff(colours, axis=1) >= 0).all()
    bright = colours[0, 10:34]
    np.testing.assert_allclose(bright[:, 0] / bright[:, 1], 1.2, atol=0.06)
    np.testing.assert_allclose(bright[:, 2] / bright[:, 1], 0.5, atol=0.05)


def test_files_are_written_once_and_read_back(tmp_path):
    made = simulator(images=14, side_px=48, files=2)
    assert made.write(tmp_path, 7)["files written"] == 2
    files = sorted(tmp_path.iterdir())
    before = [(f.read_bytes(), f.stat().st_mtime_ns) for f in files]
    assert made.write(tmp_path, 7)["files written"] == 0
    assert before == [(f.read_bytes(), f.stat().st_mtime_ns) for f in sorted(tmp_path.iterdir())]
    archive, labels, keys, pixels = ARCHIVES.make(Galaxy10Settings()), [], set(), set()
    for file in files:
        for member in archive.members(FileSource(str(file))):
            facts, image = member.facts(), member.image()
            assert facts["simulated"] and image.values.shape == (48, 48, 3)
            assert image.facts["pixel_arcsec"] == pytest.approx(0.262 * 256 / 48)
            labels.append(facts["label"])
            keys.add(facts["natural_key"])
            pixels.add(image.values.tobytes())
    assert labels == [CLASSES[i % 6] for i in range(14)] and len(keys) == len(pixels) == 14
    image = made.image("Merger", np.random.default_rng([7, 5]))
    assert image.tobytes() == simulator(images=1, side_px=48).image("Merger", np.random.default_rng([7, 5])).tobytes()
    assert made.facts(3, 7) == made.facts(3, 7) != made.facts(3, 8)


def test_a_folder_per_class_holds_the_same_pictures(tmp_path):
    made = simulator(images=7, side_px=40, pictures=True)
    assert made.write(tmp_path, 7)["files written"] == 7 and made.write(tmp_path, 7)["files written"] == 0
    archive = ARCHIVES.make(ImageFolderSettings(path=str(tmp_path), labels="folder"))
    files = sorted(tmp_path.rglob("*.png"), key=lambda file: file.name)
    assert len(files) == 7 and files[0].parent.name == "elliptical"
    for row, file in enumerate(files):
        (member,) = archive.members(FileSource(str(file)))
        assert member.facts()["simulated"]
        assert member.facts()["label"] == CLASSES[row % 6].lower().replace(" ", "_")
        drawn = made.image(CLASSES[row % 6], np.random.default_rng([7, row]))
        np.testing.assert_array_equal(member.image().values, drawn[::-1])
