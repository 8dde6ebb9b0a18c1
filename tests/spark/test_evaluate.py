"""The evaluate job against the same judgement on plain numpy, with DuckDB as a second reader of what it wrote."""

import io
import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from skyhash.coders.itq import Itq
from skyhash.config import load
from skyhash.errors import ConfigError, InputError, UserError
from skyhash.scores.time_windows import HOUR, WindowCriterion, judge
from skyhash.spark.storage.store import Store
from skyhash.stages.evaluation import evaluate
from skyhash.tables import BY_NAME

N, TRAINED, K, WIDTH = 96, 40, 60, 12
CRITERIA = [WindowCriterion(12, 0), WindowCriterion(12, 120), WindowCriterion(48, 0), WindowCriterion(48, 120)]
METRICS = ("ri", "si", "tp", "fp", "fn", "precision", "recall", "f1")
FRACTION = 0.8795
BUILD = "20260101T000000-abc-neighbours"


def row(table, **values):
    """A row in the order of the table's columns, null where nothing is given."""
    return tuple(values.get(name) for name in BY_NAME[table].names)


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(buffer, format="png")
    return buffer.getvalue()


RULE = {"by": "time", "share": 0.6, "seed": 1, "gap_us": 0}


class Sky:
    """A simulated archive: descriptors that drift, a gap, a repeated time, ids in no order of time."""

    def __init__(self):
        generator = np.random.default_rng(7)
        hours = 2.0 * np.arange(N)
        hours[60:] += 31
        hours[50] = hours[49]
        self.ids = generator.permutation(N).astype(np.int64)
        self.times = (hours * HOUR).astype(np.int64) + 1_300_000_000_000_000
        drift = np.cumsum(generator.normal(size=(N, WIDTH)), axis=0)
        self.vectors = np.abs(drift).astype(np.float32)
        codes = drift[:, :4] / np.linalg.norm(drift[:, :4], axis=1, keepdims=True)
        self.scores = codes @ codes.T
        np.fill_diagonal(self.scores, -np.inf)
        self.lists = self.ids[np.argsort(-self.scores, axis=1, kind="stable")[:, :K]]

    def write(self, spark, store):
        when = pd.to_datetime(self.times, unit="us").to_pydatetime()
        tables = {
            "observations": [
                row("observations", image_id=int(i), natural_key=f"k{i}", obs_time=t, simulated=True, run_id="r")
                for i, t in zip(self.ids, when, strict=True)
            ],
            "descriptors": [
                row("descriptors", image_id=int(i), descriptor_id="grid-x", is_zero=False, dtype="float32",
                    shape=[WIDTH], data=v.astype("<f4").tobytes(), preview=png(), run_id="r")
                for i, v in zip(self.ids, self.vectors, strict=True)
            ],
            "hashes": [
                row("hashes", image_id=int(i), model_id="m", is_zero=False, code=[1.0, 0.0], run_id="r")
                for i in self.ids
            ],
            "models": [
                row("models", model_id="m", encoder="autoencoder", descriptor_id="grid-x", parameters=10,
                    training_rows=TRAINED, split=json.dumps(RULE | {"until_us": int(self.times[TRAINED - 1])}),
                    launcher="horovod",
                    reader="petastorm", ranks=2, epochs=2, final_loss=0.5, seconds=1.0, run_id="r",
                    metrics=json.dumps([{"epoch": e, "loss": 1.0 / e, "dead_units": e} for e in (1, 2)]))
            ],
            "neighbours": [
                row("neighbours", query_id=int(i), model_id="m", run_id=BUILD, neighbour_ids=one.tolist(),
                    similarities=np.sort(s)[::-1][:K].tolist())
                for i, one, s in zip(self.ids, self.lists, self.scores, strict=True)
            ],
            "neighbour_runs": [
                row("neighbour_runs", run_id=BUILD, model_id="m", n=N, dimensions=4, k=K, metric="cosine",
                    method="exact", reason="few images", pairs_scored=1, pairs_possible=1, recall_at_k=1.0,
                    zero_codes=0, short_lists=0, short_reasons="{}", seconds=1.0)
            ],
            "quarantine": [
                row("quarantine", path="<b>broken</b>.fits", checksum="c", reason="unreadable",
                    message="not a FITS file, but one whose message is quite long <script>", run_id="r")
            ],
        }  # fmt: skip
        for name, rows in tables.items():
            store.append(name, spark.createDataFrame(rows, BY_NAME[name].ddl), expected=len(rows))


