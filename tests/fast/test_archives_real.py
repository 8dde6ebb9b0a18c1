"""The readers on real archives."""

import csv
import datetime as dt

import numpy as np
import pytest
from archive_reading import outcome, read

from skyhash.errors import BadFile
from skyhash.pixels.solar.orientation import field_gauss


def folder_of(shared_data, name):
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is absent")
    return folder


def test_hourly_hmi_pictures_are_read(shared_data):
    folder = folder_of(shared_data, "hmi_magnetograms_hourly")
    radii, before = [], None
    with (folder / "manifest.csv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest))
    assert len(rows) == 882
    # the chain of tests/slow reads all
    for row in [*rows[:48], *rows[48:-48:12], *rows[-48:]]:
        path = folder / row["file"]
        facts = read("solar_hmi_jpeg", path.read_bytes(), str(path)).facts
        assert facts["obs_time"] == dt.datetime.fromisoformat(row["timestamp"]).replace(tzinfo=dt.UTC)
        radii.append(facts["facts"]["radius_px"])
        before = facts
    assert before is not None and not before["simulated"]
    # the Earth moves away from the Sun in these weeks: 0.75 % by the almanac
    first, last = np.mean(radii[:48]), np.mean(radii[-48:])
    assert first / last == pytest.approx(1.0073, abs=0.0015)
    assert np.std(radii[:24]) < 0.1


def test_the_fitted_disk_of_a_jpeg_2000_file_is_its_header_s(shared_data):
    path = folder_of(shared_data, "fulldisk_magnetogram_fits") / "files"
    path = path / "2022_08_02__10_47_53_000__SDO_HMI_HMI_magnetogram.jp2"
    facts = read("solar_hmi_jpeg", path.read_bytes(), str(path)).facts
    assert facts["facts"]["radius_px"] == pytest.approx(945.41888 / 0.60000002, abs=0.3)  # RSUN_OBS / CDELT1 of its XML
    assert facts["facts"]["center_x_px"] == pytest.approx(2047.5, abs=1.5)
    assert facts["obs_time"] == dt.datetime(2022, 8, 2, 10, 47, 53, tzinfo=dt.UTC)


def test_mdi_is_read_and_everything_else_refused(shared_data):
    folder = folder_of(shared_data, "fulldisk_magnetogram_fits") / "files"
    good, refused = {}, {}
    for path in sorted(folder.iterdir()):
        found = outcome("solar_mdi", path.read_bytes(), str(path), reject_quality=0)
        if isinstance(found, BadFile):
            refused[path.name] = found.reason
        else:
            good[path.name] = found
    assert all(name.startswith("mdi.fd_M") for name in good)
    assert len(good) == 3
    assert set(refused.values()) == {"wrong_instrument", "unreadable"}
    frame = good["mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits"]
    assert frame.facts["natural_key"] == "mdi.fd_m_96m_lev182[2011-04-01T00:00:00_TAI]"
    assert frame.facts["obs_time"] == dt.datetime(2011, 4, 1, 0, 0, 26, tzinfo=dt.UTC)
    assert frame.facts["quality"] == 512
    assert frame.facts["facts"]["rotation_deg"] == 3.0978
    field = field_gauss(frame.image)
    assert np.nanmin(field) == pytest.approx(-2127.0, abs=0.5)  # DATAMIN
    assert np.isfinite(field).mean() == pytest.approx(np.pi * 487.8**2 / 1024**2, rel=0.01)
    of_2011 = folder / "mdi.fd_M_96m_lev182.20110401_000000_TAI.data.fits"
    refused_by_default = outcome("solar_mdi", of_2011.read_bytes(), str(of_2011))
    assert isinstance(refused_by_default, BadFile) and refused_by_default.reason == "quality"
    for path in sorted(folder.iterdir()):
        with pytest.raises(BadFile):
            read("solar_hmi", path.read_bytes(), str(path))
