"""The galaxies' code from rings: turned, mirrored and spiral pictures, directions against scipy, the fit."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from ranks import on_ranks

from skyhash.nets import ENCODERS
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.layers.ring_features import ARMS, NUMBERS, ORDERS, PITCHES, RINGS, RingFeatures
from skyhash.nets.layers.view_components import Moments, view_components
from skyhash.nets.settings.galaxy_rings import GalaxyRingsSettings

pytestmark = pytest.mark.usefixtures("one_thread")
CHANGES = slice(RINGS * ORDERS, RINGS * ORDERS + (RINGS - 1) * (ORDERS - 1))
SPECTRUM = slice(CHANGES.stop, NUMBERS)


def spirals(n=4, side=64, sense=1.0, seed=0, arms=2):
    """Discs with logarithmic arms of some pitches, float, shape (n, 1, side, side)."""
    random = torch.Generator().manual_seed(seed)
    middle = (torch.arange(side) + 0.5) / side * 2 - 1
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    radius, angle = (x.square() + y.square()).sqrt().clamp(min=0.02), torch.atan2(y, x)
    pitch, start, size = torch.rand(3, n, 1, 1, generator=random)
    phase = arms * angle - sense * (3 + 3 * pitch) * radius.log() + 6 * start
    return (torch.exp(-radius / (0.15 + 0.2 * size)) * (1 + 0.8 * phase.cos()))[:, None] / 2


def test_features_stay_when_pictures_turn():
    rings, images = RingFeatures(0.667, (0.03, 0.8)), spirals()
    for turns in (1, 2, 3):
        torch.testing.assert_close(rings(torch.rot90(images, turns, (-2, -1))), rings(images), atol=2e-3, rtol=1e-3)
    assert rings(images).shape == (4, NUMBERS)


def test_mirroring_inverts_changes_of_phase_and_pitches():
    rings, images = RingFeatures(0.667, (0.03, 0.8)), spirals()
    own, mirrored = rings(images), rings(images.flip(-1))
    torch.testing.assert_close(mirrored[:, : CHANGES.start], own[:, : CHANGES.start], atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(mirrored[:, CHANGES], -own[:, CHANGES], atol=2e-3, rtol=1e-3)
    pitches = own[:, SPECTRUM].view(4, 2 * PITCHES + 1, ARMS)
    inverted = torch.cat([pitches[:, :1], pitches[:, 1:].flip(1)], dim=1)
    torch.testing.assert_close(mirrored[:, SPECTRUM].view_as(inverted), inverted, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(("arms", "sense"), itertools.product((2, 3), (1.0, -1.0)))
def test_the_spectrum_peaks_at_the_arms_and_their_sense(arms, sense):
    found = RingFeatures(0.667, (0.03, 0.8))(spirals(arms=arms, sense=sense))[:, SPECTRUM]
    row, column = np.unravel_index(found.argmax(dim=1).numpy(), (2 * PITCHES + 1, ARMS))
    pitch = np.where(row > PITCHES, row - (2 * PITCHES + 1), row)
    assert (column == arms - 1).all() and (np.sign(pitch) == -sense).all()


def test_brightness_changes_no_feature_and_an_even_picture_gives_numbers():
    rings, images = RingFeatures(0.667, (0.03, 0.8)), spirals()
    torch.testing.assert_close(rings(images * 0.5), rings(images), atol=1e-3, rtol=1e-3)
    assert rings(torch.full((2, 3, 32, 32), 0.3)).isfinite().all()


def moments_of(rows):
    moments = Moments(rows.shape[2])
    for part in rows.split(7, dim=1):
        moments.add(part)
    return moments


def views_of_images(views=4, n=60, numbers=6, seed=0):
    random = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=random, dtype=torch.float64)  # noqa: E731
    return 2 + draw(1, n, numbers) @ draw(numbers, numbers) + 0.5 * draw(views, n, numbers) @ draw(numbers, numbers)


@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_directions_are_those_of_scipy(ridge):
    rows = views_of_images()
    views, n, numbers = rows.shape
    mean, directions, ratios = view_components(moments_of(rows), 3, ridge)
    flat = rows.flatten(0, 1).numpy()
    spread = flat.std(axis=0)
    total = np.cov(flat.T, bias=True) / np.outer(spread, spread)
    within = sum(np.cov(rows[:, i].numpy().T, bias=True) * views for i in range(n)) / (n * (views - 1))
    within /= np.outer(spread, spread)
    # the floor of 1e-6 serves views that are equal
    within += (ridge + 1e-6) * np.trace(within) / numbers * np.eye(numbers)
    expected, vectors = scipy.linalg.eigh(total, within)
    np.testing.assert_allclose(ratios, expected[::-1][:3], rtol=1e-4)
    np.testing.assert_allclose(mean, flat.mean(axis=0))
    found = (directions * torch.from_numpy(spread)[:, None]).numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(vectors[:, ::-1][:, :3]), rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(found.T @ within @ found, np.eye(3), atol=1e-4)


def test_what_views_change_takes_no_part_nor_do_constant_features():
    rows = torch.zeros(5, 40, 4, dtype=torch.float64)
    random = torch.Generator().manual_seed(1)
    rows[:, :, 0] = 10 * torch.randn(5, 40, generator=random)  # large, and another for every view
    rows[:, :, 1] = torch.randn(1, 40, generator=random) + 0.1 * torch.randn(5, 40, generator=random)
    rows[:, :, 2] = 7.0
    rows[:, :, 3] = 0.1 * torch.randn(5, 40, generator=random)
    _, directions, ratios = view_components(moments_of(rows), 2, 0.01)
    units = directions[:, 0].abs() * rows.flatten(0, 1).std(dim=0)
    assert units.argmax() == 1 and units[[0, 3]].max() < 0.2 * units[1] and (directions[2] == 0).all()
    assert ratios[0] > 5 * ratios[1]


def batch(images, labels=None):
    n = len(images)
    nowhere, hours = torch.full((n,), -1), torch.full((n,), torch.nan, dtype=torch.float64)
    data = (images.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).expand(-1, -1, -1, 3).contiguous()
    return Batch(data, hours, nowhere if labels is None else labels, torch.arange(n), nowhere)


def fitted(rows, **settings):
    torch.manual_seed(3)
    net = ENCODERS.make(GalaxyRingsSettings(size=4, **settings), (64, 64, 3), ("a", "b"))
    net.fit(lambda: iter([rows]), Alone())
    return net.eval()


def test_the_fitted_code_tells_senses_apart_and_uses_no_labels():
    images = torch.cat([spirals(12, sense=1.0), spirals(12, sense=-1.0, seed=1)])
    net = fitted(batch(images))
    others = torch.cat([spirals(6, sense=1.0, seed=2), spirals(6, sense=-1.0, seed=3)])
    with torch.no_grad():
        code = torch.nn.functional.normalize(net.encode(batch(others).data), dim=1)
    alike = (code @ code.T).fill_diagonal_(-math.inf)
    assert ((alike.argmax(dim=1) < 6) == (torch.arange(12) < 6)).all()
    labelled = fitted(batch(images, torch.arange(24) % 2))
    for name, value in net.state_dict().items():
        torch.testing.assert_close(labelled.state_dict()[name], value, rtol=0, atol=0)


def test_ranks_have_equal_directions_and_hashing_needs_the_weights_alone():
    parts = [batch(spirals(5)), batch(spirals(7, sense=-1.0, seed=1))]
    nets = [ENCODERS.make(GalaxyRingsSettings(size=4, noise=0.0), (64, 64, 3)) for _ in parts]
    on_ranks(lambda rows, group: nets[group.rank].fit(lambda: iter([rows]), group), parts)
    torch.testing.assert_close(nets[0].directions, nets[1].directions, rtol=0, atol=0)
    again = ENCODERS.make(GalaxyRingsSettings(size=4), (64, 64, 3))
    again.load_state_dict(nets[0].state_dict())
    with torch.no_grad():
        torch.testing.assert_close(again.eval().encode(parts[1].data), nets[0].eval().encode(parts[1].data))


def test_training_changes_the_last_layer_alone():
    rows = batch(spirals(8))
    net = fitted(rows).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.Adam(net.parameter_groups(1e-2))
    sum(net.loss(rows, Alone()).values()).backward()
    optimiser.step()
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["last.weight"]
