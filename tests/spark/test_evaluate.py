"""The evaluate job against the same judgement on plain numpy, with DuckDB as a second reader of what it wrote."""

import io
import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skyhash.scores.windows import HOUR, Form, Searched, as_matrix, judge

from skyhash.codes.itq import Itq
from skyhash.config import load
from skyhash.errors import InputError, UserError
from skyhash.spark.storage.store import Store
from skyhash.stages import evaluate
from skyhash.tables import BY_NAME

N, TRAINED, K, WIDTH = 96, 40, 60, 12
FORMS = [Form(12, 0), Form(12, 120), Form(48, 0), Form(48, 120)]
BUILD = "20260101T000000-abc-neighbours"


def row(table, **values):
    """A row in the order of the table's columns, null where nothing is given."""
    return tuple(values.get(name) for name in BY_NAME[table].names)


def png():
    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8, 3), 200, np.uint8)).save(buffer, format="png")
    return buffer.getvalue()


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
                row("observations", image_id=int(i), obs_time=t, simulated=True, run_id="r")
                for i, t in zip(self.ids, when, strict=True)
            ],
            "descriptors": [
                row("descriptors", image_id=int(i), descriptor_id="grid-x", is_zero=False, vector=v.tolist(),
                    preview=png(), run_id="r")
                for i, v in zip(self.ids, self.vectors, strict=True)
            ],
            "hashes": [
                row("hashes", image_id=int(i), model_id="m", is_zero=False, code=[1.0, 0.0], run_id="r")
                for i in self.ids
            ],
            "models": [
                row("models", model_id="m", encoder="autoencoder", descriptor_id="grid-x", parameters=10,
                    training_rows=TRAINED, trained_from=when[0], trained_until=when[TRAINED - 1], launcher="horovod",
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
    over = ["evaluate.window_hours=[12, 48]", "evaluate.exclusion_minutes=[0, 120]", "evaluate.bootstrap=200"]
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


def test_rows_of_the_hash_equal_plain_numpy(sky, judged):
    store, _ = judged
    keep = unseen(sky)
    searched = Searched(sky.ids, sky.times)
    expected = judge(searched, sky.times[keep], as_matrix(list(sky.lists[keep])), FORMS, 0.8795)
    rows = query(store, "evaluation_queries", "SELECT * FROM t WHERE method = 'hash'")
    assert len(rows) == keep.sum() * len(FORMS)
    rows = rows.set_index(["image_id", "window_hours", "exclusion_minutes"])
    for i, image in enumerate(sky.ids[keep]):
        for j, form in enumerate(FORMS):
            got = rows.loc[(image, form.window_hours, form.exclusion_minutes)]
            for name in ("ri", "si", "tp", "fp", "fn"):
                assert got[name] == getattr(expected, name)[i, j], (image, form, name)
            assert got["f1"] == expected.f1[i, j] or np.isnan(got["f1"]) == np.isnan(expected.f1[i, j])
            assert got["obs_time"].value // 1000 == sky.times[keep][i]


def test_baselines_are_judged_on_the_same_queries_and_images(sky, judged):
    store, _ = judged
    rows = query(store, "evaluation_queries", "SELECT method, count(*) n, count(DISTINCT image_id) q FROM t GROUP BY 1")
    methods = set(rows["method"])
    assert methods == {"hash", "raw_descriptor", "standardised_descriptor", "pca_4", "pca_sign", "itq", "lsh"}
    assert (rows["n"] == (N - TRAINED) * len(FORMS)).all() and (rows["q"] == N - TRAINED).all()
    si = query(
        store,
        "evaluation_queries",
        "SELECT count(DISTINCT si) kinds FROM t GROUP BY image_id, window_hours, exclusion_minutes",
    )
    assert (si["kinds"] == 1).all()


def test_the_raw_descriptor_equals_a_plain_cosine_ranking(sky, judged):
    store, _ = judged
    keep = unseen(sky)
    unit = sky.vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    lists = sky.ids[np.argsort(-scores, axis=1, kind="stable")[:, :-1]][keep]
    expected = judge(Searched(sky.ids, sky.times), sky.times[keep], lists, FORMS, 0.8795)
    rows = query(store, "evaluation_queries", "SELECT * FROM t WHERE method = 'raw_descriptor'")
    rows = rows.set_index(["image_id", "window_hours", "exclusion_minutes"])["tp"]
    for i, image in enumerate(sky.ids[keep]):
        got = [rows.loc[(image, form.window_hours, form.exclusion_minutes)] for form in FORMS]
        assert got == expected.tp[i].tolist()


def test_binary_coders_equal_a_plain_ranking_by_differing_bits(sky, judged):
    store, _ = judged
    keep, codes = unseen(sky), Itq.fit(sky.vectors[:TRAINED], 4, load(None).seed)(sky.vectors)
    differ = np.unpackbits(codes[:, None] ^ codes[None], axis=2).sum(axis=2).astype(int)
    lists = np.array([[i for _, i in sorted(zip(row, sky.ids, strict=True)) if i != own]
                      for own, row in zip(sky.ids, differ, strict=True)])[keep]  # fmt: skip
    expected = judge(Searched(sky.ids, sky.times), sky.times[keep], lists, FORMS, 0.8795)
    rows = query(store, "evaluation_queries", "SELECT * FROM t WHERE method = 'itq'")
    rows = rows.set_index(["image_id", "window_hours", "exclusion_minutes"])["tp"]
    for i, image in enumerate(sky.ids[keep]):
        got = [rows.loc[(image, form.window_hours, form.exclusion_minutes)] for form in FORMS]
        assert got == expected.tp[i].tolist()


def test_the_summary_holds_the_means_that_duckdb_finds(judged):
    store, report = judged
    columns = "method, window_hours, exclusion_minutes"
    means = query(
        store,
        "evaluation_queries",
        f"SELECT {columns}, avg(precision) p, avg(recall) r, avg(f1) f, count(f1) n FROM t GROUP BY ALL ORDER BY ALL",
    )
    rows = query(store, "evaluation_summary", f"SELECT * FROM t ORDER BY {columns}")
    assert len(rows) == len(means) == 7 * len(FORMS)
    for column, other in (("precision", "p"), ("recall", "r"), ("f1", "f"), ("n", "n")):
        assert rows[column].to_numpy(float) == pytest.approx(means[other].to_numpy(float), nan_ok=True, abs=1e-12)
    assert (rows["f1_low"] <= rows["f1"]).all() and (rows["f1"] <= rows["f1_high"]).all()
    assert (rows["run_id"] == report.run_id).all() and rows["simulated"].all()
    assert set(rows["n"]) == {N - TRAINED} and set(rows["images"]) == {N}
    assert set(rows["split"]) == {"unseen queries, whole archive"}
    published = rows[rows["published"].notna()]
    assert published[["method", "window_hours", "exclusion_minutes", "published"]].to_numpy().tolist() == [
        ["hash", 48.0, 0.0, 0.8641]
    ]


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
    assert "SIMULATED" in title and columns[:3] == ["method", "window h", "exclusion min"]
    assert cells[0][3:6] == ["0.9241", "0.8127", "0.8641"]


def test_another_run_adds_its_summary_and_replaces_the_queries(spark, judged):
    store, report = judged
    again = evaluate.run(spark, settings(store.warehouse, "evaluate.baselines=false"))
    rows = query(store, "evaluation_summary", "SELECT run_id, count(*) n FROM t GROUP BY 1 ORDER BY 1")
    assert dict(zip(rows["run_id"], rows["n"], strict=True)) == {report.run_id: 28, again.run_id: 4}
    assert set(query(store, "evaluation_queries", "SELECT run_id FROM t GROUP BY 1")["run_id"]) == {again.run_id}
    columns = "precision, precision_low, precision_high, recall, f1, f1_low, f1_high"
    both = query(store, "evaluation_summary", f"SELECT DISTINCT {columns} FROM t WHERE method = 'hash'")
    assert len(both) == len(FORMS)  # the same inputs give the same means and intervals


def test_queries_may_be_all_that_is_searched(spark, sky, judged):
    store, _ = judged
    keep = unseen(sky)
    alone = evaluate.run(spark, settings(store.warehouse, "evaluate.searched=queries", "evaluate.baselines=false"))
    rows = query(store, "evaluation_queries", "SELECT * FROM t WHERE method = 'hash'").set_index(
        ["image_id", "window_hours", "exclusion_minutes"]
    )
    searched = Searched(sky.ids[keep], sky.times[keep])
    expected = judge(searched, sky.times[keep], as_matrix(list(sky.lists[keep])), FORMS, 0.8795)
    for i, image in enumerate(sky.ids[keep]):
        for j, form in enumerate(FORMS):
            got = rows.loc[(image, form.window_hours, form.exclusion_minutes)]
            assert (got["si"], got["tp"]) == (expected.si[i, j], expected.tp[i, j])
    summary = query(store, "evaluation_summary", f"SELECT * FROM t WHERE run_id = '{alone.run_id}'")
    assert set(summary["images"]) == {N - TRAINED}
    assert set(summary["split"]) == {"unseen queries, these alone searched"}


def test_mistakes_are_told_in_one_line(spark, sky, judged, tmp_path):
    store, _ = judged
    with pytest.raises(InputError, match=r"table observations .* run the job ingest first"):
        evaluate.run(spark, settings(tmp_path / "empty"))
    with pytest.raises(UserError, match=r"exclusion_minutes.*shorter than half a window"):
        evaluate.run(spark, settings(store.warehouse, "evaluate.exclusion_minutes=[100000]"))

    alone = Store(spark, str(tmp_path / "alone"))
    for name in ("observations", "models", "neighbours"):
        first = store.read(name).where("image_id = 0" if name == "observations" else "true")
        alone.append(name, first.where("query_id = 0") if name == "neighbours" else first)
    with pytest.raises(InputError, match="1 image, expected 2 or more"):
        evaluate.run(spark, settings(alone.warehouse))

    whole = "TIMESTAMP'1970-01-01' AS trained_from, TIMESTAMP'2100-01-01' AS trained_until"
    kept = [f"`{c}`" for c in BY_NAME["models"].names if c not in ("trained_from", "trained_until")]
    alone.overwrite("models", store.read("models").selectExpr(*kept, whole.split(",")[0], whole.split(",")[1]))
    alone.overwrite("observations", store.read("observations"))
    alone.overwrite("neighbours", store.read("neighbours"))
    with pytest.raises(UserError, match=r"set evaluate.split=all"):
        evaluate.run(spark, settings(alone.warehouse))
