"""Table 1's autoencoder."""

import math

import numpy as np
import pytest
import torch

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets import ENCODERS, autoencoder, component_init
from skyhash.nets.autoencoder import Autoencoder
from skyhash.nets.encoder import Alone, Batch, Encoder
from skyhash.nets.losses.cosine_stress import cosine_stress
from skyhash.nets.settings.autoencoder import AutoencoderSettings


def build(size=256, **settings):
    return Autoencoder(AutoencoderSettings(**settings), (size,))


def batch(rows):
    unknown = torch.full((len(rows),), -1)
    return Batch(rows, torch.zeros(len(rows), dtype=torch.float64), unknown, unknown, unknown)


def fitted(rows, parts=1, **settings):
    net = build(rows.shape[1], **settings)
    net.fit(lambda: (batch(part) for part in rows.tensor_split(parts)), Alone())
    return net


@pytest.fixture
def rows():
    return torch.rand(100, 256, generator=torch.Generator().manual_seed(1)) * torch.linspace(1, 300, 256)


def test_parameters_are_those_of_table_1():
    net = build()
    linear = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in linear]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (256, 128), (128, 64), (64, 32), (32, 64), (64, 128), (128, 256)]  # fmt: skip
    assert counts == [32896, 8256, 2080, 2112, 8320, 33024]
    assert sum(p.numel() for p in net.parameters()) == 86_688


def test_layers_follow_each_other_as_printed():
    net = build(output="relu_tanh")
    names = [type(m).__name__ for m in (*net.encoder, *net.decoder)]
    assert names == ["Linear", "ReLU"] * 6 + ["Tanh"]


def test_fitted_input_has_mean_square_1(rows):
    net = fitted(rows)
    assert float(net.scaled(rows).square().mean()) == pytest.approx(1, rel=1e-5)


def test_moments_of_batches_add_up(rows):
    torch.manual_seed(0)
    whole = fitted(rows)
    torch.manual_seed(0)
    parts = fitted(rows, parts=3)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(tensor, parts.state_dict()[name])


def test_constant_cells_and_a_zero_archive_give_finite_codes(rows):
    for x in (rows * (torch.arange(256) > 9) + 5.0, torch.zeros(3, 256), rows[:1]):
        net = fitted(x, similarity=10.0, rotation=0.3, noise=0.3)
        assert torch.isfinite(net.encode(x)).all()
        parts = net.loss(batch(x), Alone())
        assert set(parts) == {"reconstruction", "similarity", "rotation"}
        assert all(torch.isfinite(part) for part in parts.values())


@pytest.mark.parametrize("output", ["tanh", "relu_tanh"])
def test_codes_and_targets_have_their_ranges(rows, output):
    net = fitted(rows, output=output)
    code, target, decoded = net.encode(rows), net.target(rows), net(rows)
    assert code.shape == (100, 32) and code.dtype == torch.float32 and code.min() >= 0

    assert min(target.min(), decoded.min() + (output == "tanh")) >= 0 and max(target.max(), decoded.max()) < 1


def test_another_descriptor_is_refused(rows):
    with pytest.raises(ModelMismatch, match="100 numbers"):
        build().encode(rows[:, :100])
    with pytest.raises(ModelMismatch, match="10 numbers, expected those of a square grid"):
        build(10)


def test_unknown_encoder_is_a_user_error():
    with pytest.raises(ConfigError, match=r"encoder\.kind: found 'autoencoda', expected one of autoencoder"):
        ENCODERS.get("autoencoda")


def test_terms_of_weight_0_are_left_out(rows):
    net = fitted(rows, similarity=0.0, rotation=0.0)
    assert set(net.loss(batch(rows), Alone())) == {"reconstruction"}


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_an_encoder_of_rate_0_is_frozen_and_gets_no_gradients(rows, rate):
    net = fitted(rows, similarity=0.0, rotation=0.0, encoder_rate=rate)
    net.loss(batch(rows), Alone())["reconstruction"].backward()
    assert all((p.grad is not None) == bool(rate) for p in net.encoder.parameters())
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.decoder[0].parameters())
    assert len(net.parameter_groups(1e-3)) == (2 if rate else 1)


def smoothed_along_rows(frames, cells):
    """The value of each cell shared out over the 16 cells of its row, with Gaussian weights of sum 1; loops."""
    found = np.zeros_like(frames)
    for frame, row, cell in np.ndindex(len(frames), 16, 16):
        weights = [math.exp(-0.5 * ((cell - other) / cells) ** 2) for other in range(16)]
        shares = frames[frame, 16 * row + cell] * np.array(weights) / sum(weights)
        found[frame, 16 * row : 16 * row + 16] += shares
    return found


def test_similarity_is_the_cosine_stress_to_frames_smoothed_along_the_rotation(rows):
    net = fitted(rows, reconstruction=0.0, similarity=3.0, suns=2, frames=4, smoothing_cells=1.5)
    torch.manual_seed(5)
    parts = {name: part.detach() for name, part in net.loss(batch(rows), Alone()).items()}
    torch.manual_seed(5)
    frames = net._views(net.scaled(rows), 2, 4)[0].flatten(0, 1)
    target = torch.from_numpy(smoothed_along_rows(frames.numpy().astype(float), 1.5))
    expected = 3.0 * cosine_stress(net.encoder(frames).detach().double(), target)
    assert set(parts) == {"similarity"} and float(parts["similarity"]) == pytest.approx(float(expected), rel=1e-4)


