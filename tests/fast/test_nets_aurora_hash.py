"""Deep hashing of auroras: sizes beside the published, layers and losses against slow loops, ranks, learning."""

import math

import numpy as np
import pytest
import torch
import torchvision
from ranks import on_ranks
from torchvision.transforms.v2 import functional as foreign

from skyhash.config import load
from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.layers.alexnet import AlexNetMaps
from skyhash.nets.layers.class_code import class_code
from skyhash.nets.layers.power_mean import PowerMean
from skyhash.nets.layers.pyramid import SpatialPyramid
from skyhash.nets.losses.classification import classification_losses
from skyhash.nets.losses.pairwise import pairwise_likelihood
from skyhash.nets.losses.quantisation import quantisation_errors
from skyhash.nets.settings.aurora_hash import AuroraHashSettings
from skyhash.nets.views.affine import random_affine

ALEXNETS = ("alexnet", "alexnet_sp", "im_alexnet_sp")
FOUR = ("arc", "drapery corona", "hot spot", "radial corona")


pytestmark = pytest.mark.usefixtures("one_thread")


def encoder(shape=(64, 64), classes=("a", "b", "c"), **settings):
    torch.manual_seed(3)
    small = {"architecture": "alexnet", "width": 0.05, "input_px": 0, "bits": 12}
    return ENCODERS.make(AuroraHashSettings(**small | settings), shape, classes)


def batch(n=6, side=64, seed=0, classes=3):
    random = torch.Generator().manual_seed(seed)
    data = torch.randint(0, 256, (n, side, side), dtype=torch.uint8, generator=random)
    nowhere = torch.full((n,), -1)
    return Batch(data, torch.full((n,), torch.nan, dtype=torch.float64), torch.arange(n) % classes, torch.arange(n),
                 nowhere)  # fmt: skip


@pytest.mark.parametrize(
    "architecture, parameters, mb, published",
    [
        ("alexnet", 57_200_692, 218.20, 218.20),
        ("alexnet_sp", 46_715_444, 178.21, 179.15),
        ("im_alexnet_sp", 26_192_564, 99.92, 100.77),
    ],
)
def test_sizes_at_48_bits_beside_the_published(architecture, parameters, mb, published):
    with torch.device("meta"):
        net = encoder((224, 224), FOUR, architecture=architecture, width=1.0, bits=48)
    found = sum(p.numel() for p in net.parameters())
    assert found == parameters
    assert found * 4 / 2**20 == pytest.approx(mb, abs=0.005) and mb == pytest.approx(published, rel=0.009)


def test_the_convolutions_are_torchvisions():
    """The same weights in both give the same maps."""
    torch.manual_seed(1)
    theirs, ours = torchvision.models.AlexNet().features.eval(), AlexNetMaps().eval()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        a.data.copy_(b.data)
    images = torch.rand(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


@pytest.mark.parametrize("size", [(6, 6), (5, 7), (3, 3), (1, 1), (13, 9)])
def test_the_pyramid_is_that_of_slow_loops(size):
    maps = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(5))
    pyramid = SpatialPyramid((1, 3, 4))
    found = pyramid(maps)
    assert found.shape == (2, 3, 26) and pyramid.bins == 26
    column = 0
    for level in (1, 3, 4):
        for i in range(level):
            for j in range(level):
                rows = range(math.floor(i * size[0] / level), math.ceil((i + 1) * size[0] / level))
                columns = range(math.floor(j * size[1] / level), math.ceil((j + 1) * size[1] / level))
                highest = torch.stack([maps[:, :, r, c] for r in rows for c in columns]).amax(dim=0)
                assert torch.equal(found[:, :, column], highest)
                column += 1


def test_the_power_mean_transformation_is_its_formula():
    layer = PowerMean(2)
    values = torch.tensor([[[0.0, 0.05, 1.0], [0.0, 2.0, 300.0]]])
    # at its start: the logarithm alone, 1 stays 1
    torch.testing.assert_close(layer(values), torch.log(1 + values / 0.05) / math.log(21))
    layer.linear.data = torch.tensor([[0.5], [2.0]])
    layer.square.data = torch.tensor([[3.0], [-0.25]])
    for channel, (a, b) in enumerate(((0.5, 3.0), (2.0, -0.25))):
        for position in range(3):
            log = math.log(1 + float(values[0, channel, position]) / 0.05)
            assert float(layer(values)[0, channel, position].detach()) == pytest.approx(
                a * log + b * log * log, rel=1e-4
            )
    assert not layer(torch.zeros(1, 2, 3)).any()


