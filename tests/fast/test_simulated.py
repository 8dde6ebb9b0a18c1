"""The simulated archive: equal builds, laws of the Sun, HMI's header, and statistics like the real ones."""

import datetime as dt
import io
import math

import numpy as np
import pytest
from archive_reading import read as read_as
from astropy.io import fits
from solar_images import describe

from skyhash.errors import ConfigError
from skyhash.pixels.solar.orientation import field_gauss, on_disk
from skyhash.simulated.solar import archive, broken, header, render, sun

SEED = 20110101


def read(data):
    return read_as("simulated_hmi", data, "x.fits")


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.glob("hmi*")}


def test_two_builds_are_equal_byte_for_byte(tmp_path):
    for name in ("a", "b"):
        archive.write(tmp_path / name, 25, side_px=64, broken=0.4, seed=5)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 25
    archive.write(tmp_path / "c", 25, side_px=64, broken=0.4, seed=6)
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_a_longer_archive_starts_with_the_shorter_one_and_keeps_its_files(tmp_path):
    archive.write(tmp_path, 12, side_px=64, broken=0.25)
    before = contents(tmp_path)
    stamps = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("hmi*")}
    done = archive.write(tmp_path, 20, side_px=64, broken=0.25)
    assert (done["files written"], done["files kept"]) == (8, 12)
    assert {name: contents(tmp_path)[name] for name in before} == before
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("hmi*") if p.name in stamps} == stamps


def test_a_file_spoilt_or_lost_after_writing_is_made_again(tmp_path):
    archive.write(tmp_path, 6, side_px=64)
    before = contents(tmp_path)
    first, second = sorted(tmp_path.glob("hmi*"))[:2]
    first.write_bytes(b"spoilt")
    second.unlink()
    (tmp_path / archive.LIST_NAME).write_text("not JSON")
    done = archive.write(tmp_path, 6, side_px=64)
    assert (done["files written"], done["files kept"]) == (2, 4)
    assert contents(tmp_path) == before


def test_the_share_of_broken_files_is_kept_and_every_kind_occurs(tmp_path):
    done = archive.write(tmp_path, 40, side_px=64, broken=0.25)
    kinds = [archive.kind_of(i, 0.25, SEED) for i in range(40)]
    assert sum(map(bool, kinds)) == 10
    assert set(filter(None, kinds)) == set(broken.KINDS)
    assert all(kind in done["broken on purpose"] for kind in broken.KINDS)
    copies = list(contents(tmp_path).values())
    assert len(set(copies)) == 39  # one is another one's copy


def test_gaps_are_skipped_and_the_cadence_is_exact():
    start = dt.datetime(2011, 1, 1)
    found = list(archive.slots(SEED, start, 60.0, 3000))
    lost = sum(n for _, n in found)
    assert 0 < lost < 200
    steps = np.diff([(slot - start) / dt.timedelta(hours=1) for slot, _ in found])
    assert set(np.unique(steps)) >= {1.0}
    assert np.mean(steps == 1.0) > 0.98


@pytest.mark.parametrize(
    ("setting", "value"), [("side_px", 32), ("images", -1), ("cadence_minutes", 0), ("broken", 1.5), ("start", "soon")]
)
def test_a_setting_out_of_range_is_one_clear_line(tmp_path, setting, value):
    with pytest.raises(ConfigError, match=f"simulate.{setting}"):
        archive.write(tmp_path, **{"images": 1, "side_px": 64, setting: value})


def test_the_ephemeris_agrees_with_the_almanac_and_real_headers():
    meeus = sun.ephemeris(dt.datetime(1992, 10, 13, tzinfo=dt.UTC))  # Meeus, example 29.a
    assert (meeus.b0_deg, meeus.l0_deg) == (pytest.approx(5.99, abs=0.01), pytest.approx(238.63, abs=0.02))
    # HMI, 2024-06-28 (sunpy's test header): CRLT_OBS, CRLN_OBS of the disk centre, DSUN_OBS, CAR_ROT
    hmi = sun.ephemeris(dt.datetime(2024, 6, 28, tzinfo=dt.UTC))
    assert hmi.b0_deg == pytest.approx(2.566, abs=0.02)
    assert hmi.l0_deg == pytest.approx(25.17, abs=0.1)
    assert hmi.dsun_m == pytest.approx(152059830419, abs=4.3e7)  # SDO is 42,000 km from the Earth
    assert hmi.carrington_rotation == 2285
    assert hmi.rsun_arcsec == pytest.approx(944.107, abs=0.3)


