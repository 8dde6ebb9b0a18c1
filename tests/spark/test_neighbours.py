"""Vectors of any table through Spark: the lists of `knn`, whatever the blocks; filters hold; mistakes are refused."""

import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters_from_columns import build_pair_filter
from skyhash.errors import ConfigError, InputError, ReleaseRefused
from skyhash.job_settings import NeighbourSettings
from skyhash.spark.storage.store import Store
from skyhash.stages.neighbours import neighbour_plan, neighbour_search, neighbours
from skyhash.topk.exact.knn import knn

N, K = 700, 30


def floats(n=N, width=24, seed=1):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, width))
    made = centres[rng.integers(0, 20, n)] + 0.6 * rng.standard_normal((n, width))
    made[5] = made[6]  # equal codes: ties go by id
    made[9] = 0  # a quiet Sun
    return made.astype(np.float32)


def ids_of(n=N):
    return np.random.default_rng(2).permutation(n) * 3 + 7


def as_lists(codes):
    if codes.dtype == np.uint8:
        return pa.array([row.tobytes() for row in codes], pa.binary())
    starts = pa.array(np.arange(0, codes.size + 1, codes.shape[1], dtype=np.int32))
    return pa.ListArray.from_arrays(starts, pa.array(codes.ravel()))


def write(folder, codes, ids=None, **columns):
    path = folder / "vectors.parquet"
    table = {"image_id": ids_of(len(codes)) if ids is None else ids, "code": as_lists(codes), **columns}
    pq.write_table(pa.table(table), path, row_group_size=100)
    return str(path)


def search(spark, folder, vectors, **settings):
    chosen = NeighbourSettings(**({"k": K, "method": "exact", "incremental": "never"} | settings))
    report = neighbours.run_vectors(spark, vectors, str(folder / "out"), chosen, seed=3)
    store = Store(spark, str(folder / "out"))
    files = [file.removeprefix("file:") for file in store.files("neighbours")]
    lists = f"SELECT query_id, neighbour_ids, similarities FROM read_parquet({files}) ORDER BY query_id"
    rows = duckdb.sql(lists).fetchall()
    run = store.read("neighbour_runs").orderBy("run_id", ascending=False).first().asDict()
    return rows, run, report


def from_kernel(codes, ids, metric="cosine", k=K, pair_filter=None):
    offsets, found, similarities = knn(codes, k, metric, ids, **({"pair_filter": pair_filter} if pair_filter else {}))
    lists = [(found[a:b].tolist(), similarities[a:b].tolist()) for a, b in pairwise(offsets)]
    return [(query, *lists[row]) for row, query in enumerate(np.sort(ids).tolist())]


@pytest.mark.parametrize(("metric", "block"), [("cosine", 90), ("euclidean", 250), ("blend", 10_000)])
def test_any_block_gives_the_lists_of_the_kernel(spark, tmp_path, monkeypatch, metric, block):
    monkeypatch.setattr(neighbour_plan, "LEAST_BLOCK", block)
    monkeypatch.setattr(neighbour_plan, "BLOCKS_PER_CORE", 1000)
    codes = floats()
    rows, run, _ = search(spark, tmp_path, write(tmp_path, codes), metric=metric)
    assert rows == from_kernel(codes, ids_of(), metric)
    assert (run["method"], run["recall_at_k"], run["n"], run["short_lists"]) == ("exact", 1.0, N, 0)
    assert run["pairs_scored"] == run["pairs_possible"] == N * (N - 1) // 2
    parameters = json.loads(run["parameters"])
    assert parameters["block_rows"] == min(block, N)
    assert run["seconds"] == sum(parameters["seconds_of"].values()) and "writing" in parameters["seconds_of"]
    assert parameters["pairs_rescored"] > 0 and set(parameters["seconds_predicted"]) == {"exact"}
    assert 0 < parameters["task_mb"] < 1500
    assert run["zero_codes"] == 1


def test_packed_bits_are_compared_by_hamming(spark, tmp_path):
    codes = np.random.default_rng(4).integers(0, 256, (300, 6), dtype=np.uint8)
    rows, run, _ = search(spark, tmp_path, write(tmp_path, codes), metric="hamming")
    assert rows == from_kernel(codes, ids_of(300), "hamming")
    assert (run["dimensions"], run["arithmetic"].split(":")[0]) == (48, "popcount")