def slow_pairs(codes, labels, balance):
    """The printed formula, one pair after the other, in float64."""
    kinds = {True: [], False: []}
    for i in range(len(codes)):
        for j in range(i + 1, len(codes)):
            if labels[i] < 0 or labels[j] < 0:
                continue
            theta = sum(float(a) * float(b) for a, b in zip(codes[i], codes[j], strict=True)) / 2
            same = bool(labels[i] == labels[j])
            kinds[same].append(math.log(1 + math.exp(theta)) - (theta if same else 0.0))
    if not balance:
        every = kinds[True] + kinds[False]
        return sum(every) / len(every) if every else 0.0
    means = [sum(one) / len(one) for one in kinds.values() if one]
    return sum(means) / len(means) if means else 0.0


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_pairs_are_those_of_the_slow_loops(balance, seed):
    random = torch.Generator().manual_seed(seed)
    codes = torch.randn(9, 6, generator=random, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(-1, 3, (9,), generator=random)
    found = pairwise_likelihood(codes, labels, balance)
    assert float(found.detach()) == pytest.approx(slow_pairs(codes.detach(), labels, balance), rel=1e-9)
    assert torch.autograd.gradcheck(lambda c: pairwise_likelihood(c, labels, balance), codes)


@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1, -1], [0, -1, -1]])
def test_pairs_of_one_kind_or_none(balance, labels):
    codes = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), requires_grad=True)
    loss = pairwise_likelihood(codes, torch.tensor(labels), balance)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(slow_pairs(codes.detach(), labels, balance), rel=1e-5)
    assert torch.isfinite(codes.grad).all()


def test_of_signs_the_pair_loss_counts_differing_bits():
    """theta = bits / 2 - distance: nearer is a smaller loss for a pair of one class, a greater one for one of two."""
    one = torch.ones(8)
    losses = []
    for differing in range(9):
        other = one.clone()
        other[:differing] = -1
        pair = torch.stack([one, other])
        losses.append([float(pairwise_likelihood(pair, torch.tensor(labels))) for labels in ([0, 0], [0, 1])])
        assert losses[-1][1] == pytest.approx(math.log(1 + math.exp(4 - differing)), rel=1e-5)
    same, different = np.array(losses).T
    assert (np.diff(same) > 0).all() and (np.diff(different) < 0).all()


def test_quantisation_and_classification_are_slow_sums():
    codes = torch.tensor([[1.0, -1.0, 1.0], [0.0, 0.5, -2.0]], dtype=torch.float64)
    assert quantisation_errors(codes).tolist() == pytest.approx([0.0, (1 + 0.25 + 1) / 3])
    scores, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 2, -1, 1, 0])
    for smoothing in (0.0, 0.3):
        for i, found in enumerate(classification_losses(scores, labels, smoothing)):
            shares = [math.exp(float(s)) for s in scores[i]]
            target = [smoothing / 3 + (1 - smoothing) * (c == int(labels[i])) for c in range(3)]
            slow = -sum(t * math.log(s / sum(shares)) for t, s in zip(target, shares, strict=True))
            assert float(found) == pytest.approx(slow if labels[i] >= 0 else 0.0, rel=1e-9)


@pytest.mark.parametrize("architecture", [*ALEXNETS, "efficientnet_lite0"])
@pytest.mark.parametrize("bits, shape", [(12, (32, 32, 3)), (48, (70, 70))])
def test_codes_have_the_asked_length(architecture, bits, shape):
    net = encoder(shape, architecture=architecture, bits=bits, input_px=64).eval()
    code = net.encode(torch.randint(0, 256, (2, *shape), dtype=torch.uint8))
    assert code.shape == (2, bits) and net.code_size == bits and net.threshold == "zero"
    assert (code.abs() <= 1).all() and net.classify(code).shape == (2,)


def test_without_the_hash_loss_only_classes_are_learned():
    rows = batch()
    assert set(encoder(pairwise=0, quantisation=0).loss(rows, Alone())) == {"classification"}
    assert set(encoder().loss(rows, Alone())) == {"classification", "pairwise", "quantisation"}
    halved = encoder(mirror=False, scale=0, shift=0, dropout=0, pairwise=0.5, quantisation=3.0)
    whole = encoder(mirror=False, scale=0, shift=0, dropout=0, pairwise=1.0, quantisation=1.0)
    with torch.no_grad():
        a, b = halved.loss(rows, Alone()), whole.loss(rows, Alone())
    assert float(a["pairwise"]) == pytest.approx(0.5 * float(b["pairwise"]))
    assert float(a["quantisation"]) == pytest.approx(3 * float(b["quantisation"]))


