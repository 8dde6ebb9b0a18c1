"""SimCLR: NT-Xent against slow loops, two ranks against one, views against torchvision, the networks' sizes."""

import itertools
import math

import numpy as np
import pytest
import torch
import torchvision
from ranks import on_ranks
from torch import nn

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.backbones.resnet import ResNet
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.losses.nt_xent import nt_xent
from skyhash.nets.settings.simclr import SimclrSettings
from skyhash.nets.shared_norm import SharedBatchNorm2d, share
from skyhash.nets.views.contrastive import affine_crop, blurred, contrastive_views, matrices

pytestmark = pytest.mark.usefixtures("one_thread")


def slow_nt_xent(first, second, temperature):
    """Algorithm 1 of Chen et al. 2020, pair by pair."""
    z = [row for pair in zip(first, second, strict=True) for row in pair]

    def s(i, j):
        return float(z[i] @ z[j] / (z[i].norm() * z[j].norm()))

    def loss(i, j):
        others = sum(math.exp(s(i, k) / temperature) for k in range(len(z)) if k != i)
        return -math.log(math.exp(s(i, j) / temperature) / others)

    n = len(first)
    return sum(loss(2 * k, 2 * k + 1) + loss(2 * k + 1, 2 * k) for k in range(n)) / (2 * n)


@pytest.mark.parametrize(("rows", "size", "temperature"), itertools.product((1, 2, 7), (2, 5), (0.1, 1.0)))
def test_nt_xent_is_that_of_the_slow_loops(rows, size, temperature):
    torch.manual_seed(rows * size)
    first, second = torch.randn(2, rows, size)
    found = nt_xent(first, second, temperature, Alone())
    assert float(found) == pytest.approx(slow_nt_xent(first, second, temperature), rel=1e-4, abs=1e-6)


def test_nt_xent_of_known_vectors():
    eye = torch.eye(3)
    # the own other view at cosine 1, four others at cosine 0
    assert float(nt_xent(eye, 5 * eye, 0.5, Alone())) == pytest.approx(math.log(1 + 4 * math.exp(-2)), rel=1e-6)
    same = torch.ones(4, 3)
    assert float(nt_xent(same, same, 0.2, Alone())) == pytest.approx(math.log(7), rel=1e-6)


def small(**settings):
    torch.manual_seed(3)
    all_settings = {"backbone": "resnet10", "width": 4, "hidden": 16, "projection": 8, "crop_px": 16, **settings}
    return ENCODERS.make(SimclrSettings(**all_settings), (20, 20))


