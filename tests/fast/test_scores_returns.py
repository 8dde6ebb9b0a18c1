"""Returns after a solar rotation, retrieval by distance, and the cadence behind a drifting DATE-OBS."""

import datetime as dt

import numpy as np
import pytest

from skyhash.archives.formats import times
from skyhash.errors import UserError
from skyhash.scores.evaluation import SearchSet
from skyhash.scores.time_windows import DAY, HOUR, MINUTE, TimeWindows, TimeWindowsSettings
from skyhash.simulated.solar import header

NONE = np.iinfo(np.int64).min


def images_at(*micros):
    when = np.array(micros, np.int64)
    return SearchSet(np.arange(len(when)), {"slot_time": when, "obs_time": when})


def judged(images, lists, similarities=None, **settings):
    lists = np.array([lists])
    similarities = np.linspace(1, 0.5, lists.shape[1])[None] if similarities is None else np.array([similarities])
    evaluation = TimeWindows(TimeWindowsSettings(window_hours=(48.0,), exclusion_minutes=(0.0,), **settings))
    scores = evaluation.judge(images, np.array([0]), lists, similarities.astype(np.float32))
    return {one.parameters["returns_similar"]: {k: v.item() for k, v in one.metrics.items()} for one in scores}


def test_a_return_is_found_and_counts_in_the_second_reading():
    # the query, three similar, one a rotation later, one a rotation earlier, one at neither
    images = images_at(40 * DAY, 40 * DAY + HOUR, 40 * DAY - HOUR, 41 * DAY, 67 * DAY, 13 * DAY, 50 * DAY)
    scores = judged(images, [1, 4, 6, 5, 2, 3], retrieved_fraction=1.0)
    first, second = scores[False], scores[True]
    assert (first["ri"], first["si"], first["tp"], first["fp"], first["returned"]) == (4, 4, 2, 2, 1)
    assert first["recurrence_share"] == second["recurrence_share"] == 0.5
    assert (second["ri"], second["si"], second["tp"], second["fp"]) == (4, 4, 3, 1)


@pytest.mark.parametrize("days, counts", [(19.99, 0), (20, 1), (33, 1), (33.01, 0), (-20, 1), (-34, 0)])
def test_both_ends_of_the_rotation_are_inside(days, counts):
    images = images_at(50 * DAY, 50 * DAY + HOUR, round((50 + days) * DAY))
    assert judged(images, [2, 1], retrieved_fraction=1.0)[False]["returned"] == counts


def test_without_false_positives_there_is_no_share():
    assert np.isnan(judged(images_at(0, HOUR), [1])[False]["recurrence_share"])


def test_retrieval_by_distance_takes_what_is_near_however_much_it_is():
    images = images_at(0, HOUR, 2 * HOUR, 90 * DAY, 95 * DAY)
    near = [0.99, 0.95, 0.91, 0.5]
    by_limit = {
        limit: judged(images, [1, 3, 2, 4], near, retrieve="distance", distance_limit=limit)[False]
        for limit in (0.005, 0.02, 0.1, 0.9)
    }
    assert [one["ri"] for one in by_limit.values()] == [1, 2, 4, 5]
    assert [one["tp"] for one in by_limit.values()] == [1, 2, 3, 3]
    # the whole archive was listed: nothing is missing
    assert not any(one["short"] for one in by_limit.values())
    cut = judged(images, [1, 3], near[:2], retrieve="distance", distance_limit=0.5)[False]
    assert cut["short"] == 1


def test_a_range_the_wrong_way_round_is_refused():
    with pytest.raises(UserError, match="recurrence_days"):
        TimeWindows(TimeWindowsSettings(recurrence_days=(33.0, 20.0)))


def test_a_whole_window_holds_481_though_date_obs_drifts():
    # every tenth header; between them the drift is a straight line to well below DATE-OBS's 10 ms
    steps = np.arange(0, 701, 10)
    cards = [header.cards(dt.datetime(2011, 5, 1) + dt.timedelta(minutes=6 * int(i)), 64, 1, 0, None) for i in steps]
    read = {
        name: np.array([round(of(card).timestamp() * 1e6) for card in cards], np.int64)
        for name, of in (("slot_time", times.slot_time), ("obs_time", times.observation_time))
    }
    slots = np.arange(701)
    micros = {name: np.interp(slots, steps, values - read["slot_time"][0]) for name, values in read.items()}
    micros = {name: np.round(values / 1e4).astype(np.int64) * 10_000 for name, values in micros.items()}
    assert len(set(np.diff(micros["slot_time"]))) == 1 and len(set(np.diff(micros["obs_time"]))) > 1
    query = np.arange(240, 461)
    si = {}
    for column in ("slot_time", "obs_time"):
        facts = micros if column == "slot_time" else micros | {"slot_time": np.full(len(slots), NONE)}
        evaluation = TimeWindows(TimeWindowsSettings(window_hours=(48.0,), exclusion_minutes=(0.0,)))
        lists = np.zeros((len(query), 1), np.int64)
        scores = evaluation.judge(SearchSet(np.arange(len(slots)), facts), query, lists, lists.astype(np.float32))
        si[column] = set(scores[0].metrics["si"].tolist())
    assert si["slot_time"] == {481.0}
    # by DATE-OBS an edge of the window falls out: the slot is what has a cadence
    assert si["obs_time"] != {481.0}


def test_date_obs_drifts_by_the_light_travel_time():
    offset = {}
    for month in (1, 4, 7):
        card = header.cards(dt.datetime(2011, month, 4), 64, 1, 0, None)
        offset[month] = (times.observation_time(card) - times.slot_time(card)).total_seconds() + 45
    assert offset[1] == pytest.approx(-8.3, abs=0.2) and offset[7] == pytest.approx(8.3, abs=0.2)
    assert abs(offset[4]) * 1e6 < MINUTE
