"""Altered copies of images: same source, other pixels, the same in every reading."""

import io

import numpy as np
import pytest
from archive_reading import Bytes, archive
from PIL import Image as Picture
from test_archives_galaxy10 import written

from skyhash.archives.copies import altered


def picture():
    rng = np.random.default_rng(4)
    buffer = io.BytesIO()
    Picture.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "data", "names"),
    [
        ("image_folder", picture(), ["", "~1", "~2"]),
        ("galaxy10", written(n=2)[0], ["0", "0~1", "0~2", "1", "1~1", "1~2"]),
    ],
)
def test_an_image_and_its_copies_are_one_source(kind, data, names):
    reader = archive(kind, copies=2)
    members = list(reader.members(Bytes(data, "/p/a.x")))
    assert [m.name for m in members] == names
    facts = {m.name: m.facts() for m in members}
    for name in names:
        original = name.split("~")[0]
        assert facts[name]["source_id"] == facts[original]["natural_key"]
        assert name == original or facts[name]["label"] is None
    assert len({f["natural_key"] for f in facts.values()}) == len(names)
    pixels = {m.name: m.image().values for m in members}
    assert len({p.tobytes() for p in pixels.values()}) == len(names)
    wanted = [m for m in reader.members(Bytes(data, "/p/a.x"), {names[-1], names[0]})]
    assert [m.name for m in wanted] == [names[0], names[-1]]
    for member in wanted:
        np.testing.assert_array_equal(member.image().values, pixels[member.name])
    plain = list(archive(kind).members(Bytes(data, "/p/a.x")))
    assert [m.name for m in plain] == [n for n in names if "~" not in n] and "source_id" not in plain[0].facts()
    np.testing.assert_array_equal(plain[0].image().values, pixels[names[0]])


def test_a_copy_keeps_what_a_turn_keeps():
    down, across = np.mgrid[:41, :41] - 20
    disc = np.where(np.hypot(down, across) < 12, 180, 30).astype(np.uint8)
    seen = [altered(disc, np.random.default_rng(seed)).astype(float) for seed in range(6)]
    inner, ring = np.hypot(down, across) < 9, (np.hypot(down, across) > 14) & (np.hypot(down, across) < 19)
    for one in seen:
        assert one[inner].mean() == pytest.approx(180, abs=2) and one[ring].mean() == pytest.approx(30, abs=2)
        assert 2 < one[inner].std() < 9
