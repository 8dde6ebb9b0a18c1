"""Splits: what trains, whatever the parts that the images come in, and whatever comes later."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from skyhash.config import load
from skyhash.errors import ConfigError, InputError
from skyhash.splits import SPLITS
from skyhash.splits.split import COLUMNS, uniform

HOUR = 3_600_000_000
N = 400


def images(**columns):
    n = len(next(iter(columns.values()))) if columns else N
    empty = {name: [None] * n for name in COLUMNS} | {"obs_time_us": [np.nan] * n}
    return pd.DataFrame(empty | {"natural_key": [f"k{i}" for i in range(n)]} | columns)


def split_of(seed=7, **settings):
    texts = [f"train.split.{name}={value}" for name, value in settings.items()]
    return SPLITS.make(load(None, texts).train.split, seed)


def fitted(split, table, pieces=1):
    """The rule, its summaries and itself through JSON, as Spark and the table of models hand them on."""
    cuts = np.array_split(np.arange(len(table)), pieces)
    summaries = [json.loads(json.dumps(split.summary(table.iloc[cut]))) for cut in cuts]
    return json.loads(json.dumps(split.fit(summaries)))


def assigned(rule, table):
    return SPLITS.get(rule["by"]).assign(rule, table)


def test_the_numbers_drawn_are_the_leading_bits_of_sha256():
    hexadecimal = hashlib.sha256(b"7:k3").hexdigest()[:12]
    assert uniform(7, ["k3"])[0] == int(hexadecimal, 16) / 2**48
    drawn = uniform(1, [str(i) for i in range(4000)])
    assert np.abs(np.sort(drawn) - np.linspace(0, 1, 4000)).max() < 0.03


def test_time_trains_on_the_first_share_of_the_span_and_leaves_out_the_gap():
    table = images(obs_time_us=np.arange(101) * float(HOUR))
    for pieces in (1, 7):
        rule = fitted(split_of(share=0.5, gap_hours=10), table, pieces)
        parts = assigned(rule, table)
        assert [np.count_nonzero(parts == part) for part in ("train", "gap", "unseen")] == [51, 10, 40]
        assert (parts[:51] == "train").all() and (parts[51:61] == "gap").all()


def test_until_is_exclusive_and_in_utc():
    table = images(obs_time_us=np.arange(10) * float(HOUR))
    rule = fitted(split_of(until="1970-01-01T04:00:00"), table)
    assert (assigned(rule, table) == "train").sum() == 4
    assert fitted(split_of(until="'1970-01-01T06:00:00+02:00'"), table)["until_us"] == rule["until_us"]
    with pytest.raises(ConfigError, match=r"train.split.until: found 'soon', expected a UTC time"):
        fitted(split_of(until="soon"), table)


def test_images_without_a_time_take_part_by_their_hash():
    times = np.where(np.arange(N) % 2, np.arange(N) * float(HOUR), np.nan)
    table = images(obs_time_us=times)
    parts = assigned(fitted(split_of(share=0.5), table), table)
    timeless = np.isnan(times)
    drawn = uniform(7, table["natural_key"])
    assert ((parts[timeless] == "train") == (drawn[timeless] < 0.5)).all()
    with pytest.raises(InputError, match="time, but no image has a time"):
        fitted(split_of(), images())


def test_a_source_is_never_in_two_parts():
    sources = np.array([f"s{i % 40}" for i in range(N)], dtype=object)
    sources[::10] = None
    table = images(source_id=sources)
    parts = assigned(fitted(split_of(by="group", share=0.5), table), table)
    for source in set(sources) - {None}:
        assert len(set(parts[sources == source])) == 1
    assert set(parts[::10]) == {"train", "unseen"}, "images without a source are groups of their own"


@pytest.mark.parametrize("pieces", [1, 5])
def test_every_class_trains_with_the_same_share(pieces):
    labels = np.array(["rare"] * 5 + ["common"] * 300 + [None] * 95, dtype=object)
    table = images(label=labels)
    rule = fitted(split_of(by="label", share=0.6), table, pieces)
    parts = assigned(rule, table)
    assert (parts[:5] == "train").sum() == 3
    # hashes of one bin (1 in 16384) with the last one chosen
    assert 180 <= (parts[5:305] == "train").sum() <= 183
    later = images(label=["new", None], natural_key=["k1", "k2"])
    assert ((assigned(rule, later) == "train") == (uniform(7, ["k1", "k2"]) < 0.6)).all()
    with pytest.raises(InputError, match="label, but no image has a label"):
        fitted(split_of(by="label"), images())


@pytest.mark.parametrize("by", ["time", "group", "label", "hash"])
def test_a_share_of_one_trains_on_everything(by):
    table = images(obs_time_us=np.arange(N) * 1.0, label=["a"] * N, source_id=[f"s{i % 9}" for i in range(N)])
    assert set(assigned(fitted(split_of(by=by, share=1.0), table, 3), table)) == {"train"}


def test_what_arrives_later_changes_no_part():
    table = images(label=["a", "b"] * (N // 2), obs_time_us=np.arange(N) * float(HOUR))
    early = table.iloc[: N // 2]
    for by in ("time", "group", "label", "hash"):
        rule = fitted(split_of(by=by), early)
        assert (assigned(rule, table)[: N // 2] == assigned(rule, early)).all()


def test_the_archives_own_parts():
    table = images(split=["train", "valid", None, "test"])
    assert assigned(fitted(split_of(by="official"), table), table).tolist() == ["train"] + ["unseen"] * 3
    both = fitted(split_of(by="official", train="[train, valid]"), table)
    assert assigned(both, table).tolist() == ["train", "train", "unseen", "unseen"]
    with pytest.raises(InputError, match="the archive names no parts"):
        fitted(split_of(by="official"), images())


def test_a_class_of_the_archives_training_part_can_be_made_rare():
    table = images(label=["FRI", "FRII"] * (N // 2), split=["train"] * (N - 40) + ["valid"] * 40)
    whole = assigned(fitted(split_of(by="official"), table), table)
    kept = []
    for share in (0.1, 0.25, 0.5):
        rare = assigned(fitted(split_of(by="official", shares=f"{{FRI: {share}}}"), table, 3), table)
        changed = rare != whole
        assert (table["label"][changed] == "FRI").all() and (rare[changed] == "gap").all()
        assert ((rare == "unseen") == (whole == "unseen")).all(), "the same queries"
        kept.append({*np.flatnonzero((rare == "train") & (table["label"] == "FRI"))})
        assert abs(len(kept[-1]) - share * 180) < 25
    assert kept[0] < kept[1] < kept[2]
    none = assigned(fitted(split_of(by="official", shares="{}"), table), table)
    assert (none == whole).all()


def test_the_seed_decides_what_is_drawn():
    table = images()
    one, two = (assigned(fitted(split_of(seed=seed, by="hash"), table), table) for seed in (1, 2))
    assert (one != two).any()


def test_another_splits_setting_is_an_unknown_key():
    with pytest.raises(ConfigError, match=r"train.split.gap_hours: found an unknown key, expected one of by, share"):
        load(None, ["train.split.by=hash", "train.split.gap_hours=3"])


@pytest.mark.parametrize("unit", ["source", "image", "day"])
def test_folds_cut_the_training_part_alone(unit):
    sources = [f"s{i // 4}" if i % 5 else None for i in range(N)]
    table = images(source_id=sources, obs_time_us=np.arange(N) * 3.0 * HOUR)
    outer = assigned(fitted(split_of(by="group", share=0.7), table), table)
    unseen = np.zeros(N, int)
    for fold in range(3):
        split = split_of(by="fold", of="{by: group, share: 0.7}", folds=3, fold=fold, unit=unit)
        for pieces in (1, 5):
            parts = assigned(fitted(split, table, pieces), table)
            assert ((parts == "gap") == (outer == "unseen")).all()
        assert (parts == "train").any() and (parts == "unseen").any()
        unseen += parts == "unseen"
        keys = {"source": table["source_id"].fillna(table["natural_key"]), "image": table["natural_key"],
                "day": table["obs_time_us"] // (24 * HOUR)}[unit]  # fmt: skip
        within = pd.Series(parts)[outer == "train"].groupby(keys[outer == "train"]).nunique()
        assert (within == 1).all()
    # every image of the training part is unseen in one fold
    assert (unseen == (outer == "train")).all()


def test_folds_need_a_split_and_one_of_its_folds():
    with pytest.raises(ConfigError, match=r"train\.split"):
        split_of(by="fold")
    with pytest.raises(ConfigError, match="fold below folds"):
        split_of(by="fold", of="{by: time}", folds=3, fold=3)
    with pytest.raises(ConfigError, match="one of"):
        split_of(by="fold", of="{by: nothing}")