@pytest.mark.parametrize("parts", [(4, 4), (3, 5)])
def test_two_ranks_have_the_loss_and_the_gradients_of_one(parts):
    """The same network on the same global batch, batch normalisation included; ranks' gradients are averaged."""
    first, second = torch.randn(2, 8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    alone = small().train()
    expected = alone.loss_of_views(first, second, Alone())["nt_xent"]
    expected.backward()
    # one network per rank, so that nothing is shared but what is gathered; rows in the order of ranks
    nets, cuts = [small().train() for _ in parts], (slice(0, parts[0]), slice(parts[0], 8))

    def work(net_cut, group):
        net, cut = net_cut
        loss = net.loss_of_views(first[cut], second[cut], group)["nt_xent"] / 2
        loss.backward()
        return float(loss.detach())

    losses = on_ranks(work, list(zip(nets, cuts, strict=True)))
    assert sum(losses) == pytest.approx(float(expected.detach()), rel=1e-5)
    gradients = [dict(net.named_parameters()) for net in nets]
    for name, parameter in alone.named_parameters():
        # the mean over ranks of what each rank's own parameters get from all losses, as Horovod averages it
        averaged = sum(one[name].grad for one in gradients)
        torch.testing.assert_close(averaged, parameter.grad, rtol=2e-3, atol=2e-6, msg=name)
    for net in nets:
        for name, buffer in alone.named_buffers():
            torch.testing.assert_close(dict(net.named_buffers())[name], buffer, rtol=1e-4, atol=1e-6)


def test_without_shared_statistics_the_loss_would_differ():
    """What the test above would miss if normalisation were each rank's own."""
    first, second = torch.randn(2, 8, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    first[:4] += 3
    expected = float(small().train().loss_of_views(first, second, Alone())["nt_xent"].detach())
    halves = [small().train().loss_of_views(first[s], second[s], Alone())["nt_xent"] for s in (slice(4), slice(4, 8))]
    assert abs(float(sum(halves).detach()) / 2 - expected) > 1e-2


def test_shared_normalisation_is_torchs():
    images = torch.randn(6, 3, 4, 5) * 3 + 1
    theirs, ours = nn.BatchNorm2d(3), [SharedBatchNorm2d(3), SharedBatchNorm2d(3)]
    expected = theirs(images)
    parts = (images[:2], images[2:])

    def work(part, group):
        share(ours[group.rank], group)
        return ours[group.rank](part)

    torch.testing.assert_close(torch.cat(on_ranks(work, parts)), expected, rtol=1e-5, atol=1e-5)
    for one in ours:
        torch.testing.assert_close(one.running_var, theirs.running_var)
        torch.testing.assert_close(one.running_mean, theirs.running_mean)
        torch.testing.assert_close(one.eval()(images), theirs.eval()(images), rtol=1e-5, atol=1e-5)
        theirs.train()


def test_resnet18_has_the_published_blocks():
    theirs, ours = torchvision.models.resnet18(weights=None), ResNet("resnet18").net
    for number in range(1, 5):
        blocks = [getattr(net, f"layer{number}") for net in (theirs, ours)]
        assert [p.shape for p in blocks[0].parameters()] == [p.shape for p in blocks[1].parameters()]


def test_resnet50_is_torchvisions_but_for_its_first_layers():
    theirs = torchvision.models.resnet50(weights=None)
    ours = ResNet("resnet50")
    assert ours.features == 2048
    kept = {n: p.shape for n, p in theirs.named_parameters() if not n.startswith(("conv1.", "fc."))}
    found = {n.removeprefix("net."): p.shape for n, p in ours.named_parameters() if not n.startswith("net.conv1.")}
    assert found == kept
    assert sum(p.numel() for p in ours.parameters()) == 23_508_032 - 64 * 3 * 49 + 64 * 9


@pytest.mark.parametrize(("stem", "side"), [("3x3", 48), ("7x7", 48), ("strided", 12)])
def test_the_first_layers_keep_the_size(stem, side):
    net = ResNet("resnet10", stem, 8).net
    maps = net.maxpool(net.relu(net.bn1(net.conv1(torch.zeros(1, 1, 48, 48)))))
    assert maps.shape == (1, 8, side, side)
    assert net(torch.zeros(1, 1, 48, 48)).shape == (1, 64)


def test_views_turn_shear_scale_and_flip_as_torchvision_does():
    """One matrix put together from the same numbers, against torchvision's own reading of the image."""
    side, crop = 65, 33
    down, across = np.mgrid[:side, :side] - 32.0
    image = np.exp(-((across - 6) ** 2) / 60 - ((down + 3) ** 2) / 200)
    image = torch.from_numpy(image).float().view(1, 1, side, side)
    draws = iter([0.8, 0.9, 0.3])
    angle, shear, scale = ((2 * d - 1) for d in (0.8, 0.9, 0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "rand", lambda *a, **k: torch.tensor([next(draws)]))
        inverse = matrices(1, 180.0, 10.0, (0.4, 2.0), mirror=False)
    seen = affine_crop(image, inverse, torch.zeros(1, 2), crop)
    expected = torchvision.transforms.functional.affine(
        image, angle=180 * angle, translate=[0, 0], scale=0.4 + 0.3 * 1.6, shear=[-10 * shear, 0.0],
        interpolation=torchvision.transforms.InterpolationMode.BILINEAR,
    )  # fmt: skip
    expected = torchvision.transforms.functional.center_crop(expected, [crop, crop])
    assert scale == pytest.approx(-0.4)
    torch.testing.assert_close(seen, expected, atol=2e-2, rtol=0)


def test_ranges_of_the_matrices():
    torch.manual_seed(0)
    drawn = torch.linalg.inv(matrices(4000, 180.0, 0.0, (0.4, 2.0), True)).numpy()
    scale = np.sqrt(abs(np.linalg.det(drawn)))
    assert 0.4 <= scale.min() < 0.41 and 1.99 < scale.max() <= 2.0001
    assert np.mean(np.linalg.det(drawn) < 0) == pytest.approx(0.5, abs=0.03)
    angle = np.degrees(np.arctan2(drawn[:, 1, 0], drawn[:, 0, 0]))
    assert np.histogram(angle, 8, (-180, 180))[0].min() > 350
    sheared = torch.linalg.inv(matrices(2000, 0.0, 10.0, (1.0, 1.0), False)).numpy()
    tilt = np.degrees(np.arctan(sheared[:, 0, 1]))
    assert -10.001 <= tilt.min() < -9.8 and 9.8 < tilt.max() <= 10.001 and np.allclose(sheared[:, 1, 0], 0)


def test_without_any_range_a_view_is_a_crop_of_the_image():
    torch.manual_seed(5)
    images = torch.arange(2 * 49.0).view(2, 1, 7, 7)
    for _ in range(5):
        seen = contrastive_views(images, 5, 0.0, 0.0, (1.0, 1.0), False)
        for image, view in zip(images[:, 0], seen[:, 0], strict=True):
            crops = [image[i : i + 5, j : j + 5] for i in range(3) for j in range(3)]
            assert any(torch.allclose(view, crop, atol=1e-3) for crop in crops)


def test_blur_is_a_gaussian_of_each_images_own_width():
    from scipy import ndimage

    images = torch.randn(3, 1, 24, 24)
    sigma = torch.tensor([0.0, 0.8, 2.0])
    found = blurred(images, sigma).numpy()
    for image, width, one in zip(images.numpy(), sigma.tolist(), found, strict=True):
        expected = ndimage.gaussian_filter(image[0], width, mode="constant", truncate=6 / max(width, 0.5))
        np.testing.assert_allclose(one[0], expected, atol=4e-3)


def test_blur_gain_and_noise_of_views_have_the_asked_ranges():
    still = {"turn_deg": 0, "shear_deg": 0, "scale": (1, 1), "mirror": False, "crop_px": 20}
    place = torch.arange(20.0) - 9
    point = torch.zeros(300, 1, 20, 20)
    point[:, :, 9, 9] = 1
    for axis in (2, 3):
        profile = small(**still, blur_px=2.0).views(point).sum(dim=(1, axis))
        sigma = ((profile * place.square()).sum(dim=1) / profile.sum(dim=1)).sqrt()
        assert 1.9 < float(sigma.max()) < 2.02 and float(sigma.mean()) == pytest.approx(1.0, abs=0.15)
    factor = small(**still, gain=0.4).views(torch.ones(300, 1, 20, 20)).log()
    assert torch.allclose(factor, factor[:, :, :1, :1], atol=1e-5), "one factor for an image"
    assert float(factor.min()) == pytest.approx(-0.4, abs=0.02) and float(factor.max()) == pytest.approx(0.4, abs=0.02)
    spread = small(**still, noise=0.5).views(torch.ones(300, 1, 20, 20)).flatten(1).std(dim=1)
    assert 0.45 < float(spread.max()) < 0.55 and float(spread.mean()) == pytest.approx(0.25, abs=0.05)


def test_codes_are_those_of_the_middle_that_is_asked_for():
    data = torch.rand(3, 20, 20)
    net, whole = small(encode_px=12, orientations=1).eval(), small(orientations=1).eval()
    with torch.no_grad():
        torch.testing.assert_close(net.encode(data), whole.encode(data[:, 4:16, 4:16]))
        torch.testing.assert_close(net.encode(data[:, :12, :12]), whole.encode(data[:, :12, :12]))


def rows_of(data):
    n = len(data)
    nowhere = torch.full((n,), -1)
    return Batch(data, torch.full((n,), torch.nan, dtype=torch.float64), nowhere, torch.arange(n), nowhere)


@pytest.mark.parametrize("code", ["features", "projection"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_codes_have_the_asked_length(code, dtype):
    net = small(code=code, orientations=8, channels_last=True).eval()
    data = torch.randint(0, 99, (3, 20, 20)).to(dtype)
    codes = net.encode(data)
    assert codes.shape == (3, net.code_size) == (3, 32 if code == "features" else 8) and codes.dtype == torch.float32
    torch.testing.assert_close(net.encode(data.flip(1)), codes, atol=1e-4, rtol=1e-3)


def test_what_cannot_be_encoded_is_refused():
    for shape in ((20, 24), (20, 20, 3)):
        with pytest.raises(ModelMismatch, match="square grey"):
            ENCODERS.make(SimclrSettings(backbone="resnet10", width=4), shape)
    from skyhash.config import load

    with pytest.raises(ConfigError, match=r"encoder.*in order"):
        load(None, ["encoder.kind=simclr", "encoder.scale=[2, 1]"])


def test_training_draws_views_of_one_image_together_and_images_apart():
    torch.manual_seed(0)
    down, across = np.mgrid[:20, :20] - 10.0
    bar, ring, spot = abs(down) < 2, abs(np.hypot(down, across) - 6) < 1.5, np.hypot(down, across) < 3
    data = torch.from_numpy(np.stack([bar, ring, spot, bar & spot] * 4).astype(np.float32) * 3)
    data = data + 0.1 * torch.randn(data.shape)
    net = small(scale=(0.8, 1.2), noise=0.1, gain=0.2, blur_px=0.5).train()
    optimiser = torch.optim.Adam(net.parameter_groups(3e-3))
    losses = []
    for _ in range(25):
        (loss,) = net.loss(rows_of(data), Alone()).values()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-5:]) < losses[0] - 0.3
    with torch.no_grad():
        watched = net.eval().monitor(rows_of(data))
    assert watched["mean_cosine"] < 1 - 1e-4 and watched["dead_units"] < net.code_size


def test_a_pretrained_backbone_is_fine_tuned_by_the_same_loss():
    net = small(backbone="efficientnet_lite0", frozen_stages=8, backbone_rate=0.1, crop_px=32, enlarge=2)
    before = net.backbone.net._conv_stem.weight.clone()
    net.fit(lambda: iter(()), Alone())
    assert not torch.equal(before, net.backbone.net._conv_stem.weight), "ImageNet's weights"
    head, backbone = net.parameter_groups(1e-3)
    assert backbone["lr"] == pytest.approx(1e-4) and len(head["params"]) == 4
    loss = net.train().loss(rows_of(torch.rand(3, 20, 20)), Alone())["nt_xent"]
    loss.backward()
    assert net.backbone.net._conv_head.weight.grad.abs().sum() > 0 and net.backbone.net._conv_stem.weight.grad is None
    assert net.eval().encode(torch.rand(2, 20, 20)).shape == (2, 1280)


def test_the_mean_cosine_is_that_of_all_pairs_of_different_rows():
    net = small().eval()
    rows = rows_of(torch.rand(7, 20, 20, generator=torch.Generator().manual_seed(4)))
    with torch.inference_mode():
        code = net.encode(rows.data)
        found = net.monitor(rows)["mean_cosine"]
    pairs = [float(torch.cosine_similarity(code[i], code[j], dim=0)) for i in range(7) for j in range(7) if i != j]
    assert found == pytest.approx(sum(pairs) / 42, abs=1e-5)