def test_files_have_the_form_of_jsoc_s_and_say_that_they_are_simulated():
    slot = dt.datetime(2014, 4, 1, 6)
    data = archive.sound_file(slot, 128, SEED)
    assert header.file_name(slot) == "hmi.sim_m_720s.20140401_060000_TAI.magnetogram.fits"
    with fits.open(io.BytesIO(data), checksum=True, disable_image_compression=True) as hdus:
        raw = hdus[1].header
        assert (raw["ZCMPTYPE"], raw["ZBITPIX"], raw["BSCALE"], raw["BLANK"]) == ("RICE_1", 32, 0.1, -(2**31))
        assert raw["SIMULATD"] is True
        assert "simulated" in raw["ORIGIN"]
    with fits.open(io.BytesIO(data)) as hdus:  # scaled by astropy: gauss, NaN off the disk
        scaled, cards = hdus[1].data, hdus[1].header
    frame = read(data)
    assert frame.facts["simulated"] is True
    assert frame.facts["category"] == "SDO/HMI simulated"
    assert frame.facts["natural_key"] == "hmi.sim_m_720s[2014-04-01T06:00:00_TAI]"
    nominal = dt.datetime(2014, 4, 1, 5, 58, 40, tzinfo=dt.UTC)  # 35 s leap, 45 s exposure
    assert 0 < abs(frame.facts["obs_time"] - nominal).total_seconds() < 9, "the light's travel time changes in a year"
    assert frame.facts["slot_time"] == dt.datetime(2014, 4, 1, 5, 59, 25, tzinfo=dt.UTC)
    np.testing.assert_array_equal(np.isfinite(scaled), frame.image.values != -(2**31))
    np.testing.assert_allclose(np.nanmax(scaled), cards["DATAMAX"], atol=1e-3)
    ours = frame.image.physical()
    np.testing.assert_allclose(ours[np.isfinite(ours)], scaled[np.isfinite(scaled)], atol=1e-4)
    assert np.isfinite(scaled).sum() == on_disk(frame.image.geometry, (128, 128)).sum()


def test_hale_joy_and_the_butterfly():
    def of(first, last):
        days = range(
            (dt.date(first, 1, 1) - dt.date(2000, 1, 1)).days, (dt.date(last, 1, 1) - dt.date(2000, 1, 1)).days
        )
        return [region for day in days for region in sun.born_on(3, day)]

    early, late = of(2010, 2012), of(2016, 2018)
    assert np.mean([abs(r.latitude_deg) for r in early]) > np.mean([abs(r.latitude_deg) for r in late]) + 5
    for regions, sign in ((early, -1.0), (of(2022, 2024), 1.0)):  # cycles 24 and 25
        obeys = [r.leading_sign == sign * math.copysign(1, r.latitude_deg) for r in regions]
        assert 0.9 < np.mean(obeys) < 0.99
    tilts = np.array([(abs(r.latitude_deg), r.tilt_deg) for r in early])
    assert 3 < tilts[:, 1].mean() < 15
    flux = np.array([r.flux_mx for r in early])
    assert np.median(flux) < 1e21 < flux.max()
    assert len(of(2014, 2015)) > 4 * len(of(2019, 2020))


def test_regions_turn_with_the_sun_and_the_equator_is_faster():
    rates = sun.rotation_deg_per_day([0.0, 30.0])
    assert 360 / (rates[0] - 0.9856) == pytest.approx(27.4, abs=0.1)  # Snodgrass 1983: 14.11 deg per day
    assert rates[0] > rates[1]
    region = max((r for d in range(5000, 5060) for r in sun.born_on(9, d)), key=lambda r: r.flux_mx)
    moments = [dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=region.born + 3 + i) for i in (0.0, 1.0)]
    west = [sun._parts(region, 3.0 + i, 1e22, sun.ephemeris(moments[i]).l0_deg)[:, 1] for i in (0, 1)]
    assert 12.0 < np.degrees(np.median((west[1] - west[0] + np.pi) % (2 * np.pi) - np.pi)) < 14.5


def test_descriptors_change_slowly_and_noise_does_not_decide():
    def vector(hours):
        data = archive.sound_file(dt.datetime(2014, 4, 1) + dt.timedelta(hours=hours), 256, SEED)
        return describe(read(data).image, preview_px=0).vector

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    start = vector(0)
    near, day, fortnight = (cosine(start, vector(h)) for h in (1, 24, 24 * 14))
    assert near > 0.9
    assert near > day > fortnight


def test_statistics_are_those_of_real_magnetograms(shared_data):
    """Against the hourly real images, in their months: quiet field, tails, number and area of regions."""
    folder = shared_data / "hmi_magnetograms_hourly" / "images"
    if not folder.is_dir():
        pytest.skip("the data set hmi_magnetograms_hourly is absent")

    def statistics(magnetogram):
        disk, field = magnetogram.geometry, np.abs(field_gauss(magnetogram))
        inner = field[np.isfinite(field)]
        described = describe(magnetogram, preview_px=0)
        area = math.pi * disk.radius_px**2
        return [*np.percentile(inner, [50, 75, 90, 95, 99]), described.regions, described.region_pixels / area]

    real = [
        statistics(read_as("solar_hmi_jpeg", p.read_bytes(), str(p)).image) for p in sorted(folder.iterdir())[::110]
    ]
    start = dt.datetime(2026, 2, 1)
    made = [statistics(read(archive.sound_file(start + dt.timedelta(days=9 * i), 512, SEED)).image) for i in range(8)]
    ratio = np.mean(made, axis=0) / np.mean(real, axis=0)
    assert np.all(ratio > 0.4), ratio
    assert np.all(ratio < 2.0), ratio
    quiet = np.mean(made, axis=0)[0]
    assert 1.0 < quiet < 6.0  # gauss


def test_any_size_shows_the_same_sun():
    moment = header.to_utc(dt.datetime(2014, 4, 1))
    vectors = []
    for side in (256, 512, 1024):
        values = render.stored(SEED, moment, side)
        frame = read(header.file_bytes(values, header.cards(dt.datetime(2014, 4, 1), side, SEED, 0, values)))
        vectors.append(describe(frame.image, normalise="l2", preview_px=0, opening_px=0, min_area_px=16).vector)
    assert vectors[0] @ vectors[1] > 0.9
    assert vectors[1] @ vectors[2] > 0.9
