"""Acceptable category pairs from co-use: a slow count, thresholds, directions, files; public as of today."""

import csv
from datetime import UTC, datetime

import numpy as np
import pytest

from skyhash.cli import main
from skyhash.config import load
from skyhash.errors import ConfigError, InputError
from skyhash.stages.neighbours import pairs
from skyhash.topk.filters.co_use import category_pairs


def records(seed, count=60):
    random = np.random.default_rng(seed)
    return [(f"p{r}", f"c{c}") for r in range(count) for c in random.choice(5, random.integers(1, 4), replace=False)]


@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_a_slow_count(seed):
    rows = records(seed)
    named = {r: {c for other, c in rows if other == r} for r, _ in rows}
    found = {(p.query_category, p.neighbour_category): p for p in category_pairs(rows + rows[:9], 8, 0.3)}
    for q in {c for _, c in rows}:
        for n in {c for _, c in rows}:
            both = sum(q in c and n in c for c in named.values())
            of_q, of_n = (sum(x in c for c in named.values()) for x in (q, n))
            if not both:
                assert (q, n) not in found
                continue
            pair = found[q, n]
            assert (pair.together, pair.records, pair.share) == (both, of_q, both / of_q)
            assert pair.lift == pytest.approx(both / len(named) / (of_q / len(named) * of_n / len(named)))
            assert pair.accepted == (q == n or (both >= 8 and both / of_q >= 0.3))


def test_a_rare_category_sees_a_frequent_one_and_is_not_seen():
    rows = [(f"a{i}", "galaxies") for i in range(100)]
    rows += [(f"a{i}", "lenses") for i in range(4)]
    found = {(p.query_category, p.neighbour_category): p.accepted for p in category_pairs(rows, 3, 0.05)}
    assert found == {
        ("galaxies", "galaxies"): True, ("galaxies", "lenses"): False,
        ("lenses", "galaxies"): True, ("lenses", "lenses"): True,
    }  # fmt: skip
    with pytest.raises(InputError, match="no rows"):
        category_pairs([])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_command_writes_what_neighbours_read(tmp_path, form, capsys):
    rows = records(1)
    file, out = tmp_path / f"co_use.{form}", tmp_path / "pairs.csv"
    if form == "csv":
        with file.open("w", newline="") as opened:
            csv.writer(opened).writerows([("record", "category"), *rows])
    else:
        import pyarrow
        import pyarrow.parquet

        names = dict(zip(("record", "category"), map(list, zip(*rows, strict=True)), strict=True))
        pyarrow.parquet.write_table(pyarrow.table(names), file)
    assert main(["pairs", "--records", str(file), "--out", str(out), "--set", "neighbours.co_use_share=0.3"]) == 0
    assert "accepted pairs" in capsys.readouterr().out
    expected = [(p[0], p[1]) for p in category_pairs(rows, 3, 0.3) if p.accepted]
    assert pairs.read_pairs(str(out)) == expected
    settings = load(None, [f"neighbours.co_use={file}", "neighbours.co_use_share=0.3"]).neighbours
    assert [(p[0], p[1]) for p in pairs.of_settings(settings) if p.accepted] == expected
    assert pairs.digest(settings) and not pairs.digest(load().neighbours)


@pytest.mark.parametrize(
    "content", ["", "record,kind\na,b\n", "record,category\na\n", "record,category\na,\n", "record,category\n"]
)
def test_files_that_are_no_records_are_refused(tmp_path, content):
    (tmp_path / "co_use.csv").write_text(content)
    settings = load(None, [f"neighbours.co_use={tmp_path / 'co_use.csv'}"]).neighbours
    with pytest.raises(ConfigError, match=r"neighbours.co_use.*record, category"):
        pairs.of_settings(settings)
    with pytest.raises(ConfigError, match="not both"):
        pairs.of_settings(settings.model_copy(update={"category_pairs": "x.csv"}))


@pytest.mark.parametrize("arguments", [[], ["--records", "nowhere.csv"], ["--records", "pairs.csv"]])
def test_the_commands_mistakes_are_one_line(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text("record,category\na,b\n")
    assert main(["pairs", *arguments]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_public_as_of_today_is_resolved_to_the_day():
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert load(None, ["neighbours.public_as_of=today"]).neighbours.public_as_of in (
        day,
        f"{datetime.now(UTC):%Y-%m-%d}",
    )
    assert load(None, ["neighbours.public_as_of=2020-01-01"]).neighbours.public_as_of == "2020-01-01"
