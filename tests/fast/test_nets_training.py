"""A start without dead units, training that learns and repeats, and a learning rate that follows from the epoch."""

import math

import numpy as np
import pytest
import torch

from skyhash.errors import SkyhashError
from skyhash.job_settings import TrainSettings
from skyhash.nets import receptive_field_init, train_loop
from skyhash.nets.encoder import Alone, Batch

SETTINGS = TrainSettings(epochs=4, learning_rate=2e-3).model_dump()
ENCODER = {"kind": "autoencoder", "suns": 2, "frames": 8, "start": "receptive_fields", "similarity": 10.0,
           "rotation": 0.3, "noise": 0.3, "encoder_rate": 1.0}  # fmt: skip


def suns(count, seed):
    """Descriptors with a few regions in two belts each, like a real Sun's."""
    generator = np.random.default_rng(seed)
    made = np.zeros((count, 16, 16), np.float32)
    for one in made:
        for _ in range(generator.integers(1, 6)):
            one[generator.choice([4, 5, 10, 11]), generator.integers(2, 14)] += generator.lognormal(5, 1)
    return torch.from_numpy(made.reshape(count, 256))


def batches(rows, size=16):
    unknown = [torch.full((len(part),), -1) for part in rows.split(size)]
    hours = [torch.zeros(len(part), dtype=torch.float64) for part in rows.split(size)]
    return [Batch(p, h, u, u, u) for p, h, u in zip(rows.split(size), hours, unknown, strict=True)]


def fitted(rows, **settings):
    encoder = train_loop.make(ENCODER | settings, (256,), ())
    encoder.fit(lambda: iter(batches(rows)), Alone())
    return encoder


def trained(rows, seed, epochs=2):
    torch.manual_seed(seed)
    encoder = fitted(rows)
    optimiser = train_loop.optimiser_of(encoder, SETTINGS)
    losses = []
    for epoch in range(epochs):
        torch.manual_seed(seed + epoch)
        loss, seen = train_loop.train_epoch(encoder, optimiser, batches(rows), epoch, SETTINGS, Alone())
        assert seen == len(rows)
        assert loss["loss"] == pytest.approx(sum(part for name, part in loss.items() if name != "loss"))
        losses.append(loss["loss"])
    return encoder, losses


def dead(encoder, rows):
    with torch.inference_mode():
        return int((encoder.encode(rows) == 0).all(dim=0).sum())


@pytest.mark.parametrize("seed", range(5))
def test_no_unit_of_any_layer_is_dead_at_the_start(seed):
    rows = suns(60, seed)
    torch.manual_seed(seed)
    net = fitted(rows)
    through = net.scaled(rows)
    with torch.inference_mode():
        for module in (*net.encoder, *net.decoder):
            through = module(through)
            if isinstance(module, torch.nn.ReLU):
                assert (through > 0).any(dim=0).all()


def test_training_learns_and_kills_no_unit():
    rows = suns(64, 1)
    encoder, losses = trained(rows, 1, epochs=4)
    assert dead(encoder, rows) == 0
    assert losses[-1] < 0.9 * losses[0]


def test_equal_seeds_give_equal_weights_and_others_do_not():
    rows = suns(32, 2)
    first, again, other = (trained(rows, seed, 1)[0].state_dict() for seed in (5, 5, 6))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_codes_do_not_depend_on_the_batch():
    rows = suns(40, 3)
    net = fitted(rows)
    alone = torch.cat([net.encode(row[None]) for row in rows])
    torch.testing.assert_close(net.encode(rows), alone, rtol=1e-4, atol=1e-5)


def test_the_mean_loss_weighs_batches_by_their_rows():
    rows = suns(20, 4)
    torch.manual_seed(0)
    settings = SETTINGS | {"learning_rate": 0.0}
    encoder = fitted(rows, similarity=0.0, rotation=0.0, noise=0.0)
    optimiser = train_loop.optimiser_of(encoder, settings)
    whole = float(encoder.loss(batches(rows, 20)[0], Alone())["reconstruction"].detach())
    found, seen = train_loop.train_epoch(encoder, optimiser, batches(rows, 7), 0, settings, Alone())
    assert found == {"loss": pytest.approx(whole), "reconstruction": pytest.approx(whole)} and seen == 20
    assert train_loop.train_epoch(encoder, optimiser, [], 0, settings, Alone()) == ({}, 0)


def test_a_loss_that_is_not_finite_stops_training():
    rows = suns(20, 4)
    encoder = fitted(rows)
    rows[3, 7] = float("nan")
    with pytest.raises(SkyhashError, match="epoch 1, step 1: the loss is nan"):
        train_loop.train_epoch(
            encoder, train_loop.optimiser_of(encoder, SETTINGS), batches(rows, 20), 0, SETTINGS, Alone()
        )


def test_learning_rate_rises_then_falls_as_half_a_cosine():
    first = [train_loop.share_of_rate(10, 0, step) for step in range(40)]
    assert np.allclose(first, [min(1, (step + 1) / 20) for step in range(40)])
    for epoch in range(1, 10):
        expected = (1 + math.cos(math.pi * epoch / 10)) / 2
        assert train_loop.share_of_rate(10, epoch, 0) == pytest.approx(expected)
        assert train_loop.share_of_rate(10, epoch, 99) == pytest.approx(expected)


@pytest.mark.parametrize("count, expected", [(128, (8, 16)), (64, (8, 8)), (32, (4, 8)), (7, (1, 7)), (1, (1, 1))])
def test_units_lie_on_the_squarest_lattice(count, expected):
    assert receptive_field_init.lattice(count) == expected


def test_rows_of_units_lie_closer_where_there_is_more_field():
    mass = torch.tensor([1.0, 1, 4, 1, 1, 4, 1, 1])
    positions = receptive_field_init.quantiles(mass, 14)
    below = np.interp(positions.numpy(), np.arange(9), np.concatenate([[0], np.cumsum(mass)]))
    np.testing.assert_allclose(below, (np.arange(14) + 0.5), atol=1e-5)


def test_a_patch_is_a_gaussian_of_sum_1():
    to, of = torch.tensor([[2.0, 3.0]]), torch.cartesian_prod(torch.arange(6.0), torch.arange(6.0))
    found = receptive_field_init.patches(to, of, (2.0, 1.0))[0]
    raw = [math.exp(-0.5 * (((2 - r) / 1.2) ** 2 + ((3 - c) / 0.6) ** 2)) for r, c in of.tolist()]
    np.testing.assert_allclose(found, np.array(raw) / sum(raw), rtol=1e-5)


def test_the_optimiser_has_the_asked_rates_and_decay():
    rows = suns(20, 4)
    encoder, settings = fitted(rows, encoder_rate=0.25), SETTINGS | {"weight_decay": 0.03}
    optimiser = train_loop.optimiser_of(encoder, settings)
    assert [group["weight_decay"] for group in optimiser.param_groups] == [0.03, 0.03]
    assert [group["highest"] for group in optimiser.param_groups] == [0.25 * 2e-3, 2e-3]
    train_loop.train_epoch(encoder, optimiser, batches(rows, 10), 1, settings, Alone())
    share = train_loop.share_of_rate(4, 1, 1)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.25 * 2e-3 * share, 2e-3 * share])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_products_have_the_asked_precision(precision):
    with train_loop._precision(precision, "cpu"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == getattr(torch, precision)
