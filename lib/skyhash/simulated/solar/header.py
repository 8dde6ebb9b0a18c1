"""FITS files as JSOC exports them, with HMI's keywords, marked as simulated.

The time keywords follow HMI_observables: T_REC is the slot and T_OBS the middle of the exposures, both TAI; DATE-OBS
is UTC and 45 s before T_OBS. As in real files, the slots are spaced evenly for an observer at 1 au, so that T_OBS
drifts against T_REC through the year by the light's travel time over the difference in distance: 8.3 s later in July,
8.3 s earlier in January. DATE-OBS therefore has no exact cadence; `slot_time` has. Every byte follows from the
arguments: DATE is five days after the slot, and the notes of the checksums carry that date too.
"""

from __future__ import annotations

import datetime as dt
import io

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.time import Time

from skyhash.simulated.solar import render, sun

SERIES = "hmi.sim_m_720s"
ORIGIN = "skyhash, simulated"
EXPOSURE_SECONDS = 90.0
LIGHT_M_PER_S = 299_792_458.0


def file_name(slot: dt.datetime) -> str:
    """Name as JSOC gives it, of a slot in TAI."""
    return f"{SERIES}.{slot:%Y%m%d_%H%M%S}_TAI.magnetogram.fits"


def to_utc(slot: dt.datetime) -> dt.datetime:
    """A TAI clock time as an aware datetime in UTC."""
    return Time(slot.replace(tzinfo=None), scale="tai").utc.to_datetime(dt.UTC)


def cards(
    slot: dt.datetime, side_px: int, seed: int, quality: int, values: npt.NDArray[np.int32] | None
) -> fits.Header:
    """Keywords of one image.

    Parameters
    ----------
    slot : datetime
        T_REC, a TAI clock time.
    quality : int
        QUALITY, 32-bit mask.
    values : ndarray of int32, or None
        Stored values, for the DATA keywords.
    """
    moment = to_utc(slot)
    seen = sun.ephemeris(moment)
    disk, cdelt = render.disk_of(seen, side_px)
    drift = dt.timedelta(seconds=(seen.dsun_m - sun.AU_M) / LIGHT_M_PER_S)
    begin = moment + drift - dt.timedelta(seconds=EXPOSURE_SECONDS / 2)
    middle = slot + drift
    header = fits.Header()
    for key, value, comment in (
        ("TELESCOP", "SDO/HMI", "Telescope whose form this file has"),
        ("INSTRUME", "HMI_SIDE1", "For HMI: HMI_SIDE1, HMI_FRONT2, or HMI_COMBINED"),
        ("SIMULATD", True, "SIMULATED: made by a model, not observed"),
        ("SIMSEED", seed, "seed of the simulation"),
        ("ORIGIN", ORIGIN, "where file made"),
        ("CONTENT", "MAGNETOGRAM", "Content"),
        ("DATE", f"{slot + dt.timedelta(days=5):%Y-%m-%dT%H:%M:%S}", "nominal date of processing"),
        ("DATE-OBS", begin.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-4], "[ISO] T_OBS - exposure/2, UTC"),
        ("T_OBS", f"{middle:%Y.%m.%d_%H:%M:%S}.{middle.microsecond // 10000:02d}_TAI", "[TAI] nominal time"),
        ("T_REC", f"{slot:%Y.%m.%d_%H:%M:%S}_TAI", "[TAI] slot time"),
        ("TRECEPOC", "1993.01.01_00:00:00_TAI", "time of origin"),
        ("TRECSTEP", 720.0, "[s]"),
        ("TRECUNIT", "secs", ""),
        ("CADENCE", 720.0, "[s]"),
        ("DATASIGN", 1, "-1 for helioseismology Doppler velocity"),
        ("WAVELNTH", 6173.0, "[angstrom]"),
        ("CAMERA", 1, "1: side camera"),
        ("BUNIT", "Gauss", ""),
        ("QUALITY", quality - (1 << 32) if quality >= 1 << 31 else quality, "0 is good"),
        ("CTYPE1", "HPLN-TAN", ""),
        ("CTYPE2", "HPLT-TAN", ""),
        ("CRPIX1", round(disk.center_x_px + 1, 6), "[pix]"),
        ("CRPIX2", round(disk.center_y_px + 1, 6), "[pix]"),
        ("CRVAL1", 0.0, "[arcsec]"),
        ("CRVAL2", 0.0, "[arcsec]"),
        ("CDELT1", round(cdelt, 9), "[arcsec/pix]"),
        ("CDELT2", round(cdelt, 9), "[arcsec/pix]"),
        ("CUNIT1", "arcsec", ""),
        ("CUNIT2", "arcsec", ""),
        ("CROTA2", render.CROTA2, "[deg]"),
        ("WCSNAME", "Helioprojective-cartesian", ""),
        ("DSUN_OBS", round(seen.dsun_m, 2), "[m]"),
        ("DSUN_REF", sun.AU_M, "[m]"),
        ("RSUN_REF", sun.RSUN_REF_M, "[m]"),
        ("RSUN_OBS", round(seen.rsun_arcsec, 6), "[arcsec]"),
        ("CRLN_OBS", round(seen.l0_deg, 6), "[deg]"),
        ("CRLT_OBS", round(seen.b0_deg, 6), "[deg]"),
        ("CAR_ROT", seen.carrington_rotation, ""),
        ("BLD_VERS", "simulated", ""),
    ):
        header[key] = (value, comment)
    if values is not None:
        disk_values = values[values != render.BLANK]
        header["TOTVALS"], header["DATAVALS"] = values.size, disk_values.size
        header["MISSVALS"] = values.size - disk_values.size
        if disk_values.size:
            scale = render.SCALE_GAUSS
            for key, number in (
                ("DATAMIN", disk_values.min() * scale),
                ("DATAMAX", disk_values.max() * scale),
                ("DATAMEAN", disk_values.mean(dtype=np.float64) * scale),
                ("DATARMS", disk_values.std(dtype=np.float64) * scale),
            ):
                header[key] = (round(float(number), 4), "[Gauss]")
    header["COMMENT"] = "SIMULATED magnetogram. Not an observation of SDO/HMI."
    return header


def file_bytes(values: npt.NDArray[np.int32], header: fits.Header) -> bytes:
    """Tile-compressed (Rice) FITS with BSCALE, BLANK and DATASUM; equal input gives equal bytes."""
    image = fits.CompImageHDU(values, header, compression_type="RICE_1", tile_shape=(16, values.shape[1]))
    image.header["BSCALE"], image.header["BZERO"] = render.SCALE_GAUSS, 0.0
    image.header["BLANK"] = render.BLANK
    written = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(written, output_verify="exception")
    with fits.open(io.BytesIO(written.getvalue()), memmap=False, disable_image_compression=True) as hdus:
        hdus[1].add_checksum(when=str(header["DATE"]))
        final = io.BytesIO()
        hdus.writeto(final, output_verify="exception")
    return final.getvalue()
