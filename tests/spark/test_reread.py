"""Another reader, other settings, corrected tables beside the images: what was read in another way is read again."""

import os

import numpy as np
import pytest
from PIL import Image as Picture

from skyhash.archives.image_folder import ImageFolder
from skyhash.config import load
from skyhash.spark.storage.store import Store
from skyhash.stages.images import describe, ingest
from skyhash.tables import HASHES

LABELS = ["cat", "cat", "dog", "dog"]


class Folder:
    """Four pictures with a manifest, and one that is none."""

    def __init__(self, spark, root, form):
        self.spark, self.folder = spark, root / "archive"
        self.folder.mkdir()
        for number in range(4):
            pixels = np.random.default_rng(number).integers(0, 255, (16, 16, 3), np.uint8)
            Picture.fromarray(pixels).save(self.folder / f"{number}.png")
        (self.folder / "bad.png").write_text("not a picture")
        self.label(LABELS)
        self.settings = [
            "archive.kind=image_folder", f"archive.path={self.folder}", f"warehouse={root / 'warehouse'}",
            "describe.kind=colour_image", "describe.side_px=16", f"format={form}",
        ]  # fmt: skip
        self.store = Store(spark, str(root / "warehouse"), form)

    def label(self, labels):
        rows = "".join(f"{number}.png,{label}\n" for number, label in enumerate(labels))
        (self.folder / "manifest.csv").write_text("file,label\n" + rows)

    def config(self, *more):
        return load(None, [*self.settings, *more])

    def ingest(self, *more):
        return ingest.run(self.spark, self.config(*more), describe=True).finish()

    def labels(self):
        rows = self.store.live().orderBy("image_id").collect()
        return {os.path.basename(row["path"]): (row["image_id"], row["label"]) for row in rows}

    def hashed(self):
        """Give every described image a hash that has none."""
        done = {row["image_id"] for row in self.store.read("hashes").collect()}
        rows = [
            (row["image_id"], "model", False, "run", [1.0], b"1") for row in self.store.read("descriptors").collect()
        ]
        self.store.append("hashes", self.spark.createDataFrame([r for r in rows if r[0] not in done], HASHES.ddl))

    def runs(self, table):
        return {row["image_id"]: row["run_id"] for row in self.store.read(table).collect()}


@pytest.mark.parametrize("form", ["delta", "parquet"])
def test_what_was_read_in_another_way_is_read_again(spark, tmp_path, monkeypatch, form):
    folder = Folder(spark, tmp_path, form)
    first = folder.ingest()
    images = folder.labels()
    assert [label for _, label in images.values()] == LABELS and first.rows_in == 5
    folder.hashed()
    assert folder.ingest().rows_in == 0
    # a raised limit tries again what was refused, and nothing else
    assert folder.ingest("archive.max_pixels=1000000").rows_in == 1

    # a corrected row of the table: that file alone
    folder.label(["cat", "cat", "dog", "bird"])
    report = folder.ingest("archive.max_pixels=1000000")
    assert report.rows_in == report.facts["read again: other reader, settings or table"] == 1
    assert folder.labels() == images | {"3.png": (images["3.png"][0], "bird")}
    changed = images["3.png"][0]
    assert {i for i, run in folder.runs("descriptors").items() if run == report.run_id} == {changed}
    assert changed not in folder.runs("hashes") and len(folder.runs("hashes")) == 3
    folder.hashed()

    # another version of the reader: all files, the refused one too; ids and run stay, descriptors and hashes do not
    monkeypatch.setattr(ImageFolder, "version", 2)
    report = folder.ingest("archive.max_pixels=1000000")
    assert report.rows_in == 5 and report.facts["new observations"] == 0
    assert {name: i for name, (i, _) in folder.labels().items()} == {name: i for name, (i, _) in images.items()}
    assert set(folder.runs("observations").values()) == {first.run_id}
    assert set(folder.runs("descriptors").values()) == {report.run_id} and folder.runs("hashes") == {}
    assert folder.ingest("archive.max_pixels=1000000").rows_in == 0

    # other settings of the archive; the job describe alone finds what ingest has read anew
    config = folder.config("archive.labels=none")
    assert ingest.run(spark, config).rows_in == 5
    assert [label for _, label in folder.labels().values()] == [None] * 4
    assert describe.run(spark, config).facts["described now"] == 4
    assert folder.store.read("descriptors").count() == 4
    assert describe.run(spark, config).facts["described now"] == 0
