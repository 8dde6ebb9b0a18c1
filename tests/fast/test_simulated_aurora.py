"""Simulated auroras: what the classes look like, the lens, Moon and cloud, files and how the reader takes them."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from skyhash.archives import ARCHIVES
from skyhash.archives.allsky import AllskySettings, time_of_name
from skyhash.pixels.sky_circle import fit
from skyhash.simulated import SIMULATORS
from skyhash.simulated.aurora import DARK, FULL, LENS, AuroraSimulatorSettings
from skyhash.simulated.aurora_forms import CLASSES, brightness, event_of

PLACE = np.linspace(-1, 1, 121)
EAST, NORTH = -PLACE[None, :], PLACE[:, None]
SKY = np.hypot(EAST, NORTH) < 0.9


def simulator(**settings):
    return SIMULATORS.make(AuroraSimulatorSettings(**settings))


def forms(label, count=12):
    events = [event_of(label, np.random.default_rng([4, i])) for i in range(count)]
    return [(form, brightness(form, EAST, NORTH) * SKY) for form in events]


class File:
    def __init__(self, path):
        self.path, self.file = str(path), path

    def bytes(self):
        return self.file.read_bytes()

    def beside(self, name):
        other = self.file.parent / name
        return other.read_bytes() if other.is_file() else None


def test_arcs_cross_from_east_to_west():
    for form, light in forms("arc"):
        # light varies from south to north, hardly from east to west
        down, across = np.gradient(light)
        assert np.abs(down).sum() > 1.5 * np.abs(across).sum()
        assert 1 <= len(form.bands) <= 3


def test_drapery_fills_more_of_the_sky_than_a_hot_spot():
    def filled(light):
        return (light[SKY] > 0.25 * light.max()).mean()

    drapery = [filled(light) for _, light in forms("drapery corona")]
    spots = [filled(light) for _, light in forms("hot spot")]
    assert max(spots) < 0.06 < min(drapery)


def test_rays_converge_on_the_magnetic_zenith():
    for form, light in forms("radial corona"):
        # along the rays light changes slowly, across them fast
        down, across = np.gradient(light, PLACE, -PLACE)
        from_x, from_y = EAST - form.zenith[0], NORTH - form.zenith[1]
        distance = np.hypot(from_x, from_y)
        ring = (distance > 0.2) & (distance < 0.5)
        along = (across * from_x + down * from_y) / distance
        turning = (across * from_y - down * from_x) / distance
        assert np.abs(turning)[ring].mean() > 2 * np.abs(along)[ring].mean()


def test_a_hot_spot_is_the_brightest_and_small():
    for form, light in forms("hot spot"):
        spot = form.patches[0]
        position = np.unravel_index(light.argmax(), light.shape)
        east, north = EAST[0, position[1]], NORTH[position[0], 0]
        assert np.hypot(east - spot.east, north - spot.north) < 0.15


def test_the_lens_is_found_and_outside_it_is_dark():
    made = simulator(side_px=160, moonlit=0, cloudy=0)
    for number in range(4):
        counts = made.frame(CLASSES[number], 3, number)
        sky = fit(counts.astype(np.float32))
        assert sky.fitted and sky.radius_px == pytest.approx(80 * LENS, abs=3)
        assert sky.center_x_px == pytest.approx(79.5, abs=2) and sky.center_y_px == pytest.approx(79.5, abs=2)
        corner = counts[:16, :16]
        assert corner.mean() == pytest.approx(DARK, abs=3) and corner.std() == pytest.approx(12, rel=0.2)
        assert counts.dtype == np.uint16


def test_the_moon_saturates_and_cloud_hides():
    plain, moon, cloud = (
        simulator(side_px=96, moonlit=m, cloudy=c, mixing=0, faintest=1) for m, c in ((0, 0), (1, 0), (0, 1))
    )
    for number in range(6):
        label = CLASSES[number % 4]
        assert plain.frame(label, 8, number).max() < FULL == moon.frame(label, 8, number).max()
    bare, hidden = (np.mean([made.frame("arc", 8, i).astype(float).std() for i in range(8)]) for made in (plain, cloud))
    assert hidden < 0.95 * bare


def test_frames_of_an_event_are_near_duplicates():
    made = simulator(side_px=96, event_frames=3, moonlit=0, cloudy=0, faintest=1)
    frames = [made.frame("arc", 5, i).astype(float).ravel() for i in (0, 1, 12)]
    assert np.corrcoef(frames[0], frames[1])[0, 1] > 0.9 > np.corrcoef(frames[0], frames[2])[0, 1]


@pytest.mark.parametrize("depth", [8, 16])
def test_files_are_read_back_and_written_once(tmp_path, depth):
    made = simulator(images=8, side_px=64, depth=depth)
    assert made.write(tmp_path, 7)["files written"] == 8
    files = sorted(tmp_path.glob("*.png"))
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    report = simulator(images=9, side_px=64, depth=depth).write(tmp_path, 7)
    assert report == {"files written": 1, "files kept": 8, "classes": ", ".join(CLASSES)}
    assert before == [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    assert made.file(3, 7)[1] != made.file(3, 8)[1]
    archive, labels = ARCHIVES.make(AllskySettings()), []
    assert [Path(f).name for f in tmp_path.iterdir() if archive.is_image_file(str(f))] != []
    assert not archive.is_image_file(str(tmp_path / "manifest.csv"))
    for number, file in enumerate(files):
        (member,) = archive.members(File(file))
        facts, image = member.facts(), member.image()
        labels.append(facts["label"])
        assert facts["simulated"] and facts["category"] == "simulated" and facts["facts"]["event"] == str(number)
        assert facts["obs_time"] == time_of_name(file.name) == dt.datetime(
            2003, 12, 17, 3, tzinfo=dt.UTC) + dt.timedelta(hours=3 * number)  # fmt: skip
        assert image.values.dtype == (np.uint8 if depth == 8 else np.uint16)
        counts = made.frame(labels[-1], 7, number)
        if depth == 16:
            assert np.array_equal(image.values, counts)  # the bottom row first, as drawn
    assert labels == list(CLASSES) * 2
