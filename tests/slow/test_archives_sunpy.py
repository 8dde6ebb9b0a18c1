"""Header facts against sunpy's own map (a foreign oracle); slow, because importing sunpy.map takes ten seconds."""

import datetime as dt
import importlib.resources
import math
from pathlib import Path

import pytest
from astropy.io import fits as astropy_fits

from skyhash.archives.formats import times
from skyhash.archives.solar import solar_header

SUNPY = Path(str(importlib.resources.files("sunpy"))) / "data" / "test"


def header_of(name: str) -> dict:
    path = SUNPY / name
    read = astropy_fits.Header.fromtextfile if path.suffix == ".header" else astropy_fits.getheader
    header = read(path)
    return {card.keyword: card.value for card in header.cards if card.keyword and card.keyword != "COMMENT"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    ["resampled_hmi.fits", "mdi.fd_M_96m_lev182.20101015_191200_TAI.data.header", "hmi_sharp_magnetogram.header"],
)
def test_date_rotation_radius_and_centre_are_sunpys(name):
    import numpy as np
    import sunpy.map

    header = header_of(name)
    theirs = sunpy.map.Map(np.zeros((64, 64)), dict(header))
    disk, scale = solar_header.disk(header)
    assert abs(times.observation_time(header) - theirs.date.utc.to_datetime(dt.UTC)) < dt.timedelta(milliseconds=1)
    matrix = theirs.rotation_matrix
    assert disk.rotation_deg == pytest.approx(math.degrees(math.atan2(matrix[1, 0], matrix[0, 0])) % 360, abs=1e-9)
    assert disk.radius_px * scale == pytest.approx(theirs.rsun_obs.to_value("arcsec"), rel=1e-9)
    from astropy.coordinates import SkyCoord

    at_centre = theirs.world_to_pixel(SkyCoord(0, 0, unit="arcsec", frame=theirs.coordinate_frame))
    assert disk.center_x_px == pytest.approx(at_centre.x.value, abs=1e-6)
    assert disk.center_y_px == pytest.approx(at_centre.y.value, abs=1e-6)
