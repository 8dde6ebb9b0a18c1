"""Ingest and describe: every file seen becomes an observation or a quarantine row, once."""

import datetime as dt
import gzip
import importlib.resources
import json
import os
import shutil

import numpy as np
import pytest
from astropy.io import fits

from skyhash.archives.solar.solar_hmi import SolarHmi
from skyhash.config import load
from skyhash.errors import InputError
from skyhash.simulated.solar import archive
from skyhash.spark.storage.store import Store
from skyhash.stages.chain.running import run_job
from skyhash.stages.images import describe, image_ids, ingest, table_rows


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Twelve simulated magnetograms and one broken file of several kinds."""
    folder = tmp_path_factory.mktemp("archive")
    archive.write(folder=folder, images=20, side_px=64, cadence_minutes=120, start="2011-01-01T00:00:00", seed=5,
                  broken=0.4)  # fmt: skip
    return folder


def settings(folder, warehouse, *more):
    return load(None, [f"archive.path={folder}", f"warehouse={warehouse}", *more])


def counts(spark, warehouse):
    store = Store(spark, str(warehouse))
    return store.read("observations").count(), store.read("quarantine").count()


def test_files_seen_are_observations_plus_quarantine(spark, warehouse, simulated):
    report = ingest.run(spark, settings(simulated, warehouse))
    good, bad = counts(spark, warehouse)
    seen = len([f for f in simulated.rglob("*") if f.is_file() and not f.name.startswith(".")])
    assert good + bad == seen == report.facts["files seen"]
    assert good > 0 and bad > 3
    reasons = {r["reason"] for r in Store(spark, str(warehouse)).read("quarantine").collect()}
    assert len(reasons) >= 3


def test_image_ids_follow_time_and_a_second_run_takes_in_only_what_is_new(spark, warehouse, simulated, tmp_path):
    folder = tmp_path / "growing"
    files = sorted(f for f in simulated.rglob("*.fits"))
    folder.mkdir()
    for file in files[: len(files) // 2]:
        shutil.copy(file, folder)
    first = ingest.run(spark, settings(folder, warehouse))
    for file in files[len(files) // 2 :]:
        shutil.copy(file, folder)
    second = ingest.run(spark, settings(folder, warehouse))
    again = ingest.run(spark, settings(folder, warehouse))
    assert first.rows_in + second.rows_in == len(files) and again.rows_in == 0
    rows = Store(spark, str(warehouse)).read("observations").orderBy("image_id").collect()
    assert [r["image_id"] for r in rows] == list(range(len(rows)))
    times = [r["obs_time"] for r in rows if r["run_id"] == first.run_id]
    assert times == sorted(times)


@pytest.mark.parametrize("partitions", [1, 7])
def test_many_tasks_number_images_as_one_does(spark, tmp_path, monkeypatch, partitions):
    draw = np.random.default_rng(1)
    # names in no order, equal times, and images without a time
    rows = [(dt.datetime(2011, 1, int(draw.integers(1, 9))) if draw.random() < 0.8 else None, f"key{draw.integers(5)}",
             f"file{number}", "") for number in draw.permutation(300)]  # fmt: skip
    frame = spark.createDataFrame(rows, "obs_time timestamp, natural_key string, path string, member string")

    def ids(most, folder):
        monkeypatch.setattr(image_ids, "MOST_IN_ONE_TASK", most)
        made = image_ids.with_ids(frame.repartition(partitions), len(rows), 40, folder)
        return {row["path"]: row["image_id"] for row in made.collect()}

    # so few rows would be sorted in one partition
    spark.conf.set("spark.sql.adaptive.coalescePartitions.enabled", "false")
    try:
        one, many = ids(300, tmp_path / "unused"), ids(299, tmp_path / "order")
    finally:
        spark.conf.unset("spark.sql.adaptive.coalescePartitions.enabled")
    assert one == many and sorted(one.values()) == list(range(40, 340))
    assert not (tmp_path / "unused").exists()
    assert (len(list((tmp_path / "order").glob("*.parquet"))) > 1) == (partitions > 1)


def test_equal_content_under_a_second_name_is_a_duplicate(spark, warehouse, tmp_path):
    folder = tmp_path / "duplicates"
    archive.write(folder=folder, images=1, side_px=64, cadence_minutes=60, start="2011-01-01", seed=1, broken=0)
    (only,) = folder.glob("*.fits")
    shutil.copy(only, folder / "zz_copy.fits")
    ingest.run(spark, settings(folder, warehouse))
    (row,) = Store(spark, str(warehouse)).read("quarantine").collect()
    assert (row["reason"], row["path"]) == ("duplicate", str(folder / "zz_copy.fits"))
    assert str(only) in row["message"]


def test_every_fits_file_that_astropy_and_sunpy_ship_is_a_row_with_a_reason(spark, warehouse, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for package, path in (("astropy", "io/fits/tests/data"), ("sunpy", "data/test")):
        source = importlib.resources.files(package).joinpath(path)
        for file in sorted(f for f in source.rglob("*") if f.is_file() and ".fit" in f.name.lower()):
            shutil.copy(file, folder / f"{package}-{file.name}")
    seen = len(list(folder.iterdir()))
    assert seen > 30
    for kind in ("solar_hmi", "solar_mdi"):
        tables = warehouse / kind
        ingest.run(spark, settings(folder, tables, f"archive.kind={kind}"))
        assert sum(counts(spark, tables)) == seen
        for row in Store(spark, str(tables)).read("quarantine").collect():
            assert row["reason"] and row["message"] and "\n" not in row["message"], row


def test_pipes_devices_and_loops_are_rows_with_a_reason_too(spark, warehouse, tmp_path):
    folder = tmp_path / "hostile"
    folder.mkdir()
    os.mkfifo(folder / "pipe.fits")
    (folder / "loop.fits").symlink_to("loop.fits")
    (folder / "endless.fits").symlink_to("/dev/zero")
    (folder / "up").symlink_to(folder)
    (folder / "bomb.fits.gz").write_bytes(gzip.compress(b"SIMPLE  =" + bytes(8 << 20)))
    (folder / "good.fits").write_bytes(archive.sound_file(dt.datetime(2014, 4, 1), 64, 7))
    ingest.run(spark, settings(folder, warehouse, "archive.max_unpacked_mb=1"))
    assert counts(spark, warehouse) == (1, 4)
    rows = Store(spark, str(warehouse)).read("quarantine").collect()
    reasons = {os.path.basename(row["path"]): row["reason"] for row in rows}
    assert reasons == {"bomb.fits.gz": "too_large"} | dict.fromkeys(
        ("pipe.fits", "loop.fits", "endless.fits"), "unreadable"
    )


def test_tasks_get_the_rows_of_their_files_and_never_read_the_keyword_table(spark, warehouse, tmp_path, monkeypatch):
    folder, table = tmp_path / "as-is", tmp_path / "keywords.csv"
    archive.write(folder=folder, images=3, side_px=64, cadence_minutes=60, start="2011-01-01", seed=1, broken=0)
    names = sorted(file.name for file in folder.glob("*.fits"))
    for name in names[:2]:
        with fits.open(folder / name, mode="update", do_not_scale_image_data=True) as hdus:
            del hdus[1].header["RSUN_OBS"]

    def written_then_lost(rows, where):
        # when the rows are a Spark table, the file they came from is needed no more
        write(rows, where)
        table.unlink()

    write = table_rows.write
    monkeypatch.setattr(table_rows, "write", written_then_lost)
    config = settings(folder, warehouse, f"archive.keywords={table}")
    for job, expected in ((ingest, "new observations"), (describe, "described now")):
        table.write_text(f"FILENAME,RSUN_OBS\n{names[0]},970.5\n{names[1]},960.5\n")
        assert job.run(spark, config).facts[expected] == 3
    rows = Store(spark, str(warehouse)).read("observations").orderBy("path").collect()
    radii = [json.loads(row["facts"])["radius_px"] * json.loads(row["facts"])["cdelt_arcsec"] for row in rows]
    assert radii[:2] == pytest.approx([970.5, 960.5]) and radii[2] != pytest.approx(960.5)


def test_an_archive_without_files_is_one_clear_line(spark, warehouse, tmp_path):
    with pytest.raises(InputError, match=r"archive\.path: found .* which does not exist"):
        ingest.run(spark, settings(tmp_path / "none", warehouse))
    assert not warehouse.exists()


def test_descriptors_equal_those_of_one_process_and_are_made_once(spark, warehouse, simulated):
    from skyhash.archives import ARCHIVES
    from skyhash.files import FileSource
    from skyhash.pixels import DESCRIPTORS

    config = settings(simulated, warehouse)
    ingest.run(spark, config)
    report = describe.run(spark, config)
    again = describe.run(spark, config)
    assert report.facts["described now"] == counts(spark, warehouse)[0] and again.facts["described now"] == 0
    store = Store(spark, str(warehouse))
    rows = store.read("descriptors").join(store.read("observations").select("image_id", "path"), "image_id").collect()
    for row in rows[:5]:
        (member,) = ARCHIVES.make(config.archive).members(FileSource(row["path"]))
        descriptor = DESCRIPTORS.make(config.describe)
        expected, facts = descriptor(member.image())
        assert (row["dtype"], row["shape"]) == ("float32", [256])
        np.testing.assert_array_equal(np.frombuffer(row["data"], "<f4"), expected)
        assert bytes(row["preview"]) == descriptor.preview(member.image(), config.describe.preview_px)
        assert json.loads(row["facts"]) == facts


def test_a_file_gone_since_ingest_is_reported_and_the_job_goes_on(spark, warehouse, simulated, tmp_path):
    folder = tmp_path / "shrinking"
    shutil.copytree(simulated, folder)
    config = settings(folder, warehouse)
    ingest.run(spark, config)
    images, _ = counts(spark, warehouse)
    first = Store(spark, str(warehouse)).read("observations").orderBy("image_id").first()
    (folder / first["path"].rsplit("/", 1)[1]).unlink()
    report = describe.run(spark, config)
    assert report.facts["described now"] == images - 1
    row = Store(spark, str(warehouse)).read("quarantine").where(f"path = '{first['path']}'").first()
    assert row["reason"] == "unreadable" and row["message"].startswith("ingested as image 0, then:")


def test_header_facts_are_readable_by_sql(spark, warehouse, simulated):
    ingest.run(spark, settings(simulated, warehouse))
    Store(spark, str(warehouse)).register(None, SolarHmi.fact_columns)
    telescope = "get_json_object(facts, '$.header.TELESCOP')"
    rows = spark.sql(f"SELECT {telescope} AS t, simulated, radius_px FROM observation_facts").collect()
    assert all(row["simulated"] and "SDO" in row["t"] and 20 < row["radius_px"] < 32 for row in rows) and rows


def test_a_rebuild_reads_every_file_once_for_facts_and_descriptors(spark, warehouse, simulated):
    config = settings(simulated, warehouse)
    ingest.run(spark, config, describe=True)
    store = Store(spark, str(warehouse))
    assert store.read("descriptors").count() == store.read("observations").count()
    assert describe.run(spark, config).rows_in == 0
    alone = settings(simulated, f"{warehouse}-alone")
    ingest.run(spark, alone)
    describe.run(spark, alone)
    columns = ["image_id", "descriptor_id", "is_zero", "facts", "dtype", "shape", "data", "preview"]
    both = [Store(spark, one.warehouse).read("descriptors").select(*columns).orderBy("image_id").collect()
            for one in (config, alone)]  # fmt: skip
    assert both[0] == both[1]


def test_a_file_changed_since_ingest_is_not_described(spark, warehouse, simulated, tmp_path):
    folder = tmp_path / "changing"
    shutil.copytree(simulated, folder)
    config = settings(folder, warehouse)
    ingest.run(spark, config)
    first, second = Store(spark, str(warehouse)).read("observations").orderBy("image_id").limit(2).collect()
    shutil.copy(second["path"], first["path"])
    describe.run(spark, config)
    row = Store(spark, str(warehouse)).read("quarantine").where(f"path = '{first['path']}'").first()
    assert row["reason"] == "changed"


def test_a_file_whose_run_died_between_its_two_writes_is_read_again(spark, tmp_path, monkeypatch):
    """Quarantine already names one bad image of the file; its good ones must not be lost with the run."""
    folder = tmp_path / "archive"
    folder.mkdir()
    images = np.random.default_rng(1).integers(1, 255, (3, 12, 12)).astype(np.float32)
    images[1] = 0
    np.savez(folder / "all.npz", images=images)
    config = load(None, ["archive.kind=radio_galaxies", f"archive.path={folder}", f"warehouse={tmp_path / 'tables'}",
                         "describe.kind=grey_cutout"])  # fmt: skip

    class Killed(Exception):
        pass

    append = Store.append

    def killed(store, name, *arguments, **named):
        if name == "observations":
            raise Killed
        return append(store, name, *arguments, **named)

    for announce in (True, False):  # by itself, and within a rebuild, which announces itself and not its jobs
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(Store, "append", killed)
            run_job(spark, config, "ingest", announce=announce)
    store = Store(spark, config.warehouse, config.format)
    assert store.read("quarantine").count() == 1 and store.version("observations") is None
    report = run_job(spark, config, "ingest")
    assert report.facts["new observations"] == 2
    assert [row["member"] for row in store.read("observations").orderBy("member").collect()] == ["0", "2"]
    assert [row["member"] for row in store.read("quarantine").collect()] == ["1"]
    assert run_job(spark, config, "ingest").facts["new observations"] == 0
