"""Table 1's autoencoder."""

import pytest
import torch
from skyhash.nets.registry import build

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets.autoencoder import Autoencoder
from skyhash.nets.encoder import Batch


@pytest.fixture
def rows():
    return torch.rand(100, 256, generator=torch.Generator().manual_seed(1)) * torch.linspace(1, 300, 256)


def test_parameters_are_those_of_table_1():
    net = build("autoencoder")
    linear = [m for m in net.modules() if isinstance(m, torch.nn.Linear)]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in linear]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [
        (256, 128), (128, 64), (64, 32), (32, 64), (64, 128), (128, 256)]  # fmt: skip
    assert counts == [32896, 8256, 2080, 2112, 8320, 33024]
    assert sum(p.numel() for p in net.parameters()) == 86_688


def test_layers_follow_each_other_as_printed():
    net = build("autoencoder", output="relu_tanh")
    names = [type(m).__name__ for m in (*net.encoder, *net.decoder)]
    assert names == ["Linear", "ReLU"] * 6 + ["Tanh"]


def test_fitted_input_has_mean_square_1(rows):
    net = Autoencoder()
    net.fit_input(rows)
    assert float(net.scaled(rows).square().mean()) == pytest.approx(1, rel=1e-5)


def test_gram_of_shards_adds_up(rows):
    whole, parts = Autoencoder(), Autoencoder()
    torch.manual_seed(0)
    whole.fit_input(rows)
    torch.manual_seed(0)
    parts.fit_gram(Autoencoder.gram(rows[:37]) + Autoencoder.gram(rows[37:]))
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(tensor, parts.state_dict()[name])


def test_constant_cells_and_a_zero_archive_give_finite_codes(rows):
    for x in (rows * (torch.arange(256) > 9) + 5.0, torch.zeros(3, 256), rows[:1]):
        net = Autoencoder()
        net.fit_input(x)
        assert torch.isfinite(net.encode(x)).all()
        assert torch.isfinite(net.loss(Batch(x, torch.zeros(len(x), dtype=torch.float64))))


@pytest.mark.parametrize("output", ["tanh", "relu_tanh"])
def test_codes_and_targets_have_their_ranges(rows, output):
    net = Autoencoder(output=output)
    net.fit_input(rows)
    code, target, decoded = net.encode(rows), net.target(rows), net(rows)
    assert code.shape == (100, 32) and code.dtype == torch.float32 and code.min() >= 0

    assert min(target.min(), decoded.min() + (output == "tanh")) >= 0 and max(target.max(), decoded.max()) < 1


def test_another_descriptor_is_refused(rows):
    net = Autoencoder()
    for use in (net.encode, net.fit_input):
        with pytest.raises(ModelMismatch, match="100 numbers"):
            use(rows[:, :100])


def test_unknown_encoder_is_a_user_error():
    with pytest.raises(ConfigError, match=r"train\.encoder"):
        build("autoencoda")
