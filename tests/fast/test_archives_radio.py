"""The archive of radio galaxies: pictures, npz, FITS images and cubes, tables beside them, broken files."""

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image as Picture

from skyhash.archives import ARCHIVES
from skyhash.archives.formats import fits_planes
from skyhash.archives.radio_galaxies import RadioGalaxies, RadioGalaxiesSettings
from skyhash.errors import BadFile


class Held:
    """Files held in memory: path -> content."""

    def __init__(self, path, files):
        self.path, self.files = path, files

    def bytes(self):
        return self.files[self.path]

    def open(self):
        return io.BytesIO(self.bytes())

    def beside(self, name):
        parts = self.path.split("/")[:-1]
        while name.startswith("../"):
            parts, name = parts[:-1], name[3:]
        return self.files.get("/".join([*parts, name]))


class OnDisk(Held):
    def __init__(self, path, cache):
        self.path, self.cache, self.files = str(path), cache, self
        self.folder = path.parent

    def bytes(self):
        return self.folder.joinpath(self.path).read_bytes()

    def beside(self, name):
        file = (self.folder / name).resolve()
        if file not in self.cache:
            self.cache[file] = file.read_bytes() if file.is_file() else None
        return self.cache[file]


def archive(**settings):
    return ARCHIVES.make(RadioGalaxiesSettings(**settings))


def png(values):
    written = io.BytesIO()
    Picture.fromarray(values).save(written, "PNG")
    return written.getvalue()


def npz(**arrays):
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)
    return written.getvalue()


def fits_file(values, **cards):
    hdu = fits.PrimaryHDU(values)
    hdu.header.update(cards)
    written = io.BytesIO()
    hdu.writeto(written)
    return written.getvalue()


def only(source, **settings):
    (member,) = archive(**settings).members(source)
    return member


SPOT = np.zeros((6, 5), np.uint8)
SPOT[0, 1] = 200  # near the top left corner
TABLE = b"file,label,split,ra,dec,timestamp,instrument,notes\nimages/FRI/a.png,Bent tail,valid,10.5,-3,,VLA FIRST,n1\n"


def test_rows_of_a_picture_are_turned_over():
    image = only(Held("/x/a.png", {"/x/a.png": png(SPOT)})).image()
    assert image.values[5, 1] == 200 and image.values.sum() == 200


@pytest.mark.parametrize(
    "settings, label",
    [({}, "Bent tail"), ({"label_words": 1}, "Bent"), ({"labels": "folder"}, "FRI"), ({"labels": "none"}, None)],
)
def test_labels_come_from_where_the_setting_says(settings, label):
    files = {"/d/images/FRI/a.png": png(SPOT), "/d/manifest.csv": TABLE}
    facts = only(Held("/d/images/FRI/a.png", files), **settings).facts()
    assert facts["label"] == label
    assert (facts["split"], facts["ra"], facts["dec"]) == ("valid", 10.5, -3.0)
    assert facts["category"] == "VLA FIRST" and facts["facts"]["notes"] == "n1"
    assert facts["simulated"] is False


def test_place_is_read_from_the_name_where_there_is_no_table():
    facts = only(Held("/d/10.451_-9.284_0_MiraBest.png", {"/d/10.451_-9.284_0_MiraBest.png": png(SPOT)})).facts()
    assert (facts["ra"], facts["dec"]) == (10.451, -9.284)


def test_simulated_is_said():
    path = "/d/simulated_a.png"
    assert only(Held(path, {path: png(SPOT)})).facts()["simulated"]
    path = "/d/a.fits"
    assert only(Held(path, {path: fits_file(np.eye(4), SIMULATD=True)})).facts()["simulated"]


def test_npz_members_keep_their_numbers_and_repeats_are_reported():
    images = np.stack([SPOT, SPOT * 0, np.flipud(SPOT), SPOT])
    source = Held("/d/all.npz", {"/d/all.npz": npz(images=images, labels=np.array([1, 0, 0, 1]))})
    members = list(archive(npz_classes=("FRI", "FRII")).members(source))
    assert [m.name for m in members] == ["0", "1", "2", "3"]
    assert [m.facts()["label"] for m in members] == ["FRII", "FRI", "FRI", "FRII"]
    assert members[2].facts()["natural_key"] == "all.npz[2]"
    np.testing.assert_array_equal(members[0].image().values, SPOT[::-1])
    for number, reason in ((1, "empty"), (3, "duplicate")):
        with pytest.raises(BadFile) as error:
            members[number].image()
        assert error.value.reason == reason
    (wanted,) = archive().members(source, wanted={"2"})
    np.testing.assert_array_equal(wanted.image().values, SPOT)


def test_npz_never_unpickles():
    source = Held("/d/all.npz", {"/d/all.npz": npz(images=np.array([print, print], dtype=object))})
    with pytest.raises(BadFile, match=r"unreadable.*pickle"):
        list(archive().members(source))