def test_blocking_meets_its_recall_and_says_what_it_reached(spark, tmp_path):
    codes, ids = floats(6000, seed=8), ids_of(6000)
    rows, run, _ = search(spark, tmp_path, write(tmp_path, codes, ids), method="lsh", recall=0.9, sample=400)
    exact = from_kernel(codes, ids)
    recalls = [len(set(found[1]) & set(true[1])) / K for found, true in zip(rows, exact, strict=True)]
    assert all(len(found[1]) == K for found in rows)
    assert run["recall_low"] <= np.mean(recalls) <= run["recall_high"]
    assert np.mean(recalls) >= 0.88 and run["recall_n"] == 400
    parameters = json.loads(run["parameters"])
    assert set(parameters["seconds_predicted"]) == {"exact", "lsh"} and parameters["seconds_of"]["tuning"] > 0
    assert parameters["pairs_rescored"] > 0 and 0 < parameters["task_mb"] < 1500
    assert parameters["tables"] >= 1 and parameters["buckets"][0]["skew"] >= 1
    # what is listed carries the very similarity that the exact search stores
    stored = {(q, i): s for q, ids_, similarities in exact for i, s in zip(ids_, similarities, strict=True)}
    assert all(stored.get((q, i), s) == s for q, ids_, sims in rows for i, s in zip(ids_, sims, strict=True))


@pytest.mark.parametrize("method", ["exact", "lsh"])
def test_no_task_needs_more_than_its_memory(spark, tmp_path, method):
    """All codes are 94 MiB: a task that held them would need more than it may."""
    memory_mb, draw = 80, np.random.default_rng(1)
    codes = draw.standard_normal((40, 2048), np.float32)[draw.integers(0, 40, 12_000)]
    codes += np.float32(0.8) * draw.standard_normal(codes.shape, np.float32)
    settings = {"k": 10, "method": method, "recall": 0.9, "sample": 60, "arithmetic": "numpy"}
    _, run, _ = search(spark, tmp_path, write(tmp_path, codes), memory_mb=memory_mb, **settings)
    assert run["method"] == method
    assert 0 < json.loads(run["parameters"])["task_mb"] <= memory_mb < codes.nbytes / 2**20


def test_the_pair_filter_holds_before_the_k_are_taken_and_short_lists_say_why(spark, tmp_path):
    codes, ids = floats(), ids_of()
    rng = np.random.default_rng(6)
    times = rng.integers(0, 4 * 86_400_000_000, N)
    kinds, release = rng.choice(["flare", "quiet"], N), rng.integers(0, 10**15, N)
    unreleased, unknown = rng.random(N) < 0.1, rng.random(N) < 0.2
    sources = np.where(unknown, None, rng.choice(["a", "b", "c d", ""], N))
    ra, dec = rng.uniform(0, 360, N), rng.uniform(-90, 90, N)
    vectors = write(
        tmp_path, codes, ids, obs_time=pa.array(times, pa.timestamp("us")), category=pa.array(kinds),
        release_time=pa.array(release, pa.timestamp("us"), mask=unreleased), quality=pa.array(rng.integers(0, 4, N)),
        source_id=pa.array(sources.tolist(), pa.string()), ra=pa.array(ra, mask=unknown), dec=pa.array(dec),
    )  # fmt: skip
    (tmp_path / "pairs.csv").write_text("query_category,neighbour_category\nflare,flare\nquiet,flare\n")
    rows, run, _ = search(
        spark, tmp_path, vectors, exclude_minutes=240, where="quality < 3", public_as_of="1990-01-01",
        category_pairs=str(tmp_path / "pairs.csv"), exclude_same_source=True, exclude_degrees=20, k=100,
    )  # fmt: skip
    order = np.argsort(ids)
    quality = pq.read_table(vectors)["quality"].to_numpy()
    moment = int(np.datetime64("1990-01-01", "us").astype(np.int64))
    pair_filter = build_pair_filter(
        N, within_seconds=240 * 60, obs_time_us=times[order], category=kinds[order],
        pairs=[("flare", "flare"), ("quiet", "flare")],
        listable=((quality < 3) & (unreleased | (release <= moment)))[order], source=sources[order],
        within_degrees=20, ra_deg=np.where(unknown, np.nan, ra)[order], dec_deg=dec[order],
    )  # fmt: skip
    assert rows == from_kernel(codes, ids, k=100, pair_filter=pair_filter)
    lengths = [len(row[1]) for row in rows]
    assert min(lengths) > 0
    assert run["short_lists"] == sum(length < 100 for length in lengths)
    assert sum(json.loads(run["short_reasons"]).values()) == run["short_lists"]


