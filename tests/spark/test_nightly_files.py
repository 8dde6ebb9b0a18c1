"""Files that change, move, vanish and come back: tables equal those of an archive that always was as it is now."""

import os
import shutil

import pytest

from skyhash.config import load
from skyhash.simulated.solar import archive
from skyhash.spark.storage.store import Store
from skyhash.stages.images import ingest


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Nine simulated magnetograms."""
    folder = tmp_path_factory.mktemp("made")
    archive.write(folder=folder, images=9, side_px=64, cadence_minutes=120, start="2011-01-01T00:00:00", seed=5,
                  broken=0)  # fmt: skip
    return sorted(folder.rglob("*.fits"))


class Archive:
    """A folder that is ingested again and again."""

    def __init__(self, spark, root, made):
        self.spark, self.folder, self.made = spark, root / "archive", made
        self.folder.mkdir()
        self.warehouse = root / "warehouse"
        self.store = Store(spark, str(self.warehouse))

    def put(self, name, source, second=0):
        """Content of a made file (or text) under a name, with a modification time of its own."""
        file = self.folder / f"{name}.fits"
        if isinstance(source, str):
            file.write_text(source)
        else:
            shutil.copyfile(self.made[source], file)
        os.utime(file, (1.6e9 + second, 1.6e9 + second))

    def ingest(self, *more, warehouse=None):
        settings = [f"archive.path={self.folder}", f"warehouse={warehouse or self.warehouse}", *more]
        return ingest.run(self.spark, load(None, settings)).finish()

    def live(self, store=None):
        rows = (store or self.store).live().where("vanished_run IS NULL").orderBy("path").collect()
        return {os.path.basename(row["path"]).split(".")[0]: row for row in rows}

    def refused(self, store=None):
        rows = (store or self.store).read("quarantine").collect()
        return {os.path.basename(row["path"]).split(".")[0]: row["reason"] for row in rows}

    def check_law(self):
        """Live observations and quarantine are those of a new warehouse."""
        fresh = Store(self.spark, str(self.warehouse.with_name("fresh")))
        shutil.rmtree(fresh.warehouse, ignore_errors=True)
        self.ingest(warehouse=fresh.warehouse)
        names = ("path", "checksum", "size_bytes", "modified", "natural_key", "obs_time", "facts")
        ours, theirs = ({k: [row[n] for n in names] for k, row in self.live(s).items()} for s in (self.store, fresh))
        assert ours == theirs
        assert self.refused() == self.refused(fresh)


@pytest.fixture
def nights(spark, tmp_path, made):
    return Archive(spark, tmp_path, made)


def test_a_night_of_changes(nights):
    for at, name in enumerate(["kept", "touched", "replaced", "gone", "renamed", "broken", "first"]):
        nights.put(name, at)
    nights.put("mended", "not FITS")
    nights.put("twin", 6)
    nights.ingest()
    before = {name: row["image_id"] for name, row in nights.live().items()}
    assert nights.refused() == {"mended": "unreadable", "twin": "duplicate"}

    nights.put("touched", 1, second=60)
    nights.put("replaced", 7, second=60)
    nights.put("broken", "no longer FITS", second=60)
    nights.put("mended", 8, second=60)
    (nights.folder / "gone.fits").unlink()
    (nights.folder / "renamed.fits").rename(nights.folder / "renamed2.fits")
    (nights.folder / "first.fits").unlink()
    report = nights.ingest()
    after = {name: row["image_id"] for name, row in nights.live().items()}
    assert set(after) == {"kept", "touched", "replaced", "renamed2", "mended", "twin"}
    assert all(after[name] == before[name] for name in ("kept", "touched"))
    # the content that lies under another name now keeps its id; other content never takes over an id
    assert (after["renamed2"], after["twin"]) == (before["renamed"], before["first"])
    assert after["replaced"] > max(before.values()) and after["mended"] > max(before.values())
    assert nights.refused() == {"broken": "unreadable"}
    assert report.facts["replaced or no longer usable: retired"] == 2
    assert (report.facts["newly gone"], report.facts["found under another name"]) == (1, 2)
    retired = {r["image_id"] for r in nights.store.read("observations").where("retired_run IS NOT NULL").collect()}
    assert retired == {before["replaced"], before["broken"]}
    assert [r["image_id"] for r in nights.store.live().where("vanished_run IS NOT NULL").collect()] == [before["gone"]]
    nights.check_law()
    # the version of the night before is as it was
    assert nights.store.read("observations", 0).count() == 7

    versions = [nights.store.version(name) for name in ("observations", "quarantine")]
    again = nights.ingest()
    assert again.rows_in == 0
    assert [nights.store.version(name) for name in ("observations", "quarantine")] == versions


def test_vanished_images_are_kept_or_retired_by_the_setting_and_come_back(nights):
    for at, name in enumerate(["a", "b"]):
        nights.put(name, at)
    nights.ingest()
    first = {name: row["image_id"] for name, row in nights.live().items()}
    (nights.folder / "b.fits").unlink()
    nights.ingest()
    assert set(nights.live()) == {"a"} and nights.store.live().count() == 2
    nights.put("b", 1)
    assert nights.ingest().facts["there again"] == 1
    assert {name: row["image_id"] for name, row in nights.live().items()} == first
    (nights.folder / "b.fits").unlink()
    nights.ingest("archive.vanished=retire")
    assert nights.store.live().count() == 1
    nights.put("b", 1)
    nights.ingest("archive.vanished=retire")
    assert nights.live()["b"]["image_id"] == 2
    nights.check_law()


def test_another_path_than_last_time_makes_nothing_vanish(nights, tmp_path):
    nights.put("a", 0)
    nights.ingest()
    other = tmp_path / "other"
    other.mkdir()
    shutil.copyfile(nights.made[1], other / "b.fits")
    nights.ingest(f"archive.path={other}", "archive.vanished=retire")
    assert set(nights.live()) == {"a", "b"}


def test_a_refused_file_is_tried_again_under_other_settings_and_stands_once(nights, tmp_path):
    nights.put("a", 0)
    nights.put("bad", "not FITS")
    nights.ingest()
    assert nights.ingest().rows_in == 0
    report = nights.ingest("archive.max_file_mb=100")
    assert report.rows_in == 1
    assert nights.refused() == {"bad": "unreadable"} and nights.store.read("quarantine").count() == 1
    assert nights.ingest("archive.max_file_mb=100").rows_in == 0
