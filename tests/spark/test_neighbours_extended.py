"""Stored lists extended by what is new or gone since: those of a search of all pairs, and `neighbour_runs` says so."""

import json

import numpy as np
import pyarrow as pa
import pytest
from test_neighbours import floats, from_kernel, search, write

from filters_from_columns import build_pair_filter
from skyhash.spark.storage.store import Store
from skyhash.stages.neighbours import neighbour_plan, neighbour_search

N, K = 700, 30


class Nights:
    """A table of vectors that changes, searched again and again with the same settings."""

    def __init__(self, spark, folder, **settings):
        self.spark, self.folder, self.settings = (
            spark,
            folder,
            {"incremental": "auto", "exclude_minutes": 240} | settings,
        )
        draw = np.random.default_rng(6)
        self.codes, self.times = floats(), draw.integers(0, 40 * 86_400_000_000, N)
        # gaps between ids; some later images have smaller ids than earlier ones
        self.ids = np.arange(N) * 3 + 7
        self.listable = draw.random(N) < 0.8
        self.there = np.arange(N) < 600
        self.written = []

    def search(self, **more):
        now = np.flatnonzero(self.there)
        columns = {"obs_time": pa.array(self.times[now], pa.timestamp("us")), "listable": pa.array(self.listable[now])}
        state = [self.codes[now].tobytes(), self.times[now].tobytes(), self.listable[now].tobytes()]
        if state != self.written:  # an interrupted search is continued only from the same file
            self.vectors, self.written = write(self.folder, self.codes[now], self.ids[now], **columns), state
        return search(self.spark, self.folder, self.vectors, **({"where": "listable"} | self.settings | more))

    def check(self, **more):
        """Search; returns the row of `neighbour_runs`. The lists are those of the kernel."""
        rows, run, _ = self.search(**more)
        now = np.flatnonzero(self.there)
        pair_filter = build_pair_filter(
            len(now), within_seconds=240 * 60, obs_time_us=self.times[now], listable=self.listable[now]
        )
        assert rows == from_kernel(self.codes[now], self.ids[now], k=more.get("k", K), pair_filter=pair_filter)
        return run


def counts(run):
    return run["new_images"], run["gone_images"], run["searched_again"]


def test_every_night_gives_the_lists_of_a_full_search(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(neighbour_plan, "LEAST_BLOCK", 170)
    monkeypatch.setattr(neighbour_plan, "BLOCKS_PER_CORE", 1000)
    nights = Nights(spark, tmp_path)
    first = nights.check()
    assert first["extended_run"] is None and counts(first) == (None, None, None)
    assert json.loads(first["parameters"])["not_extended"] == "there are no lists yet"

    nights.there[600:640] = True
    second = nights.check()
    assert second["extended_run"] == first["run_id"] and counts(second) == (40, 0, 0)
    assert (second["method"], second["recall_at_k"]) == ("exact", 1.0)
    assert second["pairs_scored"] == 40 * 640 < second["pairs_possible"]
    assert f"lists of {first['run_id']} extended: 40 images new or changed" in second["reason"]

    # gone, added, changed codes, changed columns of the filter, some of them at once
    nights.there[[3, 77]] = False
    nights.there[640:700] = True
    nights.codes[[200, 201]] += 1
    nights.listable[[300, 301]] ^= True
    nights.times[[400, 401]] += 10**9
    third = nights.check()
    assert third["extended_run"] == second["run_id"] and counts(third)[:2] == (66, 8)
    assert 0 < third["searched_again"] <= N / 16

    # killed before the lists are written, and run again
    nights.there[500] = False
    with monkeypatch.context() as patch:
        patch.setattr(neighbour_search, "_write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            nights.search()
    fourth = nights.check()
    assert fourth["extended_run"] == third["run_id"] and counts(fourth)[:2] == (0, 1)
    assert json.loads(fourth["parameters"])["pieces_found"] >= 4

    # killed after they were written: nothing is doubled, nothing is lost
    nights.there[3] = True
    with monkeypatch.context() as patch:
        patch.setattr(neighbour_search.neighbour_record, "row", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            nights.search()
    assert counts(nights.check()) == (0, 0, 0)
    assert not list((tmp_path / "out" / "work").glob("*"))


def test_lists_of_other_settings_are_built_anew(spark, tmp_path):
    nights = Nights(spark, tmp_path)
    nights.check()
    for changed, reason in (
        ({"method": "lsh"}, "built anew"), ({"k": 20}, "found by blocking"), ({}, "all settings are new"),
    ):  # fmt: skip
        _, run, _ = nights.search(**changed)
        assert run["extended_run"] is None and reason in json.loads(run["parameters"])["not_extended"]


def test_where_too_many_lists_lose_entries_all_pairs_are_searched(spark, tmp_path):
    nights = Nights(spark, tmp_path)
    nights.check()
    nights.there[::20] = False
    run = nights.check()
    assert run["extended_run"] is None
    assert "lost entries that new images do not make up for" in json.loads(run["parameters"])["not_extended"]
    store = Store(spark, str(tmp_path / "out"))
    assert store.read("neighbours").select("run_id").distinct().count() == 1