def test_a_short_archive_has_short_lists_with_the_reason(spark, tmp_path):
    rows, run, _ = search(spark, tmp_path, write(tmp_path, floats(12)), k=50)
    assert {len(row[1]) for row in rows} == {11}
    assert (run["short_lists"], json.loads(run["short_reasons"])) == (12, {"few_images": 12})


def test_delta_tables_are_read_too(spark, tmp_path):
    codes = floats(60)
    spark.read.parquet(write(tmp_path, codes)).write.format("delta").save(str(tmp_path / "delta"))
    rows, _, _ = search(spark, tmp_path, str(tmp_path / "delta"), k=10)
    assert rows == from_kernel(codes, ids_of(60), k=10)


def test_no_pair_is_ever_a_row_of_spark(spark, tmp_path, monkeypatch):
    """The plan that writes the lists: a range of block numbers and one pass over it; no join, no exchange."""
    plans = []
    frame_of = neighbour_search.files_frame

    def seen(*arguments):
        frame = frame_of(*arguments)
        plans.append(frame._jdf.queryExecution().executedPlan().toString())
        return frame

    monkeypatch.setattr(neighbour_search, "files_frame", seen)
    search(spark, tmp_path, write(tmp_path, floats(50)), k=5)
    (plan,) = plans
    assert "MapInArrow" in plan and "Range" in plan
    assert not [word for word in ("Join", "Cartesian", "Exchange", "NestedLoop") if word in plan]