def test_a_loss_of_no_parts_is_zero_and_moves_nothing():
    net = encoder(pairwise=0, quantisation=0, classification=0)
    (part,) = net.loss(batch(), Alone()).values()
    part.backward()
    assert float(part.detach()) == 0 and all(p.grad is None or not p.grad.any() for p in net.parameters())


def test_the_pyramid_and_the_transformation_are_settings():
    plain = encoder(architecture="alexnet_sp", pyramid=(), power_mean=False)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in encoder().parameters())
    kinds = {type(m) for m in encoder(architecture="alexnet_sp", pyramid=(1, 2)).net.pooling}
    assert kinds == {SpatialPyramid, PowerMean}


def test_fit_measures_colours_over_all_ranks_and_wants_two_classes():
    first, second = batch(4, 63, 1), batch(2, 63, 2)
    nets = [encoder((63, 63)), encoder((63, 63))]
    on_ranks(lambda part, group: nets[group.rank].fit(lambda: iter([part]), group), [first, second])
    values = torch.cat([first.data, second.data]).double() / 255
    for net in nets:
        assert net.net.mean.flatten().tolist() == pytest.approx([float(values.mean())] * 3, rel=1e-5)
        assert net.net.spread.flatten().tolist() == pytest.approx([float(values.std(correction=0))] * 3, rel=1e-4)
    with pytest.raises(ModelMismatch, match="fewer than two classes"):
        nets[0].fit(lambda: iter([first._replace(labels=torch.zeros(4, dtype=torch.int64))]), Alone())


def test_the_pretrained_network_starts_from_imagenet_and_freezes():
    net = encoder((32, 32, 3), architecture="efficientnet_lite0", frozen_stages=9, input_px=0)
    before = net.net.net._conv_stem.weight.clone()
    rows = batch(4, 32)._replace(data=torch.zeros(4, 32, 32, 3, dtype=torch.uint8))
    net.fit(lambda: iter([rows]), Alone())
    assert not torch.equal(before, net.net.net._conv_stem.weight)
    assert len(net.parameter_groups(1e-3)) == 1
    _, backbone = encoder((32, 32, 3), architecture="efficientnet_lite0", frozen_stages=8).parameter_groups(1e-3)
    assert backbone["lr"] == pytest.approx(1e-4)


def test_class_codes_say_the_mean_of_image_and_mirror_image_and_of_the_frozen_regression():
    mixed = {"code": "classes", "frozen_share": 0.4, "orientations": 2}
    net, plain = encoder(**mixed), encoder()
    rows = batch()
    losses = []
    for one in (net, plain):
        one.fit(lambda: iter([rows]), Alone())
        torch.manual_seed(1)
        losses.append(float(sum(one.loss(rows, Alone()).values()).detach()))
    assert losses[0] == losses[1]
    assert not {id(p) for p in net.frozen.parameters()} & {id(p) for g in net.parameter_groups(1) for p in g["params"]}
    net.eval(), plain.eval()
    with torch.no_grad():
        both = (rows.data, rows.data.flip(2))
        chances = torch.stack([torch.softmax(plain.classifier(plain.encode(d)), dim=1) for d in both]).mean(dim=0)
        expected = 0.6 * chances + 0.4 * net.frozen(pictures(rows.data))
        torch.testing.assert_close(net.probabilities(rows.data), expected, atol=1e-5, rtol=1e-4)
        code = net.encode(rows.data)
        assert torch.equal(code > 0, class_code(expected, net.words) > 0.5) and set(code.unique().tolist()) == {-1, 1}
        assert torch.equal(net.classify(code), expected.argmax(dim=1))
        torch.testing.assert_close(encoder(orientations=2).eval().encode(both[0]),
                                   torch.stack([encoder().eval().encode(d) for d in both]).mean(dim=0))  # fmt: skip
        assert set(net.monitor(rows)) == {"dead_units", "quantisation", "training_accuracy"}


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(ModelMismatch, match="square"):
        encoder((64, 70))
    with pytest.raises(ModelMismatch, match=r"encoder.frozen_share: found 0.4, expected 0 for"):
        encoder(frozen_share=0.4)
    with pytest.raises(ConfigError, match=r"encoder.input_px: found 32 px for alexnet, expected 63 or more"):
        encoder((32, 32, 3))
    with pytest.raises(ConfigError, match=r"encoder.architecture: found 'vgg', expected"):
        load(None, ["encoder.kind=aurora_hash", "encoder.architecture=vgg"])


