"""The losses against loops in float64, written from their formulas, and their gradients against differences."""

import math
from itertools import product

import numpy as np
import pytest
import torch

from skyhash.nets.losses.cosine_stress import cosine_stress, cosines
from skyhash.nets.losses.reconstruction import reconstruction
from skyhash.nets.losses.temporal_sne import temporal_sne

SIZES = [(1, 2, 1), (1, 5, 3), (3, 4, 6)]  # sequences, frames, size


def drawn(*shape, seed=0, zero=False):
    made = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    if zero:
        made[..., 0, :] = 0
    return made


def cosine(a, b):
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def slow_reconstruction(decoded, target):
    terms = [(float(a) - float(b)) ** 2 for a, b in zip(decoded.flatten(), target.flatten(), strict=True)]
    return sum(terms) / len(terms)


def slow_cosine_stress(codes, targets):
    codes, targets, n = codes.tolist(), targets.tolist(), len(codes)
    pairs = list(product(range(n), repeat=2))
    return sum((cosine(codes[i], codes[j]) - cosine(targets[i], targets[j])) ** 2 for i, j in pairs) / n**2


def slow_temporal_sne(codes, hours, width, temperature):
    losses = []
    for code, hour in zip(codes.tolist(), hours.tolist(), strict=True):
        for i in range(len(code)):
            others = [j for j in range(len(code)) if j != i]
            by_time = [math.exp(-((hour[i] - hour[j]) ** 2) / (2 * width**2)) for j in others]
            by_code = [math.exp(cosine(code[i], code[j]) / temperature) for j in others]
            p, q = [x / sum(by_time) for x in by_time], [x / sum(by_code) for x in by_code]
            losses.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("sequences, frames, size", SIZES)
def test_reconstruction_is_the_loop(sequences, frames, size):
    a, b = drawn(frames, size), drawn(frames, size, seed=sequences)
    assert float(reconstruction(a, b)) == pytest.approx(slow_reconstruction(a, b), rel=1e-12)
    assert float(reconstruction(a, a)) == 0


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("_, rows, size", SIZES)
def test_cosine_stress_is_the_loop(_, rows, size, zero):
    codes, targets = drawn(rows, size, zero=zero), drawn(rows, 7, seed=1)
    assert float(cosine_stress(codes, targets)) == pytest.approx(slow_cosine_stress(codes, targets), rel=1e-10)
    assert float(cosine_stress(targets * 3.5, targets)) == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("width, temperature", [(14.0, 0.1), (40.0, 1.0)])
@pytest.mark.parametrize("sequences, frames, size", SIZES)
def test_temporal_sne_is_the_loop(sequences, frames, size, width, temperature):
    codes, hours = drawn(sequences, frames, size), drawn(sequences, frames, seed=2) * 60
    found = float(temporal_sne(codes, hours, width, temperature))
    assert found == pytest.approx(slow_temporal_sne(codes, hours, width, temperature), rel=1e-9, abs=1e-12)
    assert found >= -1e-12


@pytest.mark.parametrize("zero", [False, True])
def test_gradients_are_those_of_the_loops(zero):
    """Central differences of the slow loops, element by element; a zero code takes part in none."""
    codes, targets, hours = drawn(1, 4, 3, zero=zero), drawn(4, 5, seed=3), drawn(1, 4, seed=4) * 30
    losses = {
        "cosine_stress": (lambda c: cosine_stress(c[0], targets), lambda c: slow_cosine_stress(c[0], targets)),
        "temporal_sne": (lambda c: temporal_sne(c, hours), lambda c: slow_temporal_sne(c, hours, 14.0, 0.1)),
        "reconstruction": (lambda c: reconstruction(c[0], c[0].detach() * 2), None),
    }
    for name, (quick, slow) in losses.items():
        leaf = codes.clone().requires_grad_()
        quick(leaf).backward()
        if slow is None:
            torch.testing.assert_close(leaf.grad, -2 * codes / codes.numel())
            continue
        assert torch.isfinite(leaf.grad).all()
        for position in np.ndindex(*codes.shape):
            if zero and position[1] == 0:
                continue
            up, down = codes.clone(), codes.clone()
            up[position] += 1e-6
            down[position] -= 1e-6
            expected = (slow(up) - slow(down)) / 2e-6
            assert float(leaf.grad[position]) == pytest.approx(expected, rel=1e-4, abs=1e-7), (name, position)


def test_cosines_are_symmetric_and_blind_to_length():
    rows = drawn(2, 6, 5)
    found = cosines(rows)
    torch.testing.assert_close(found, found.transpose(1, 2))
    torch.testing.assert_close(cosines(rows * drawn(2, 6, 1, seed=5).add(0.1)), found)
    torch.testing.assert_close(found.diagonal(dim1=1, dim2=2), torch.ones(2, 6, dtype=torch.float64))


def test_temporal_sne_prefers_codes_in_order_of_time():
    hours = torch.linspace(0, 60, 12, dtype=torch.float64)[None]
    angle = hours[0] * math.pi / 240
    in_order = torch.stack([angle.cos(), angle.sin()], dim=-1)[None]
    shuffled = in_order[:, torch.randperm(12, generator=torch.Generator().manual_seed(1))]
    assert float(temporal_sne(in_order, hours)) < 0.5 * float(temporal_sne(shuffled, hours))


def test_temporal_sne_knows_no_order_of_frames_nor_origin_of_time():
    codes, hours = drawn(2, 7, 4), drawn(2, 7, seed=6) * 50
    turned = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    found = temporal_sne(codes, hours)
    torch.testing.assert_close(temporal_sne(codes[:, turned], hours[:, turned]), found)
    torch.testing.assert_close(temporal_sne(codes, 1000 - hours), found)
