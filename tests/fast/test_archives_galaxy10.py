"""Galaxy10's HDF5 file, written here by h5py as its page describes it, and files that are not what they say."""

import io

import h5py
import numpy as np
import pytest
from archive_reading import Bytes, archive

from skyhash.archives.galaxy10 import CLASSES
from skyhash.errors import BadFile
from skyhash.files import FileSource


def written(n=10, side=8, images=None, without=(), attributes=None, classes=None, **dataset):
    """The bytes of a file, and its arrays."""
    rng = np.random.default_rng(5)
    arrays = {
        "images": rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8) if images is None else images,
        "ans": (np.arange(n) % 10).astype(np.uint8),
        "ra": rng.uniform(0, 360, n),
        "dec": rng.uniform(-30, 80, n),
        "redshift": np.where(np.arange(n) == 3, np.nan, rng.uniform(0, 0.2, n)),
        "pxscale": np.full(n, 0.262),
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in arrays.items():
            if name not in without:
                file.create_dataset(name, data=values, **(dataset if name == "images" else {}))
        file.attrs.update(attributes or {})
        if classes:
            file["ans"].attrs["classes"] = classes
    return buffer.getvalue(), arrays


def members(data, wanted=None, path="/data/Galaxy10_DECals.h5", **settings):
    return list(archive("galaxy10", **settings).members(Bytes(data, path), wanted))


@pytest.mark.parametrize("stored", [{}, {"chunks": (3, 8, 8, 3), "compression": "gzip"}])
def test_images_are_members_in_order_rows_turned_over(stored):
    data, arrays = written(**stored)
    found = members(data)
    assert [m.name for m in found] == [str(i) for i in range(10)]
    for i, member in enumerate(found):
        np.testing.assert_array_equal(member.image().values, arrays["images"][i][::-1])
        facts = member.facts()
        assert facts["label"] == CLASSES[i] and facts["natural_key"] == f"Galaxy10_DECals.h5[{i}]"
        assert (facts["ra"], facts["dec"]) == (arrays["ra"][i], arrays["dec"][i]) and not facts["simulated"]
        assert ("redshift" in facts["facts"]) == (i != 3)
        assert facts["facts"]["pixel_arcsec"] == member.image().facts["pixel_arcsec"] == 0.262


def test_wanted_members_come_in_the_files_order():
    data, arrays = written()
    found = members(data, {"7", "2", "99"})
    assert [m.name for m in found] == ["2", "7"]
    np.testing.assert_array_equal(found[1].image().values, arrays["images"][7][::-1])


def test_a_file_is_read_by_blocks_where_it_lies(tmp_path, monkeypatch):
    """Through the project's own file source, which counts what is read: one image needs some kB, not the file."""
    monkeypatch.setattr("skyhash.archives.galaxy10.BLOCK_BYTES", 4 * 64 * 64 * 3)
    data, arrays = written(n=400, side=64)
    path = tmp_path / "galaxies.h5"
    path.write_bytes(data)

    class Counted(FileSource):
        read = 0

        def open(self):
            source, file = self, super().open()

            class File(io.RawIOBase):
                def readinto(self, into):
                    source.read += len(into)
                    return file.readinto(into)

                def seek(self, *where):
                    return file.seek(*where)

                def tell(self):
                    return file.tell()

            return File()

        def bytes(self):
            raise AssertionError("the whole file is asked for")

    source = Counted(str(path))
    (one,) = archive("galaxy10").members(source, {"300"})
    np.testing.assert_array_equal(one.image().values, arrays["images"][300][::-1])
    assert 4 * 64 * 64 * 3 <= source.read < len(data) / 20
    through_pyarrow = list(archive("galaxy10").members(FileSource(str(path))))
    assert len(through_pyarrow) == 400 and through_pyarrow[399].facts()["label"] == CLASSES[9]


def test_names_of_classes_come_from_the_file_then_from_the_profile():
    data, _ = written(n=2, classes=["round", "flat"])
    assert [m.facts()["label"] for m in members(data)] == ["round", "flat"]
    data, _ = written(n=2)
    assert members(data, classes=("x", "y"))[1].facts()["label"] == "y"
    data, _ = written(n=2, without=("ans", "redshift", "pxscale", "ra", "dec"))
    facts = members(data)[0].facts()
    assert facts.get("label") is None and facts["ra"] is None and facts["facts"] == {}


def test_what_is_simulated_says_so():
    data, _ = written(attributes={"simulated": True})
    assert all(m.facts()["simulated"] for m in members(data))


def test_a_class_number_without_a_name_is_one_bad_image():
    data, _ = written(n=3)
    found = members(data, classes=("a", "b"))
    assert found[1].facts()["label"] == "b"
    with pytest.raises(BadFile, match="class number 2"):
        found[2].facts()


def test_an_image_of_one_value_is_empty():
    images = np.zeros((2, 8, 8, 3), np.uint8)
    images[1, 2, 3] = 9
    data, _ = written(n=2, images=images)
    with pytest.raises(BadFile, match=r"^empty"):
        members(data)[0].image()
    assert members(data)[1].image().values.max() == 9


def _linked(target):
    def fill(file):
        file["images"] = target

    return fill


def _external(file):
    file.create_dataset("images", (4, 2, 2, 3), np.uint8, external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])


def _declared(file):
    file.create_dataset("images", (1 << 40, 256, 256, 3), np.uint8, chunks=(1, 256, 256, 3))


def _short_column(file):
    file["images"], file["ra"] = np.ones((3, 2, 2, 3), np.uint8), [1.0, 2.0]


def _group(file):
    file.create_group("images")


@pytest.mark.parametrize(
    ("fill", "reason", "line"),
    [
        (_linked(h5py.ExternalLink("/etc/other.h5", "/images")), "unreadable", "ExternalLink"),
        (_linked(h5py.SoftLink("/elsewhere")), "unreadable", "SoftLink"),
        (_external, "unreadable", "other files"),
        (_declared, "unreadable", "declared"),
        (_short_column, "header", "ra of shape"),
        (_group, "unreadable", "Group"),
        (_linked(np.ones((3, 2, 2), np.uint8)), "not_an_image", "expected"),
        (_linked(np.ones((3, 2, 2, 3), np.float32)), "not_an_image", "float32"),
        (lambda file: file.create_dataset("other", data=[1]), "not_an_image", "other"),
    ],
)
def test_files_that_are_something_else_are_reported(fill, reason, line):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    with pytest.raises(BadFile, match=line) as error:
        members(buffer.getvalue())
    assert error.value.reason == reason


def test_damaged_files_are_reported_wherever_they_are_cut():
    data, _ = written(n=20, chunks=(3, 8, 8, 3), compression="gzip")
    for bad in (b"", b"not HDF5" * 100, *(data[: len(data) * part // 7] for part in range(1, 7))):
        with pytest.raises(BadFile, match=r"^unreadable"):
            members(bad)
    for position in range(0, len(data) - 64, len(data) // 40):
        broken = bytearray(data)
        broken[position : position + 64] = bytes(64)
        for member in _tried(lambda broken=broken: members(bytes(broken))) or []:
            _tried(member.facts)
            _tried(member.image)


def _tried(call):
    """The result, or None where the file is refused; any other error fails the test."""
    try:
        return call()
    except BadFile as bad:
        assert bad.message
        return None


def test_larger_images_than_allowed_are_refused():
    data, _ = written(side=16)
    with pytest.raises(BadFile, match="16 x 16 px, at most 200"):
        members(data, max_pixels=200)