def test_two_ranks_have_the_gradient_of_one():
    """Averaged over ranks, as training does it, though one rank has a row without a label and fewer rows."""
    settings = {"mirror": False, "scale": 0, "shift": 0, "dropout": 0}
    rows = batch(8, 63)
    rows = rows._replace(labels=torch.tensor([0, 1, -1, 2, 0, 1, 2, 1]))
    alone, net = encoder((63, 63), **settings), encoder((63, 63), **settings)
    sum(alone.loss(rows, Alone()).values()).backward()
    halves = [Batch(*(part[s] for part in rows)) for s in (slice(0, 3), slice(3, 8))]
    on_ranks(lambda part, group: (sum(net.loss(part, group).values()) / 2).backward(), halves)
    for (name, a), b in zip(alone.named_parameters(), net.parameters(), strict=True):
        assert a.grad is not None and a.grad.abs().sum() > 0, name
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("architecture", ALEXNETS)
def test_training_separates_classes(architecture):
    """A cross, a ring and a spot: after some steps codes of a class agree and those of two differ."""
    down, across = np.mgrid[:64, :64] - 31.5
    shapes = [np.minimum(abs(down), abs(across)) < 4, abs(np.hypot(down, across) - 20) < 4, np.hypot(down, across) < 12]
    data = torch.from_numpy(np.stack([shapes[i % 3] for i in range(12)]).astype(np.uint8) * 255)
    rows = batch(12)._replace(data=data)
    net = encoder(architecture=architecture, width=0.08, dropout=0, scale=0.02)
    net.fit(lambda: iter([rows]), Alone())
    optimiser = torch.optim.Adam(net.parameter_groups(1e-3))
    net.train()
    losses = []
    for _ in range(40):
        loss = sum(net.loss(rows, Alone()).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
    net.eval()
    with torch.no_grad():
        bits = net.encode(data) > 0
        assert all(torch.equal(bits[i], bits[i % 3]) for i in range(12))
        assert len({tuple(row.tolist()) for row in bits[:3]}) == 3
        watched = net.monitor(rows)
    assert watched["training_accuracy"] == 1.0


def test_pictures_are_resized_as_torchvision_does_it():
    net = encoder((80, 80), input_px=100)
    for side in (80, 150):
        data = batch(2, side).data
        resized = foreign.resize(pictures(data), [100, 100], antialias=True)
        torch.testing.assert_close(net._resized(data), resized, atol=1e-5, rtol=1e-4)


def test_views_are_drawn_by_the_settings_and_classes_are_those_of_torch():
    view = {"turn_deg": 20.0, "scale": 0.3, "shift": 0.1, "mirror": True}
    net = encoder(**view, pairwise=0, quantisation=0, classification=2.0, label_smoothing=0.2).eval()
    rows = batch()._replace(labels=torch.tensor([0, 1, -1, 2, 0, 1]))
    torch.manual_seed(5)
    found = net.loss(rows, Alone())["classification"]
    torch.manual_seed(5)
    logits = net.classifier(net._code(random_affine(pictures(rows.data), **view)))
    expected = torch.nn.functional.cross_entropy(logits, rows.labels, ignore_index=-1, label_smoothing=0.2)
    assert float(found.detach()) == pytest.approx(2 * float(expected.detach()), rel=1e-5)


def test_codes_start_small_and_are_watched_by_slow_loops():
    net, rows = encoder(bits=64, width=0.1).eval(), batch()._replace(labels=torch.tensor([0, 1, -1, 2, -1, 1]))
    weight = net.hash_layer.weight.detach()
    assert float(weight.std()) == pytest.approx(0.1 / weight.shape[1] ** 0.5, rel=0.05)
    assert not net.hash_layer.bias.any()
    with torch.no_grad():
        net.hash_layer.weight[:3] = 0
        net.hash_layer.bias[0] = 4.0
        code, watched = net.encode(rows.data), net.monitor(rows)
    dead = [column for column in code.T.tolist() if len(set(column)) == 1]
    assert watched["dead_units"] == len(dead) >= 3
    errors = [(abs(number) - 1) ** 2 for row in code.tolist() for number in row]
    assert watched["quantisation"] == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    said = net.classify(code).tolist()
    assert watched["training_accuracy"] == sum(said[i] == int(rows.labels[i]) for i in (0, 1, 3, 5)) / 4
    assert net.monitor(rows._replace(labels=torch.full((6,), -1)))["training_accuracy"] == 0


def test_layers_without_a_loss_are_not_trained():
    heads, convolutions = encoder().parameter_groups(1e-3)
    assert len(heads["params"]) == 4 and heads["lr"] == convolutions["lr"] == 1e-3
    assert len(encoder(classification=0).parameter_groups(1e-3)[0]["params"]) == 2
