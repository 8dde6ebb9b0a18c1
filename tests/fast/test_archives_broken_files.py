"""No file, whatever is in it, gets anything but a `BadFile` with a reason out of a reader."""

import importlib.resources
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from archive_reading import Read, archive, member, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyhash.archives import ARCHIVES
from skyhash.errors import BadFile, ConfigError
from skyhash.simulated.solar import archive as simulated
from skyhash.simulated.solar import broken

FOLDERS = {"astropy": ("io", "fits", "tests", "data"), "sunpy": ("data", "test")}
KINDS = ("solar_hmi", "solar_mdi", "simulated_hmi")
STRUCTURAL = ["NAXIS1", "NAXIS2", "NAXIS", "ZNAXIS1", "ZNAXIS2", "ZNAXIS", "BITPIX", "ZBITPIX", "BSCALE", "BLANK",
              "ZTILE1", "ZTILE2", "ZCMPTYPE", "ZVAL1", "PCOUNT", "GCOUNT", "TFIELDS", "CDELT1", "CRPIX1", "RSUN_OBS",
              "CROTA2", "QUALITY"]  # fmt: skip
ABSURD = ("0", "-1", "3", "1000000000", "99999999999999", "nan", "1e300", "'x'", "T", "")


def shipped() -> list[Path]:
    """Every file of FITS form (by name) that astropy and sunpy ship as test data."""
    found = []
    for package, parts in FOLDERS.items():
        folder = Path(str(importlib.resources.files(package))).joinpath(*parts)
        found += [p for p in folder.rglob("*") if p.is_file() and (".f" in p.name or p.suffix == ".Z")]
    return sorted(found)


SHIPPED = shipped()


def test_the_packages_ship_the_files_meant():
    names = {p.name for p in SHIPPED}
    assert len(names) >= 45
    assert {"resampled_hmi.fits", "not_actually_fits.fits", "checksum_false.fits", "lzw.fits.Z"} <= names


@pytest.mark.parametrize("kind", [*KINDS, "solar_hmi_jpeg"])
def test_every_shipped_file_is_read_or_refused_with_a_reason(kind):
    for path in SHIPPED:
        found = outcome(kind, path.read_bytes(), str(path))
        assert isinstance(found, Read) or (found.reason in BadFile.REASONS and found.message), path
        assert isinstance(found, Read) or "\n" not in found.message


@pytest.mark.parametrize(
    ("name", "reason", "words"),
    [
        ("resampled_hmi.fits", "wrong_instrument", "CONTINUUM INTENSITY"),
        ("not_actually_fits.fits", "unreadable", "not FITS"),
        ("checksum_false.fits", "unreadable", "DATASUM"),
        ("blank.fits", "not_an_image", "two-dimensional"),
        ("aia_171_level1.fits", "wrong_instrument", "AIA"),
        ("group_invalid.fits", "not_an_image", "two-dimensional"),
    ],
)
def test_known_files_get_the_right_reason(name, reason, words):
    path = next(p for p in SHIPPED if p.name == name)
    found = outcome("solar_hmi", path.read_bytes(), str(path))
    assert isinstance(found, BadFile)
    assert (found.reason, words in found.message) == (reason, True), str(found)


def test_the_readers_do_not_take_the_process_down():
    """A damaged stream that crashed the decoder would kill a worker: read all, and cut short, in a process apart."""
    script = """
import sys
from pathlib import Path
from archive_reading import read
from skyhash.errors import BadFile
count = 0
for path in sys.argv[1:]:
    data = Path(path).read_bytes()
    for share in (1.0, 0.9, 0.5, 0.1):
        for kind in ("solar_hmi", "solar_mdi"):
            try:
                read(kind, data[: int(len(data) * share)], path)
            except BadFile:
                pass
            count += 1
print(count)
"""
    files = [str(p) for p in SHIPPED if p.stat().st_size < 3_000_000]
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run([sys.executable, "-c", script, *files], capture_output=True, text=True, timeout=120,
                          env={**os.environ, "PYTHONPATH": path})  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(8 * len(files))]
    assert not done.stderr


@pytest.fixture(scope="module")
def sound() -> bytes:
    import datetime as dt

    return simulated.sound_file(dt.datetime(2014, 4, 1), 64, 7)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_anywhere_never_crash(sound, data):
    content = np.frombuffer(sound, np.uint8).copy()
    positions = data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=20))
    content[positions] ^= data.draw(st.integers(1, 255))
    found = outcome("simulated_hmi", content.tobytes(), "flipped.fits")
    assert isinstance(found, (Read, BadFile))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.sampled_from(STRUCTURAL), value=st.sampled_from(ABSURD))
def test_absurd_keywords_never_crash(sound, key, value):
    position = sound.rfind(f"{key:<8}= ".encode())
    if position < 0:
        position = sound.find(f"{key:<8}=".encode())
    content = bytearray(sound)
    if position >= 0:
        content[position + 10 : position + 80] = f"{value:>20}".ljust(70).encode()
    one = member("simulated_hmi", bytes(content), "absurd.fits")
    for method in (one.facts, one.image):
        try:
            method()
        except BadFile as bad:
            assert bad.message


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=6000),
    st.sampled_from([b"", b"SIMPLE  =                    T", b"\x1f\x8b\x08", b"\xff\xd8\xff"]),
)
def test_random_bytes_never_crash(tail, head):
    for kind in (*KINDS, "solar_hmi_jpeg"):
        assert isinstance(outcome(kind, head + tail, "HMI.m2026.02.01_00.00.00.jpg"), BadFile)


def test_every_kind_of_broken_file_gets_its_reason(tmp_path):
    simulated.write(tmp_path, 2 * len(broken.KINDS), side_px=64, seed=3, broken=0.5)
    seen = {}
    for i, path in enumerate(sorted(tmp_path.glob("hmi*"))):
        kind = simulated.kind_of(i, 0.5, 3)
        found = outcome("simulated_hmi", path.read_bytes(), str(path))
        if isinstance(found, BadFile):
            seen[kind] = found.reason
        else:
            seen.setdefault(kind, "read")
    assert seen.pop("") == "read"
    assert seen.pop(broken.DUPLICATE) == "read"  # only who knows the other files can tell
    assert seen == {kind: reason for kind, (reason, _) in broken.KINDS.items() if kind != broken.DUPLICATE}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("a/hmi.m_720s.20110101_000000_TAI.magnetogram.fits", True),
        ("a/no_suffix", True),
        ("a/page.html", True),
        ("a/.hidden.fits", False),
        ("a/_SUCCESS", False),
        ("a/manifest.csv", False),
        ("a/SOURCE.md", False),
        ("a/README", False),
        ("a/README.txt", False),
        ("a/source.fits", True),
        ("a/manifest.fits", True),
        ("a/keys.txt", False),
    ],
)
def test_every_file_counts_but_obvious_companions(path, meant):
    for kind in KINDS:
        assert archive(kind, keywords="elsewhere/keys.txt").is_image_file(path) is meant
    assert archive("solar_hmi_jpeg").is_image_file(path) is (meant or path == "a/keys.txt")


def test_an_unknown_archive_is_one_clear_line():
    with pytest.raises(ConfigError, match=r"archive.kind: found 'solar_gong', expected one of .*solar_hmi"):
        ARCHIVES.get("solar_gong")
