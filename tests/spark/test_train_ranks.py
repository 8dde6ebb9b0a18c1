"""Training on ranks: both launchers and both readers give the same weights, and failures are reported."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import described
import numpy as np
import pytest
import torch

from skyhash.errors import ConfigError, DataLoss, SkyhashError, UserError
from skyhash.spark.training import checkpoints, launcher, loop, shards, snapshot, training_part
from skyhash.stages.models.train import settings_key
from skyhash.stages.runs.fingerprint import descriptor_id, digest


@pytest.fixture(scope="module")
def store(spark, tmp_path_factory):
    config = described.config_of(tmp_path_factory.mktemp("ranks"))
    rows = described.vectors(301)
    rows[17] = 0
    return described.write(spark, config, rows)


def exported(store, folder, **settings):
    config = described.config_of(store.warehouse, *[f"train.{key}={value}" for key, value in settings.items()])
    part = training_part.choose(store, descriptor_id(config.describe), config.train, config.seed)
    snapshot.export(part, folder, config.train.ranks)
    key = digest([settings_key(config), part.content])
    encoder, recipe = config.encoder.model_dump(mode="json"), config.train.model_dump(mode="json")
    return loop.TrainingPlan(str(folder), key, config.seed, encoder, recipe, threads=1)


def trained(spark, plan, work=loop.train):
    return launcher.get(plan.settings["launcher"])(spark, partial(work, plan), plan.settings["ranks"])


def gathers_and_trains(plan, group):
    """Gather rows of two ranks, three of the first and four of the second, then train."""
    rows = torch.arange(3.0 + group.rank)[:, None].requires_grad_()
    every = group.all_gather(rows)
    weights = torch.arange(1.0, 8.0)[:, None] * (1 + group.rank)
    (every * weights).sum().backward()
    assert every[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 3]
    own = torch.arange(1.0, 8.0)[:, None][3 * group.rank :][: len(rows)]
    assert torch.equal(rows.grad, 3 * own), "the sum of both ranks' gradients, not their mean"
    return loop.train(plan, group)


def test_the_snapshot_holds_the_rows_of_the_training_part_in_order_of_time(store, tmp_path):
    import pyarrow.parquet as pq

    plan = exported(store, tmp_path / "s", **{"split.share": 0.5})
    manifest = shards.load(tmp_path / "s")
    # hours 0 to 150 of 0 to 300, less the zero descriptor
    assert (manifest.rows, manifest.group_rows) == (150, (75, 75))
    read = [pq.read_table(tmp_path / "s" / shards.file_name(group)).to_pydict() for group in (0, 1)]
    hours = np.empty(150)
    for part in read:
        hours[part["position"]] = part["hours"]
    assert (np.diff(hours) > 0).all()
    assert hours[-1] - hours[0] == 150
    stored = np.frombuffer(read[0]["data"][3], "<f4")
    expected = described.vectors(301)[int(hours[read[0]["position"][3]] - hours[0])]
    assert np.array_equal(stored, expected)
    exported(store, tmp_path / "again", **{"split.until": "2011-01-07T07:00:00"})
    assert shards.load(tmp_path / "again").content == manifest.content, "the same rows"
    zeros = exported(store, tmp_path / "zeros", **{"split.share": 0.5, "zero_descriptors": "true"})
    assert plan.key != zeros.key
    assert shards.load(tmp_path / "zeros").rows == 151


def test_a_time_that_is_none_is_a_user_error(store, tmp_path):
    with pytest.raises(ConfigError, match=r"train.split.until: found 'soon', expected a UTC time"):
        exported(store, tmp_path / "s", **{"split.until": "soon"})


def test_both_launchers_and_both_readers_train_the_same_weights(spark, store, tmp_path):
    ways = [("horovod", "petastorm"), ("torch_distributor", "pyarrow"), ("torch_distributor", "petastorm")]
    digests, losses = set(), set()
    for number, (launch, read) in enumerate(ways):
        plan = exported(store, tmp_path / str(number), launcher=launch, reader=read, epochs=4, checkpoint_epochs=2)
        ranks = trained(spark, plan, gathers_and_trains)
        assert len(ranks) == 2
        assert [epoch["rows"] for epoch in ranks[0].metrics] == [[150, 150]] * 4
        digests |= {rank.digest for rank in ranks}
        losses.add(tuple(epoch["loss"] for epoch in ranks[0].metrics))
        assert checkpoints.load(tmp_path / str(number), plan.key).epochs == 2
        # from the checkpoint after epoch 2, as a killed training would go on
        if number == 0:
            again = trained(spark, plan)
            assert again[0].resumed_from == 2
            digests |= {rank.digest for rank in again}
    assert len(digests) == 1, "bit for bit"
    assert len(losses) == 1
    (loss,) = losses
    assert loss[-1] < loss[0]


def test_rows_lost_on_one_rank_stop_all_ranks_and_are_reported_on_the_driver(spark, store, tmp_path):
    for launch in ("horovod", "torch_distributor"):
        plan = exported(store, tmp_path / launch, launcher=launch, reader="pyarrow")
        (tmp_path / launch / shards.file_name(1)).unlink()
        with pytest.raises(DataLoss, match="epoch 1: rank 1 found 0 distinct rows, expected 150"):
            trained(spark, plan)


def dies(file, group):
    """Rank 1 is killed, as by the kernel when memory runs out; rank 0 waits for it."""
    if group.rank == 1:
        Path(file).write_text(str(time.time()))
        os.kill(os.getpid(), signal.SIGKILL)
    group.total(torch.ones(1))


@pytest.mark.parametrize("launch", sorted(launcher.LAUNCHERS))
def test_a_rank_that_is_killed_is_noticed_within_30_seconds(spark, tmp_path, launch):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(SkyhashError, match="training: a rank ended before its work was done") as raised:
        launcher.get(launch)(spark, partial(dies, str(tmp_path / "died")), 2)
    assert time.time() - float((tmp_path / "died").read_text()) < 30
    assert str(raised.value).endswith("run the job again: it goes on from its last checkpoint")
    # Horovod's own would swallow Ctrl-C for the rest of a rebuild
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_more_ranks_than_the_cluster_has_cores_is_reported_at_once(spark, store, tmp_path):
    plan = exported(store, tmp_path / "s", ranks=5)
    with pytest.raises(UserError, match=r"train.ranks: found 5, expected at most 2, the tasks that local\[2\] can run"):
        trained(spark, plan)


def test_more_ranks_than_rows_is_reported(store, tmp_path):
    with pytest.raises(UserError, match=r"train\.ranks: found 200 ranks for 150 training rows"):
        exported(store, tmp_path / "s", ranks=200, **{"split.share": 0.5})
