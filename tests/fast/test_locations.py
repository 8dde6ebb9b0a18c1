"""What skyhash writes, in a local folder and on an S3 server alike: files, leases, models, released tables."""

import json
import os
import threading
import time
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from object_store import BUCKET, server
from skyhash.config import load
from skyhash.errors import ConfigError, InputError, LeaseLost
from skyhash.locations import Location, hadoop_settings
from skyhash.spark.storage import lease, upkeep
from skyhash.spark.storage.delta_layout import DeltaLayout
from skyhash.spark.storage.lease_records import records
from skyhash.spark.training import model_folder
from skyhash.stages.releases.released import NeighbourTable, neighbour_files


@pytest.fixture(scope="module")
def store():
    with server() as options:
        yield options


@pytest.fixture(params=["folder", "file URI", "s3"])
def place(request, store, tmp_path):
    """An empty place for a warehouse."""
    if request.param == "s3":
        return Location(f"s3://{BUCKET}/{tmp_path.name}", store)
    return Location(tmp_path / "w" if request.param == "folder" else f"file://{tmp_path}/w")


def test_files_are_written_listed_and_removed(place):
    file = place / "a" / "b.txt"
    assert not file.exists() and place.entries() == [] and list(place.files()) == [] and not place.is_folder()
    file.write("one")
    file.write("two")
    (place / "a" / "c" / "d.bin").write(b"123")
    assert file.read_text() == "two" and (place / "a").is_folder() and not file.is_folder()
    assert [(one.location.relative_to(place), one.size) for one in place.files()] == [("a/b.txt", 3), ("a/c/d.bin", 3)]
    assert all(abs(one.modified - time.time()) < 60 for one in place.files())
    assert sorted((place / "a").names()) == ["b.txt", "c"]
    (place / "copy").copy_from(file)
    assert (place / "copy").read_bytes() == b"two"
    file.remove()
    (place / "a").remove()
    (place / "a").remove()
    assert [one.location.name for one in place.entries()] == ["copy"]


def test_a_local_file_appears_whole_or_not_at_all(tmp_path):
    place = Location(tmp_path)
    with pytest.raises(ZeroDivisionError), (place / "file").drafted() as draft:
        draft.write("half")
        raise ZeroDivisionError
    assert place.names() == []
    assert (place / "v").create("first") and not (place / "v").create("second")
    assert (place / "v").read_text() == "first" and place.names() == ["v"]


def test_names_of_one_place_are_equal():
    assert Location("s3://b/w/") == Location("s3a://b/w") and Location("file:///d/w") == Location("/d/w")
    assert Location("/d/w") != Location("/d/w2") and Location("s3://b/w").for_spark == "s3a://b/w"
    assert (
        Location.of_spark("file:///d/a%20b.parquet")
        == Location.of_spark("file:/d/a%20b.parquet")
        == Location("/d/a b.parquet")
    )
    assert Location.of_spark("s3a://b/w/x.parquet") == Location("s3://b/w") / "x.parquet"
    with pytest.raises(ValueError, match="does not lie in"):
        Location("/d/w2/x").relative_to(Location("/d/w"))
    with pytest.raises(TypeError, match="no path of a local file system"):
        os.fspath(Location("s3://b/w"))


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["warehouse=s3://b/w"], "work: found nothing, expected a folder that all nodes mount"),
        (["warehouse=s3://b/w", "work=s3://b/x"], "work: found s3://b/x, expected a folder that all nodes mount"),
        (["warehouse=s3://b/w", "work=/x", "format=parquet"], "format: found parquet, expected delta"),
    ],
)
def test_what_a_remote_warehouse_needs_is_one_clear_line(settings, line, capsys):
    from skyhash import cli

    with pytest.raises(ConfigError, match=line):
        load(None, settings)
    assert cli.main(["sql", "SELECT 1", *[part for one in settings for part in ("--set", one)]]) == 2
    assert capsys.readouterr().err.startswith(f"skyhash sql: {line}")


def test_options_of_a_store_reach_spark_and_delta_rs_and_keys_are_masked():
    options = {"endpoint_override": "host:9000", "scheme": "http", "region": "r", "secret_key": "hidden"}
    assert hadoop_settings(options)["spark.hadoop.fs.s3a.endpoint"] == "http://host:9000"
    assert hadoop_settings({}) == {}
    found = Location("s3://b/w", options).delta_rs_options()
    assert (found["AWS_ENDPOINT_URL"], found["AWS_ALLOW_HTTP"], found["AWS_REGION"]) == (
        "http://host:9000",
        "true",
        "r",
    )
    config = load(None, ["warehouse=s3://b/w", "work=/x", f"storage={json.dumps(options)}"])
    assert "hidden" not in config.as_json() and "host:9000" in config.as_json()