def settings(warehouse, *more):
    windows = "evaluations.time_windows"
    over = [f"{windows}.window_hours=[12, 48]", f"{windows}.exclusion_minutes=[0, 120]", "evaluate.bootstrap=200"]
    return load(None, [f"warehouse={warehouse}", "evaluate.components=4", *over, *more])


@pytest.fixture(scope="module")
def sky():
    return Sky()


@pytest.fixture(scope="module")
def judged(spark, sky, tmp_path_factory):
    """A warehouse evaluated once; (store, report)."""
    warehouse = tmp_path_factory.mktemp("evaluated") / "warehouse"
    store = Store(spark, str(warehouse))
    sky.write(spark, store)
    return store, evaluate.run(spark, settings(warehouse))


def query(store, name, sql):
    """SQL of DuckDB over the newest files of a table, called t."""
    files = [file.removeprefix("file:") for file in store.files(name)]
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.sql(sql.replace(" t ", f" read_parquet({files}) ")).df()


def unseen(sky):
    return np.arange(N) >= TRAINED


def plain(sky, lists, keep, searched=None):
    """Judged by `judge` alone: {(image_id, window, exclusion): {metric: value}}; lists hold ids."""
    searched = np.ones(N, dtype=bool) if searched is None else searched
    at = {image: i for i, image in enumerate(sky.ids)}
    kept = [[at[i] for i in one if searched[at[i]]] for one in lists]
    longest = max(len(one) for one in kept)
    positions = np.array([one + [-1] * (longest - len(one)) for one in kept])
    judged = judge(sky.times, sky.times[keep], positions, CRITERIA, FRACTION, np.sort(sky.times[searched]))
    return {
        (int(image), c.window_hours, c.exclusion_minutes): {m: getattr(judged, m)[i, j] for m in METRICS}
        for i, image in enumerate(sky.ids[keep])
        for j, c in enumerate(CRITERIA)
    }


def stored(store, method):
    """The same of what was written, with obs_time."""
    rows = query(store, "evaluation_queries", f"SELECT * FROM t WHERE method = '{method}'")
    found = {}
    for row in rows.to_dict("records"):
        chosen = json.loads(row["parameters"])
        if chosen["returns_similar"]:
            continue
        # DuckDB gives a map as a dict or as two lists, by version
        metrics = row["metrics"]
        metrics = dict(zip(metrics["key"], metrics["value"], strict=True)) if "key" in metrics else metrics
        found[row["image_id"], chosen["window_hours"], chosen["exclusion_minutes"]] = metrics | {
            "obs_time": row["obs_time"]
        }
    return found


def same(expected, found):
    assert expected.keys() == found.keys()
    for key, metrics in expected.items():
        for name, value in metrics.items():
            got = found[key][name]
            assert (got is None or np.isnan(got)) if np.isnan(value) else got == value, (key, name)