@pytest.mark.parametrize("how", ["plane", "peak", "moment0", "moment1"])
def test_a_cube_becomes_one_image(how):
    cube = np.random.default_rng(1).random((1, 3, 4, 5)).astype(np.float32)
    cube[0, 1, 2, 3] = np.nan
    cube[0, :, 0, 0] = np.nan
    cards = {"CRVAL3": 100.0, "CRPIX3": 2.0, "CDELT3": -0.5, "CUNIT3": "km/s", "BUNIT": "Jy/beam"}
    source = Held("/d/c.fits", {"/d/c.fits": fits_file(cube, **cards)})
    image = only(source, cube=how, plane=-1).image()
    coordinate = [100.5, 100.0, 99.5]
    expected = np.full((4, 5), np.nan)
    for y in range(4):
        for x in range(5):
            seen = [(v, cube[0, c, y, x]) for c, v in enumerate(coordinate) if np.isfinite(cube[0, c, y, x])]
            if not seen:
                continue
            if how == "plane":
                expected[y, x] = cube[0, 2, y, x]
            elif how == "peak":
                expected[y, x] = max(value for _, value in seen)
            elif how == "moment0":
                expected[y, x] = sum(value for _, value in seen) * 0.5
            else:
                expected[y, x] = sum(v * value for v, value in seen) / sum(value for _, value in seen)
    np.testing.assert_allclose(image.values, expected, rtol=1e-6)
    assert image.unit == {"plane": "Jy/beam", "peak": "Jy/beam", "moment0": "Jy/beam km/s", "moment1": "km/s"}[how]


def test_a_channel_that_is_not_there_is_reported():
    source = Held("/d/c.fits", {"/d/c.fits": fits_file(np.ones((3, 4, 5)))})
    with pytest.raises(BadFile, match="no channel 3: the cube has 3"):
        only(source, plane=3).image()


def test_stokes_behind_frequency_and_single_rows():
    two = np.stack([np.ones((3, 4, 5)), np.zeros((3, 4, 5))]).astype(np.float32)  # Stokes I, V
    _, cube = fits_planes.read(fits_file(two), 1000)
    assert cube.shape == (3, 4, 5) and cube.min() == 1


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "unreadable"),
        (b"not a picture", "unreadable"),
        (png(SPOT)[:50], "unreadable"),
        (npz(images=np.zeros((2, 3, 3)))[:200], "unreadable"),
        (npz(pictures=np.zeros((2, 3, 3))), "not_an_image"),
        (npz(images=np.zeros(4)), "not_an_image"),
        (fits_file(np.zeros(7)), "not_an_image"),
        (fits_file(np.eye(40))[:3000], "unreadable"),
        (png(SPOT * 0), "empty"),
        (fits_file(np.full((4, 4), np.nan)), "empty"),
        (png(np.zeros((40, 40), np.uint8)), "too_large"),
        (fits_file(np.eye(40)), "too_large"),
        (b"version https://git-lfs.github.com/spec/v1\n", "unreadable"),
    ],
)
def test_broken_files_go_to_quarantine_with_a_reason(content, reason):
    limit = 1000 if reason == "too_large" else 10000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(BadFile) as error:
            for member in archive(max_pixels=limit).members(Held("/d/f", {"/d/f": content})):
                member.facts()
                member.image()
    assert error.value.reason == reason


def test_a_table_without_file_names_is_reported():
    files = {"/d/a.png": png(SPOT), "/d/manifest.csv": b"name,label\na.png,FRI\n"}
    with pytest.raises(BadFile, match="no column file: name, label"):
        only(Held("/d/a.png", files)).facts()


@pytest.mark.parametrize("name, every, good, bad", [
    ("radio_galaxies_first", 13, None, set()), ("radio_galaxies_mirabest", 1, 786 + 23, {"empty"})
])  # fmt: skip
def test_real_files(shared_data, name, every, good, bad):
    cache, used, reasons, labels = {}, 0, [], set()
    reader = archive(label_words=1)
    files = sorted(p for p in (shared_data / name).rglob("*") if p.is_file() and reader.is_image_file(str(p)))
    if not files:
        pytest.skip(f"{name} is absent")
    for file in files[::every]:
        for member in reader.members(OnDisk(file, cache)):
            try:
                facts, image = member.facts(), member.image()
            except BadFile as error:
                reasons.append(error.reason)
                continue
            used += 1
            labels.add(facts["label"])
            assert image.values.shape == (facts["height_px"], facts["width_px"])
            assert isinstance(reader, RadioGalaxies) and facts["natural_key"]
    if name == "radio_galaxies_first":
        assert labels == {"Bent", "Compact", "FRI", "FRII"} and used + len(reasons) == len(files[::every])
    else:
        assert used == good and reasons == ["empty"] * 6 and {"FRI", "FRII"} <= labels