def test_codes_start_as_components_of_descriptors_smoothed_along_the_rotation(rows):
    regions = torch.zeros(60, 16, 16)
    at = torch.randint(2, 14, (60, 3, 2), generator=torch.Generator().manual_seed(2))
    for one, places in zip(regions, at, strict=True):
        for row, column in places.tolist():
            one[row, column] = 100.0
    # one region, and the same a cell further on: along the rotation, and across it
    along, across = regions.roll(1, dims=2), regions.roll(1, dims=1)
    net = fitted(regions.flatten(1), own_share=1.0)
    with torch.inference_mode():
        here, there, beside = (net.encode(one.flatten(1)) for one in (regions, along, across))
    near, far = ((here - other).square().sum(dim=1).mean() for other in (there, beside))
    assert near < 0.5 * far


@pytest.mark.parametrize("cells", [0, 1, 2])
def test_moments_of_shifted_grids_are_those_of_the_grids_shifted_one_by_one(cells):
    grids = torch.rand(7, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    shifted = []
    for grid in grids:
        for by in range(-cells, cells + 1):
            moved = torch.zeros_like(grid)
            for row in range(5):
                if 0 <= row - by < 5:
                    moved[row] = grid[row - by]
            shifted.append(moved.flatten())
    every, flat = torch.stack(shifted), grids.flatten(1)
    mean, products = component_init.spread(flat.mean(dim=0), flat.T @ flat / len(flat), cells)
    torch.testing.assert_close(mean, every.mean(dim=0))
    torch.testing.assert_close(products, every.T @ every / len(every))


def test_regions_at_latitudes_that_training_did_not_show_stay_told_apart():
    """Of grids with regions in rows 4 and 10 alone, codes of regions in row 5 depend on their longitude."""
    random = torch.Generator().manual_seed(4)
    seen, unseen = torch.zeros(80, 16, 16), torch.zeros(16, 16, 16)
    for one in seen:
        for row in (4, 10):
            one[row, torch.randint(1, 15, (2,), generator=random)] = 100.0
    for column, one in enumerate(unseen):
        one[5, column] = 100.0
    spreads = []
    for cells in (0, 1):
        torch.manual_seed(1)
        with torch.inference_mode():
            codes = fitted(seen.flatten(1), own_share=1.0, north_south_cells=cells).encode(unseen.flatten(1))
        spreads.append(float(codes.std(dim=0).norm()))
    # components of 80 grids are not well determined, so that the first spread differs between processors
    assert spreads[1] > 1.5 * spreads[0]


@pytest.mark.parametrize("start", ["components", "receptive_fields"])
def test_the_start_does_not_depend_on_the_unit_of_the_descriptors(rows, start):
    codes = []
    for unit in (1.0, 64.0):
        torch.manual_seed(8)
        with torch.inference_mode():
            codes.append(fitted(rows * unit, start=start).encode(rows[:20] * unit))
    torch.testing.assert_close(codes[0], codes[1], rtol=1e-3, atol=1e-4)


def test_units_that_no_row_excites_are_dead(rows):
    torch.manual_seed(0)
    net = build()
    with torch.no_grad():
        net.encoder[-2].bias[:3] = -1e6
        dead = [column for column in net.encode(rows).T.tolist() if not any(column)]
    assert net.monitor(batch(rows))["dead_units"] == len(dead) and 3 <= len(dead) < 32


def test_units_that_are_equal_for_all_rows_are_dead(rows):
    net = fitted(rows)
    with torch.no_grad():
        net.encoder[-2].weight[3], net.encoder[-2].bias[3] = 0.0, 2.0
        net.encoder[-2].weight[5], net.encoder[-2].bias[5] = 0.0, 0.0
    many = torch.cat([rows] * (-(-600 // len(rows))))
    assert Encoder.monitor(net, batch(many)) == {"dead_units": 2.0}


def test_a_large_archive_starts_from_an_even_part_of_its_rows_and_the_moments_of_all(monkeypatch):
    monkeypatch.setattr(autoencoder, "START_ROWS", 8)
    rows = torch.rand(100, 256, generator=torch.Generator().manual_seed(6)) + torch.arange(100.0)[:, None]
    seen = []
    monkeypatch.setattr(Autoencoder, "_start_with_components", lambda net, some, *moments: seen.append((some, moments)))
    net = ENCODERS.make(AutoencoderSettings(), (256,), ())
    net.fit(lambda: (batch(part) for part in rows.split(10)), Alone())
    ((some, (mean, products, _)),) = seen
    numbers = (some * net.scale)[:, 0].floor().long()
    assert 8 <= len(some) <= 16 and len(set(numbers.tolist())) == len(some)
    assert numbers.min() < 40 and numbers.max() > 85
    torch.testing.assert_close(mean * net.scale, rows.double().mean(dim=0))
    torch.testing.assert_close(products * net.scale.double() ** 2, rows.double().T @ rows.double() / 100)