def test_rows_of_the_hash_equal_plain_numpy(sky, judged):
    store, _ = judged
    keep = unseen(sky)
    found = stored(store, "hash")
    same(plain(sky, sky.lists[keep].tolist(), keep), found)
    times = dict(zip(sky.ids.tolist(), sky.times.tolist(), strict=True))
    assert all(one["obs_time"].value // 1000 == times[key[0]] for key, one in found.items())


def test_baselines_are_judged_on_the_same_queries_and_images(sky, judged):
    store, _ = judged
    rows = query(store, "evaluation_queries", "SELECT method, count(*) n, count(DISTINCT image_id) q FROM t GROUP BY 1")
    methods = set(rows["method"])
    assert methods == {"hash", "raw_descriptor", "standardised_descriptor", "pca_4", "pca_sign", "itq", "lsh"}
    assert (rows["n"] == 2 * (N - TRAINED) * len(CRITERIA)).all() and (rows["q"] == N - TRAINED).all()
    similar = [{key: one["si"] for key, one in stored(store, method).items()} for method in methods]
    assert all(one == similar[0] for one in similar)


def test_the_raw_descriptor_equals_a_plain_cosine_ranking(sky, judged):
    store, _ = judged
    keep = unseen(sky)
    unit = sky.vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    lists = sky.ids[np.argsort(-scores, axis=1, kind="stable")[:, :-1]][keep]
    same(plain(sky, lists.tolist(), keep), stored(store, "raw_descriptor"))


def test_binary_coders_equal_a_plain_ranking_by_differing_bits(sky, judged):
    store, _ = judged
    keep, codes = unseen(sky), Itq.fit(sky.vectors[:TRAINED], 4, load(None).seed)(sky.vectors)
    differ = np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(axis=2).astype(int)
    lists = np.array([[i for _, i in sorted(zip(row, sky.ids, strict=True)) if i != own]
                      for own, row in zip(sky.ids, differ, strict=True)])[keep]  # fmt: skip
    same(plain(sky, lists.tolist(), keep), stored(store, "itq"))


def test_baselines_have_the_bits_of_the_code_and_not_of_its_whole_bytes(judged):
    """The build's dimensions of two bits, packed in a byte, are 8."""
    store, _ = judged
    assert evaluate.bits_of(store, {"metric": "hamming", "dimensions": 8}, "m") == 2
    assert evaluate.bits_of(store, {"metric": "cosine", "dimensions": 2}, "m") == 0


def test_the_summary_holds_the_means_that_duckdb_finds(judged):
    store, report = judged
    means = query(
        store,
        "evaluation_queries",
        "SELECT method, parameters, e.key metric, avg(e.value) v, count(e.value) n"
        " FROM (SELECT *, unnest(map_entries(metrics)) e FROM t ) GROUP BY ALL",
    )
    means = means[means["n"] > 0].set_index(["method", "parameters", "metric"]).sort_index()
    rows = query(store, "evaluation_summary", "SELECT * FROM t ")
    pairs = rows[rows["method"].str.startswith("hash - ")]
    own = rows.drop(pairs.index).set_index(["method", "parameters", "metric"]).sort_index()
    assert own.index.equals(means.index) and own.index.get_level_values("method").nunique() == 7
    assert own["value"].to_numpy(float) == pytest.approx(means["v"].to_numpy(float), abs=1e-12)
    assert (own["n"] == means["n"]).all()
    assert (own["low"] <= own["value"] + 1e-12).all() and (own["value"] <= own["high"] + 1e-12).all()
    assert (rows["run_id"] == report.run_id).all() and rows["simulated"].all()
    assert set(rows["images"]) == {N} and set(rows["split"]) == {"unseen queries, whole archive searched"}
    published = rows[rows["published"].notna()]
    assert sorted(zip(published["method"], published["metric"], published["published"], strict=True)) == [
        ("hash", "f1", 0.8641), ("hash", "precision", 0.9241), ("hash", "recall", 0.8127)
    ]  # fmt: skip
    for row in pairs[pairs["metric"] == "f1"].itertuples():
        ours, theirs = (own.loc[(m, row.parameters, "f1"), "value"] for m in ("hash", row.method[len("hash - ") :]))
        assert row.value == pytest.approx(ours - theirs, abs=1e-12)


def test_the_report_is_one_file_that_says_the_images_are_simulated(judged):
    store, report = judged
    page = (store.warehouse / "reports" / "latest.html").read_text()
    assert page == Path(report.facts["report"]).read_text()
    assert "simulated" in page.split("<title>")[1].split("</title>")[0]
    assert 'src="data:image/png;base64,' in page and "http" not in page.replace("http-equiv", "")
    assert "&lt;script&gt;" in page and "<script" not in page
    assert "StrictUndefined" not in page and "nan" not in page.split("<main>")[1].lower().split("base64")[0]
    with Image.open(report.facts["picture"]) as picture:
        assert picture.width > 800
    title, columns, cells = report.tables[0]
    assert "SIMULATED" in title and columns[:4] == ["method", "f1", "precision", "recall"]
    assert cells[0][:4] == ["published", "0.8641", "0.9241", "0.8127"]


def test_another_run_adds_its_summary_and_replaces_the_queries(spark, judged):
    store, report = judged
    again = evaluate.run(spark, settings(store.warehouse, "evaluate.baselines=false"))
    rows = query(store, "evaluation_summary", "SELECT * FROM t WHERE method = 'hash'")
    assert set(rows["run_id"]) == {report.run_id, again.run_id}
    assert set(query(store, "evaluation_queries", "SELECT run_id FROM t GROUP BY 1")["run_id"]) == {again.run_id}
    # the same inputs give the same means and intervals
    once = rows.drop(columns=["run_id"]).drop_duplicates(["metric", "parameters", "value", "low", "high", "n"])
    assert 2 * len(once) == len(rows)


def test_queries_may_be_all_that_is_searched(spark, sky, judged):
    store, _ = judged
    keep = unseen(sky)
    alone = evaluate.run(spark, settings(store.warehouse, "evaluate.searched=queries", "evaluate.baselines=false"))
    same(plain(sky, sky.lists[keep].tolist(), keep, keep), stored(store, "hash"))
    summary = query(store, "evaluation_summary", f"SELECT * FROM t WHERE run_id = '{alone.run_id}'")
    assert set(summary["images"]) == {N - TRAINED}
    assert set(summary["split"]) == {"unseen queries, these alone searched"}


def test_an_evaluation_that_reads_deeper_than_the_lists_searches_anew(spark, sky, judged):
    store, _ = judged
    deep = settings(store.warehouse, "evaluations.time_windows.retrieved_fraction=3", "evaluate.baselines=false")
    report = evaluate.run(spark, deep)
    assert report.facts["queries searched anew"] == N - TRAINED
    rows = query(store, "evaluation_queries", "SELECT method, count(DISTINCT image_id) q FROM t GROUP BY 1")
    assert rows.values.tolist() == [["hash", N - TRAINED]]


def test_mistakes_are_reported_in_one_line(spark, sky, judged, tmp_path):
    store, _ = judged
    with pytest.raises(InputError, match=r"table observations .* run the job ingest first"):
        evaluate.run(spark, settings(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"exclusion_minutes.*shorter than half a window"):
        evaluate.run(spark, settings(store.warehouse, "evaluations.time_windows.exclusion_minutes=[100000]"))

    alone = Store(spark, str(tmp_path / "alone"))
    for name in ("observations", "models", "neighbours"):
        first = store.read(name).where("image_id = 0" if name == "observations" else "true")
        alone.append(name, first.where("query_id = 0") if name == "neighbours" else first)
    with pytest.raises(InputError, match="1 image, expected 2 or more"):
        evaluate.run(spark, settings(alone.warehouse))

    with pytest.raises(ConfigError, match="evaluations: found none, expected one or more of labels, mini_search"):
        evaluate.run(spark, load(None, [f"warehouse={alone.warehouse}"]))

    rule = json.dumps(RULE | {"until_us": int(sky.times.max())})
    models = store.read("models").drop("split").selectExpr("*", f"'{rule}' AS split")
    alone.overwrite("models", models.select(*BY_NAME["models"].names))
    alone.overwrite("observations", store.read("observations"))
    alone.overwrite("neighbours", store.read("neighbours"))
    with pytest.raises(UserError, match=r"set evaluate.queries=all"):
        evaluate.run(spark, settings(alone.warehouse))