def test_the_driver_holds_no_ids_while_codes_are_laid_out(spark, tmp_path):
    n = 300_000
    checksums = pa.array([str(number // 2) for number in range(n)])
    frame = spark.read.parquet(write(tmp_path, np.ones((n, 2), np.float32), ids_of(n), checksum=checksums))
    given = neighbour_search.Input(frame.select("image_id", "code"), frame, "vectors", "vectors", "", "")
    tracemalloc.start()
    codes = neighbour_search._lay_out(given, NeighbourSettings(exclude_same_checksum=True), tmp_path / "work")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert codes.n == n and peak < 8 * n, "less than the ids alone"
    np.testing.assert_array_equal(codes.rows().ids, np.sort(ids_of(n)))
    numbers = codes.pair_filter().checksum[np.argsort(np.argsort(ids_of(n)))]
    assert (numbers[::2] == numbers[1::2]).all() and len(np.unique(numbers)) == n // 2


def test_work_folders_are_gone_and_two_builds_are_equal(spark, tmp_path):
    vectors = write(tmp_path, floats(200))
    abandoned, running = (tmp_path / "out" / "work" / f"neighbours-{name}" for name in ("abandoned", "running"))
    for folder in (abandoned, running):
        folder.mkdir(parents=True)
    os.utime(abandoned, (time.time() - 2 * 86400,) * 2)
    first, _, _ = search(spark, tmp_path, vectors)
    again, _, _ = search(spark, tmp_path, vectors)
    assert first == again
    assert list((tmp_path / "out" / "work").glob("*")) == [running], "another search's folder is let be for a day"
    assert Store(spark, str(tmp_path / "out")).read("neighbour_runs").count() == 2


def test_a_blocked_search_is_continued_with_the_hash_tables_of_its_finished_groups(spark, tmp_path, monkeypatch):
    vectors = write(tmp_path, floats(6000, seed=8))
    settings = {"method": "lsh", "recall": 0.9, "sample": 50}
    whole, _, _ = search(spark, tmp_path / "whole", vectors, **settings)
    with monkeypatch.context() as patch:
        patch.setattr(neighbour_search, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(spark, tmp_path, vectors, **settings)
    (mark,) = (tmp_path / "out" / "work").rglob("tables.json")
    entry = json.loads(mark.read_text())
    mark.write_text(json.dumps(entry | {"facts": entry["facts"] | {"tuned": "once"}}))
    rows, run, _ = search(spark, tmp_path, vectors, **settings)
    parameters = json.loads(run["parameters"])
    assert parameters["tuned"] == "once"
    assert parameters["pieces_found"] == parameters["groups"] >= 2
    assert rows == whole


def test_lists_below_the_recall_that_was_set_are_written_only_if_that_is_asked(spark, tmp_path):
    vectors = write(tmp_path, np.random.default_rng(1).standard_normal((3000, 24)).astype(np.float32))
    settings = {"method": "lsh", "hash_tables": 1, "probes": 1, "sample": 200}
    line = r"lists not written: recall 0\.\d{4} \(.* 200 queries\), neighbours.recall is 0.99; .*publish_below_recall"
    with pytest.raises(ReleaseRefused, match=line) as refused:
        search(spark, tmp_path, vectors, **settings)
    assert refused.value.exit_code == 4
    assert not list((tmp_path / "out").rglob("*.parquet"))
    rows, run, _ = search(spark, tmp_path, vectors, **settings, publish_below_recall=True)
    parameters = json.loads(run["parameters"])
    assert run["recall_high"] < 0.99 and len(rows) == 3000
    assert parameters["pieces_found"] == parameters["groups"] > 0


MISTAKES = [
    (lambda c: {"codes": np.where(np.arange(c.size).reshape(c.shape) == 40, np.nan, c).astype(np.float32)},
     {}, r"code: found nan in the code of image_id \d+"),
    (lambda c: {"codes": c, "ids": np.zeros(len(c), np.int64)}, {}, "image_id: found 0 more than once"),
    (lambda c: {"codes": c[:1]}, {}, "one row, expected 2 or more"),
    (lambda c: {"codes": c}, {"metric": "hamming"}, "code: found array<float>, expected binary"),
    (lambda c: {"codes": c}, {"exclude_minutes": 5}, "column obs_time: found no such column"),
    (lambda c: {"codes": c}, {"where": "quality <"}, "neighbours.where: found"),
    (lambda c: {"codes": c}, {"where": "image_id + 1"}, "neighbours.where: found"),
    (lambda c: {"codes": c}, {"category_pairs": "nowhere.csv"}, "neighbours.category_pairs: found"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "settings", "message"), MISTAKES)
def test_what_cannot_be_searched_is_refused_in_one_line(spark, tmp_path, make, settings, message):
    vectors = write(tmp_path, **make(floats(40)), **(
        {"category": pa.array(["a"] * 40)} if "category_pairs" in settings else {}))  # fmt: skip
    with pytest.raises((InputError, ConfigError), match=message) as error:
        search(spark, tmp_path, vectors, **settings)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "neighbours").exists()


def test_a_file_that_is_no_table_is_one_line(spark, tmp_path):
    good = write(tmp_path, floats(400))
    content = Path(good).read_bytes()
    junk = {
        "empty": b"", "text": b"no Parquet file\n" * 9, "cut short": content[: len(content) // 2],
        "garbled": content[:20] + 40 * b"\xff" + content[60:],
    }  # fmt: skip
    for name, bad in junk.items():
        file = tmp_path / f"{name}.parquet"
        file.write_bytes(bad)
        with pytest.raises(InputError, match=rf"--vectors: found {file}, unreadable, expected a Parquet") as error:
            search(spark, tmp_path, str(file), k=3)
        assert "\n" not in str(error.value)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no Parquet file in it"):
        search(spark, tmp_path, str(tmp_path / "folder"))
    assert not (tmp_path / "out" / "neighbours").exists()


def test_a_file_of_random_bytes_ends_the_command_in_one_line(tmp_path):
    junk = tmp_path / "junk.parquet"
    junk.write_bytes(np.random.default_rng(1).bytes(10_000))
    command = [
        sys.executable, "-m", "skyhash.cli", "neighbours", "--vectors", str(junk), "--out", str(tmp_path / "out"),
        "--set", "spark.master=local[1]",
    ]  # fmt: skip
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    line = f"skyhash neighbours: --vectors: found {junk}, unreadable, expected a Parquet or Delta table"
    assert (ended.returncode, ended.stdout, ended.stderr.splitlines()[-1]) == (2, "", line), ended.stderr
    # neither Python's nor Java's
    assert not re.search(r"Traceback|ERROR|Exception|^\s+at ", ended.stderr, re.MULTILINE), ended.stderr


CODES_REFUSED = [
    ([[[1.0]], [[2.0]]], pa.list_(pa.list_(pa.float32())), r"code: found array<array<float>>, expected array<float>"),
    ([{"a": 1.0}, {"a": 2.0}], pa.struct([("a", pa.float32())]), r"code: found struct<a:float>, expected"),
    ([[1.0, None], [2.0, 1.0]], pa.list_(pa.float32()), "null in the code of image_id 0"),
    ([[1.0, 2.0], None], pa.list_(pa.float32()), "no code for image_id 1"),
    ([[1.0, 2.0], [3.0]], pa.list_(pa.float32()), "code: found lengths from 1 to 2, expected codes of one length"),
    ([[], []], pa.list_(pa.float32()), "code: found empty codes"),
    ([[1e39, 1.0], [3.0, 1.0]], pa.list_(pa.float64()), r"code: found numbers of magnitudes up to 1e\+39, expected"),
    ([[1e-50, 0.0], [0.0, 0.0]], pa.list_(pa.float64()), "code: found numbers of magnitudes up to 1e-50, expected"),
]


@pytest.mark.parametrize(("codes", "kind", "message"), CODES_REFUSED)
def test_codes_that_cannot_be_compared_are_one_line(spark, tmp_path, codes, kind, message):
    pq.write_table(pa.table({"image_id": [0, 1], "code": pa.array(codes, kind)}), tmp_path / "vectors.parquet")
    with pytest.raises(InputError, match=message) as error:
        search(spark, tmp_path, str(tmp_path / "vectors.parquet"), metric="euclidean")
    assert "\n" not in str(error.value) and error.value.exit_code == 2


def test_paths_have_spaces_and_a_file_that_was_replaced_in_place_is_searched_anew(spark, tmp_path, monkeypatch):
    folder = tmp_path / "a folder (\u00e9)"
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(neighbour_search, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(spark, folder, write(folder, floats(60)), k=5)
    codes = floats(60, seed=9)
    vectors = write(folder, codes)
    rows, run, _ = search(spark, folder, vectors, k=5)
    assert rows == from_kernel(codes, ids_of(60), k=5)
    assert json.loads(run["parameters"])["pieces_found"] == 0


def test_no_table_and_no_column_are_refused(spark, tmp_path):
    with pytest.raises(InputError, match=r"--vectors: found .*no such file or folder"):
        search(spark, tmp_path, str(tmp_path / "nothing"))
    pq.write_table(pa.table({"image_id": [1, 2], "vector": [[1.0], [2.0]]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="code is missing"):
        search(spark, tmp_path, str(tmp_path / "other.parquet"))


def test_one_row_of_a_table_of_many_files_is_one_file_read(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbour_plan, "LEAST_BLOCK", 90)
    monkeypatch.setattr(neighbour_plan, "BLOCKS_PER_CORE", 1000)
    search(spark, tmp_path, write(tmp_path, floats()))
    store = Store(spark, str(tmp_path / "out"))
    assert len(store.files("neighbours")) >= 7
    wanted = store.read("neighbours").where(f"query_id = {ids_of()[7]}")
    plan = wanted._jdf.queryExecution().executedPlan()
    assert len(wanted.collect()) == 1
    # what the scan's own metrics say, once the plan has run
    leaves = plan.collectLeaves()
    assert sum(leaves.apply(i).metrics().apply("numFiles").value() for i in range(leaves.size())) == 1
