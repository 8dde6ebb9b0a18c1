"""Simulated radio galaxies: what the classes look like, the noise and side lobes, files and how they are read back."""

import numpy as np
import pytest
from astropy.io import fits
from scipy import ndimage

from skyhash.archives import ARCHIVES
from skyhash.archives.radio_galaxies import RadioGalaxiesSettings
from skyhash.simulated import SIMULATORS
from skyhash.simulated.radio_galaxies import CLASSES, NOISE_JY, RadioGalaxiesSimulatorSettings, source


def simulator(**settings):
    return SIMULATORS.make(RadioGalaxiesSimulatorSettings(**settings))


class File:
    def __init__(self, path):
        self.path, self.file = str(path), path

    def bytes(self):
        return self.file.read_bytes()

    def beside(self, name):
        return None


def sources(label, count=60):
    return [np.array(source(label, np.random.default_rng([3, i]), 5.4, 135.0)) for i in range(count)]


def test_compact_sources_are_not_resolved():
    for components in sources("Compact"):
        assert len(components) == 1 and np.hypot(*components[0, :2]) < 5.4 / 2 and components[0, 3] < 5.4 / 3


def test_fr1_is_bright_inside_and_fr2_outside():
    """Fanaroff & Riley's ratio: distance of the brightest places over the whole extent, 1/2 divides the classes."""
    ratios = {}
    for label in ("FRI", "FRII"):
        ratios[label] = []
        for components in sources(label):
            jets = components[:-1]  # the last is the core
            distance = np.hypot(jets[:, 0], jets[:, 1])
            brightest = jets[np.argsort(jets[:, 2])[-2:]]
            ratios[label].append(np.hypot(brightest[:, 0], brightest[:, 1]).mean() / distance.max())
    assert max(ratios["FRI"]) < 0.5 < min(ratios["FRII"])


@pytest.mark.parametrize("label", ["Bent", "FRI", "FRII"])
def test_only_bent_sources_are_bent(label):
    for components in sources(label):
        jets = components[:-1]
        far = jets[len(jets) // 2 - 1], jets[-1]  # the outermost of both sides
        angles = [np.arctan2(east, north) for east, north, *_ in far]
        opening = abs((np.degrees(angles[1] - angles[0]) + 180) % 360 - 180)
        assert (opening < 150) == (label == "Bent")


def test_noise_has_the_surveys_level_and_the_beams_size():
    values = simulator(side_px=200, neighbours=0, side_lobes=0).image("Compact", np.random.default_rng(5))
    field = np.concatenate([values[:70].ravel(), values[-70:].ravel()])
    assert field.std() == pytest.approx(NOISE_JY, rel=0.1)
    rows = values[:70]
    correlation = np.corrcoef(rows[:, :-1].ravel(), rows[:, 1:].ravel())[0, 1]
    beam_px = 5.4 / 2.3548 / 1.8
    assert correlation == pytest.approx(np.exp(-1 / (4 * beam_px**2)), abs=0.03)


def test_a_point_source_has_the_beams_width_and_its_side_lobes():
    plain, lobed = (simulator(side_px=101, pixel_arcsec=0.9, neighbours=0, side_lobes=height) for height in (0.0, 0.05))
    drawn = plain._drawn([(0.0, 0.0, 1.0, 0.0)], 5.4 / 2.3548)
    assert drawn[50, 50] == pytest.approx(1) and drawn[50, 53] == pytest.approx(
        0.5, rel=1e-4
    )  # half at half of 5.4 arcsec
    kernel = lobed._side_lobes(0.0)
    assert np.abs(kernel).max() == pytest.approx(0.05) and kernel.sum() == pytest.approx(0, abs=1e-9)
    assert kernel[50, 50] == 0
    spokes = ndimage.map_coordinates(np.abs(kernel), [[50] * 40, np.linspace(60, 99, 40)]).sum()
    turn = np.radians(30)
    radius = np.linspace(10, 49, 40)
    between = ndimage.map_coordinates(np.abs(kernel), [50 + radius * np.sin(turn), 50 + radius * np.cos(turn)]).sum()
    assert spokes > 2 * between


def test_east_is_left():
    drawn = simulator(side_px=64)._drawn([(20.0, 0.0, 1.0, 0.0)], 2.0)
    assert drawn.sum(axis=0).argmax() < 31


def test_files_are_read_back_and_written_once(tmp_path):
    made = simulator(images=8, side_px=64)
    assert made.write(tmp_path, 7)["files written"] == 8
    files = sorted(tmp_path.iterdir())
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    assert simulator(images=9, side_px=64).write(tmp_path, 7) == {
        "files written": 1,
        "files kept": 8,
        "classes": "Bent, Compact, FRI, FRII",
    }
    assert before == [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    assert made.file(3, 7) != made.file(3, 8)
    archive = ARCHIVES.make(RadioGalaxiesSettings())
    labels = []
    for file in files:
        assert fits.getval(file, "SIMULATD") is True and file.name.startswith("simulated")
        (member,) = archive.members(File(file))
        facts, image = member.facts(), member.image()
        labels.append(facts["label"])
        assert facts["simulated"] and facts["category"] == "simulated" and facts["source_id"].startswith("simulated")
        assert image.facts["pixel_arcsec"] == pytest.approx(1.8) and image.unit == "Jy/beam"
        assert image.values.max() > 5 * NOISE_JY
    assert labels == list(CLASSES) * 2
