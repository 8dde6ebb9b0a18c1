"""A folder of pictures of any format: labels, parts, upright pictures, and what is no picture."""

import io
from collections import Counter

import numpy as np
import pytest
from archive_reading import archive, read
from PIL import Image as Picture

from skyhash.errors import BadFile
from skyhash.files import FileSource

RNG = np.random.default_rng(2)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def picture(values=COLOURS, form="PNG", **more):
    buffer = io.BytesIO()
    Picture.fromarray(values).save(buffer, form, **more)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "WEBP", "JPEG", "GIF"])
def test_formats_are_read_rows_turned_over(form):
    found = read("image_folder", picture(form=form, **({"lossless": True} if form == "WEBP" else {})), "/p/a.x")
    assert found.image.values.shape == (6, 9, 3) and (found.facts["width_px"], found.facts["height_px"]) == (9, 6)
    if form not in ("JPEG", "GIF"):
        np.testing.assert_array_equal(found.image.values, COLOURS[::-1])


def test_pictures_are_turned_as_the_camera_was_held():
    exif = Picture.Exif()
    exif[0x0112] = 6  # the first row is the right side
    found = read("image_folder", picture(exif=exif.tobytes()), "/p/a.png")
    np.testing.assert_array_equal(found.image.values, np.rot90(COLOURS, -1)[::-1])


@pytest.mark.parametrize(
    "values", [COLOURS[:, :, 0], COLOURS[:, :, 0].astype(np.float32), COLOURS.astype(np.uint16)[:, :, 0] * 250]
)
def test_grey_pictures_of_any_depth(values):  # fmt: skip
    form = "TIFF" if values.dtype.kind == "f" else "PNG"
    np.testing.assert_array_equal(read("image_folder", picture(values, form), "/p/a").image.values, values[::-1])


def test_labels_come_from_where_they_are_asked(tmp_path):
    (tmp_path / "val" / "cats").mkdir(parents=True)
    file = tmp_path / "val" / "cats" / "1.jpg"
    file.write_bytes(picture(form="JPEG"))
    (tmp_path / "val" / "manifest.csv").write_text("file,label,instrument,ra\ncats/1.jpg,tabby,simulated camera,12.5\n")

    def facts(**settings):
        (one,) = archive("image_folder", **{"path": str(tmp_path), **settings}).members(FileSource(str(file)))
        return one.facts()

    assert facts()["label"] == "tabby" and facts()["ra"] == 12.5 and facts()["simulated"]
    assert facts(labels="folder")["label"] == "cats"
    assert facts(labels="none")["label"] is None
    assert facts()["split"] is None and facts(parts={"val": "test"})["split"] == "test"
    assert facts()["natural_key"] == "val/cats/1.jpg"
    assert facts(path=f"{tmp_path}/*/cats/*")["natural_key"] == "cats/1.jpg"
    assert facts(path=str(file))["natural_key"] == "1.jpg"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"not a picture", "unreadable"),
        (picture()[:60], "unreadable"),
        (b"version https://git-lfs.github.com/spec/v1", "unreadable"),
        (picture(np.zeros((5, 5, 3), np.uint8)), "empty"),
        (picture(RNG.integers(0, 9, (60, 60), dtype=np.uint8)), "too_large"),
    ],
)
def test_what_is_no_picture_is_reported(data, reason):
    with pytest.raises(BadFile) as error:
        read("image_folder", data, "/p/a.png", max_pixels=3000)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        (
            "galaxies_galaxy_zoo_1",
            {
                "Elliptical": 350,
                "Spiral_ACW": 218,
                "Spiral_CW": 207,
                "Spiral_Edge": 225,
                "Merger": 115,
                "Dont_know": 56,
            },
        ),
        (
            "galaxies_galaxy_zoo_1_more",
            {"Elliptical": 1300, "Spiral_ACW": 218, "Spiral_CW": 207, "Spiral_Edge": 773},
        ),
    ],
)
def test_galaxy_zoo_is_read_with_its_labels_and_part(shared_data, name, counts):
    folder = shared_data / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is absent: no folder {folder}")
    reader = archive("image_folder", path=str(folder), parts={name: "train"})
    found, files = Counter(), sorted((folder / "images").iterdir())
    for number, file in enumerate(files):
        (one,) = reader.members(FileSource(str(file)))
        facts = one.facts()
        found[facts["label"]] += 1
        assert facts["split"] == "train" and (facts["width_px"], facts["height_px"]) == (423, 423)
        if number % 100 == 0:
            assert one.image().values.shape == (423, 423, 3)
    assert found == counts
