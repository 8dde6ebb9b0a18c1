"""CIFAR-10's binary files, written here record by record as its page describes them."""

import numpy as np
import pytest

from skyhash.archives.cifar10 import NAMES, Cifar10, Cifar10Settings
from skyhash.errors import BadFile


class Given:
    def __init__(self, data, path, **beside):
        self.data, self.path, self.others = data, path, beside

    def bytes(self):
        return self.data

    def beside(self, name):
        return self.others.get(name)


def batch(n=4, seed=0):
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    labels = generator.integers(0, 10, n)
    data = bytearray()
    for image, label in zip(images, labels, strict=True):
        data.append(label)
        for channel in range(3):
            for row in range(32):
                for column in range(32):
                    data.append(image[row, column, channel])
    return bytes(data), images, labels


def members(data, path="/c/data_batch_1.bin", wanted=None, **beside):
    return list(Cifar10(Cifar10Settings()).members(Given(data, path, **beside), wanted))


def test_records_are_members_in_order_rows_turned_over():
    data, images, labels = batch()
    found = members(data)
    assert [m.name for m in found] == ["0", "1", "2", "3"]
    for member, image, label in zip(found, images, labels, strict=True):
        np.testing.assert_array_equal(member.image().values, image[::-1])
        assert member.facts()["label"] == NAMES[label]
        assert (member.facts()["split"], member.facts()["natural_key"]) == ("train", f"data_batch_1.bin[{member.name}]")


def test_the_official_parts_come_from_the_names():
    data, *_ = batch(1)
    assert members(data, "/c/test_batch.bin")[0].facts()["split"] == "test"
    assert members(data, "/c/other.bin")[0].facts()["split"] is None


def test_names_of_classes_come_from_the_file_beside():
    data, _, labels = batch()
    names = "\n".join(f"class {i}" for i in range(10)) + "\n\n"
    assert members(data, **{"batches.meta.txt": names.encode()})[2].facts()["label"] == f"class {labels[2]}"


def test_only_the_wanted_members_are_given():
    data, images, _ = batch()
    (one,) = members(data, wanted={"2", "77"})
    np.testing.assert_array_equal(one.image().values, images[2][::-1])


def test_a_full_batch_is_listed_at_once():
    data = bytes(3073 * 10_000)
    assert len(members(data)) == 10_000


def test_damaged_files_and_records_are_reported():
    data, *_ = batch()
    for bad in (b"", data[:-1], b"\x80\x02}q\x00(U\tdata_batch"):
        with pytest.raises(BadFile):
            members(bad)
    with pytest.raises(BadFile, match="class number 200"):
        members(bytes([200]) + data[1:])[0].facts()


def test_companions_are_no_images():
    archive = Cifar10(Cifar10Settings())
    assert archive.is_image_file("/c/data_batch_1.bin")
    assert not any(archive.is_image_file(f"/c/{n}") for n in ("batches.meta.txt", "readme.html", "README.md"))