def test_one_of_many_takes_the_lease(place):
    """Of eight that claim one number at once one succeeds, whatever delta-rs reports to the others."""
    for number in (1, 2, 3):
        kept, won = records(place / lease.FOLDER), []
        drafts = [kept.draft({"claim": str(i)}) for i in range(8)]

        def claim(draft, number=number, kept=kept, won=won):
            won.append(draft.facts["claim"] if kept.claim(draft, number) else None)

        threads = [threading.Thread(target=claim, args=(draft,)) for draft in drafts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [one for one in won if one is not None]
        assert len(won) == 8 and len(winners) == 1
        assert kept.read(number)[0]["claim"] == winners[0] and max(kept.numbers()) == number
        for draft in drafts:
            kept.discard(draft)


def test_a_lease_is_held_renewed_lost_and_given_back(place):
    with lease.hold(str(place), "mine", seconds=9.0, options=place.options):
        other = lease.Lease(place, "other")
        assert str(other.take()).startswith("mine on ")
        lease.check(place)
        mine = lease._held[place]
        before = mine.records.read(mine.number)[1]
        time.sleep(2.2)
        assert mine.records.read(mine.number)[1] > before
        draft = mine.records.draft({"job": "thief", "host": "far", "pid": 1, "claim": "x"})
        assert mine.records.claim(draft, mine.number + 1)
        with pytest.raises(LeaseLost, match="taken over by thief on far"):
            lease.check(place)
    assert str(lease.Lease(place, "next").take()).startswith("thief on far")


def test_a_lease_that_was_given_back_is_free(place):
    for _ in range(3):
        with lease.hold(str(place), "again", options=place.options):
            lease.check(place)
    assert lease.newest(records(place / lease.FOLDER)).free


def test_a_model_is_kept_read_and_checked(place, tmp_path):
    weights = Location(tmp_path / "weights")
    weights.write(b"weights")
    model = model_folder.Model(
        "model-1", "autoencoder", "d", {}, {}, {}, "float32", [4], [], 2, "zero", model_folder.checksum(weights), {}
    )
    kept = model_folder.keep(place, model, weights)
    assert kept.relative_to(place) == "models_files/model-1/weights.safetensors"
    assert model_folder.read(kept.parent) == model
    assert model_folder.keep(place, model, weights) == kept
    kept.write(b"other")
    with pytest.raises(InputError, match="checksum"):
        model_folder.verify(kept, model.weights_checksum)
    with pytest.raises(InputError, match=r"a model's folder with model\.json"):
        model_folder.read(place / "none")


TYPES = {"query_id": "long", "release_id": "long", "of_release": "long", "released": "timestamp"}
LISTS = ("neighbour_ids", "similarities")


def append(place, name, columns):
    """Rows as one more version of a Delta table, without Spark."""
    from deltalake import DeltaTable, Schema
    from deltalake.schema import Field, PrimitiveType
    from deltalake.transaction import AddAction, create_table_with_add_actions

    folder = place / name
    file = folder / f"part-{len(folder.names())}.parquet"
    with file.drafted() as draft:
        system, inner = draft.filesystem()
        with system.open_output_stream(inner) as stream:
            pq.write_table(pa.table(columns), stream)
    schema = Schema([Field(name, PrimitiveType(TYPES.get(name, "string"))) for name in columns if name not in LISTS])
    added = [AddAction(file.name, file.entry().size, {}, 0, True, "{}")]
    options = folder.delta_rs_options() or None
    if DeltaLayout(None).version(folder) is None:
        create_table_with_add_actions(folder.for_delta_rs, schema, added, storage_options=options)
    else:
        DeltaTable(folder.for_delta_rs, storage_options=options).create_write_transaction(added, "append", schema)
    return folder


def test_released_neighbours_are_read_without_spark(place):
    with pytest.raises(InputError, match="without a release"):
        neighbour_files(place)
    lists = {"neighbour_ids": [[1], [0]], "similarities": [[np.float32(0.5)], [np.float32(0.5)]]}
    folder = append(place, "neighbours", {"query_id": [0, 1], **lists})
    others = {"released": [datetime(2011, 1, 2, tzinfo=UTC)], "model_id": ["m"], "of_release": [0], "run_id": ["r"]}
    append(place, "releases", {"release_id": [1], "versions": [json.dumps({"neighbours": 0})]} | others)
    # rows of a later version are not released
    append(place, "neighbours", {"query_id": [2, 3], **lists})
    assert DeltaLayout(None).version(folder) == 1 and DeltaLayout(None).version(place / "none") is None
    table = NeighbourTable(neighbour_files(place))
    assert [row.query for row in table.rows([0, 1, 2])] == [0, 1]
    count, size = upkeep.size(folder)
    assert count == 4 and size > 500
    assert abs(upkeep.newest_change(folder) - time.time()) < 60


def test_workers_write_lists_and_read_arrays(place):
    from skyhash.spark.neighbours.list_files import _write
    from skyhash.spark.udfs.table_arrays import CodeArrays

    batch = pa.RecordBatch.from_pydict({"query_id": [0, 1], "model_id": ["m", "m"], "run_id": ["r", "r"]})
    rows, size = _write(place / "neighbours" / "part.parquet", iter([batch, batch]))
    assert rows == 4 and (place / "neighbours" / "part.parquet").entry().size == size
    assert (place / "neighbours").names() == ["part.parquet"]
    codes = pa.table({"image_id": [3, 1], "model_id": ["m", "m"], "code": [[1.0, 2.0], [3.0, 4.0]]})
    for number in (0, 1):
        with (place / "hashes" / f"{number}.parquet").drafted() as draft:
            system, inner = draft.filesystem()
            with system.open_output_stream(inner) as stream:
                pq.write_table(codes, stream)
    files = [place / "hashes" / f"{number}.parquet" for number in (1, 0)]
    ids, values = CodeArrays(files, "m", "code").of(np.array([1]))
    assert ids.tolist() == [1, 1] and values.tolist() == [[3.0, 4.0], [3.0, 4.0]]
