"""Triplet hashing: the loss against torch's and slow loops, views, ranks, thresholds of what is trained."""

import itertools
import math

import numpy as np
import pytest
import torch
from ranks import on_ranks
from torch import nn

from skyhash.errors import ConfigError, ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.backbones.backbone import pictures
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.layers.class_code import SURE, SURE_OF_ORDER, class_code, nearest_class
from skyhash.nets.losses.centres import centre_losses, codewords
from skyhash.nets.losses.triplet import triplet_margin
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.nets.views.affine import orientations, random_affine, random_maps

pytestmark = pytest.mark.usefixtures("one_thread")


def slow_triplet(codes, labels, margin, mining, weights):
    """The rules of the module, one triplet after the other, each by torch's own loss."""
    single = nn.TripletMarginLoss(margin=margin, p=2, eps=0)

    def far(i, j):
        return float((codes[i] - codes[j]).norm())

    total, count = 0.0, 0.0
    for a in range(len(codes)):
        positives = [p for p in range(len(codes)) if p != a and labels[p] == labels[a] >= 0]
        negatives = [n for n in range(len(codes)) if labels[n] >= 0 and labels[n] != labels[a] >= 0]
        if mining == "all":
            candidates = itertools.product(positives, negatives)
        elif mining == "hard":
            candidates = [(max(positives, key=lambda p: far(a, p)), min(negatives, key=lambda n: far(a, n)))] if (
                positives and negatives) else []  # fmt: skip
        else:
            candidates = []
            for p in positives:
                farther = [n for n in negatives if far(a, n) > far(a, p)]
                if farther:
                    candidates.append((p, min(farther, key=lambda n: far(a, n))))
                elif negatives:
                    candidates.append((p, max(negatives, key=lambda n: far(a, n))))
        for p, n in candidates:
            loss = float(single(codes[a : a + 1], codes[p : p + 1], codes[n : n + 1]))
            if mining != "all" or loss > 0:
                total, count = total + float(weights[a]) * loss, count + float(weights[a])
    return total / count if count else 0.0


@pytest.mark.parametrize("mining", ["all", "semi_hard", "hard"])
@pytest.mark.parametrize("seed", range(4))
def test_triplets_are_those_of_the_slow_loops(mining, seed):
    random = torch.Generator().manual_seed(seed)
    codes = torch.rand(9, 5, generator=random)
    labels = torch.randint(-1, 3, (9,), generator=random)
    weights = torch.rand(9, generator=random)
    found = triplet_margin(codes, labels, 0.7, mining, weights)
    assert float(found) == pytest.approx(slow_triplet(codes, labels, 0.7, mining, weights), rel=1e-4)


@pytest.mark.parametrize("mining", ["all", "semi_hard", "hard"])
@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], [-1, -1, -1], [0, -1, 1]])
def test_batches_without_a_triplet_have_no_loss(mining, labels):
    codes = torch.rand(3, 4, requires_grad=True)
    loss = triplet_margin(codes, torch.tensor(labels), 1.0, mining)
    loss.backward()
    assert loss.item() == 0 and torch.equal(codes.grad, torch.zeros_like(codes))


@pytest.mark.parametrize("mining", ["all", "semi_hard", "hard"])
def test_equal_codes_give_finite_gradients(mining):
    codes = torch.full((4, 3), 0.5, requires_grad=True)
    triplet_margin(codes, torch.tensor([0, 0, 1, 1]), 1.0, mining).backward()
    assert torch.isfinite(codes.grad).all()


def test_the_eight_orientations_are_all_different_and_closed():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    eight = orientations(image)
    assert eight.shape == (8, 1, 1, 4, 4) and torch.equal(eight[0], image)
    seen = {tuple(view.flatten().tolist()) for view in eight}
    again = {tuple(v.flatten().tolist()) for view in eight for v in orientations(view)}
    assert len(seen) == 8 and seen == again


def test_quarter_turns_of_the_random_view_are_exact(monkeypatch):
    images = torch.rand(4, 2, 6, 6)
    draws = iter([torch.tensor([0.0, 0.5, 1.0, 0.75]), torch.full((4,), 0.5), torch.ones(4), torch.full((4,), 0.5)])
    draws_last = torch.full((4,), 0.5)
    monkeypatch.setattr(torch, "rand", lambda *a, **k: next(draws, draws_last))
    seen = random_affine(images, turn_deg=180.0)
    # angles -180, 0, 180 and 90 degrees; which way a quarter turn goes is free
    torch.testing.assert_close(seen[0], torch.rot90(images[0], 2, (-2, -1)), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1], images[1], atol=1e-5, rtol=0)
    quarter = [torch.rot90(images[3], turns, (-2, -1)) for turns in (1, 3)]
    assert any(torch.allclose(seen[3], q, atol=1e-5) for q in quarter)


def test_random_maps_turn_mirror_and_enlarge_but_never_shear():
    torch.manual_seed(2)
    maps = random_maps(400, scale=0.5, shift=0.1).double()
    linear, moved = maps[:, :, :2], maps[:, :, 2]
    product = linear @ linear.transpose(1, 2)
    size = product[:, 0, 0].sqrt()
    torch.testing.assert_close(product, size.square()[:, None, None] * torch.eye(2).double(), atol=1e-6, rtol=1e-6)
    assert 1 / 1.5 - 1e-6 <= float(size.min()) < 0.75 and 1.35 < float(size.max()) <= 1.5 + 1e-6
    assert 0.4 < float((torch.linalg.det(linear) < 0).double().mean()) < 0.6
    # positions run from -1 to 1: a tenth of the side is 0.2
    assert 0.18 < float(moved.abs().max()) <= 0.2 + 1e-6 and float(moved.mean().abs()) < 0.02


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_random_views_keep_the_light_of_the_middle(scale):
    torch.manual_seed(1)
    images = torch.zeros(200, 1, 21, 21)
    images[:, :, 8:13, 8:13] = 1
    total = random_affine(images, scale=scale).sum(dim=(1, 2, 3)) / 25
    assert float(total.mean()) == pytest.approx(1.0, abs=0.06)
    assert (float(total.std()) > 0.1) == (scale > 0)
    low, high = (1 / 1.3**2, 1.3**2) if scale else (0.9, 1.1)
    assert float(total.min()) > low - 0.15 and float(total.max()) < high + 0.15


def batch(n=6, side=32, seed=0, classes=3):
    random = torch.Generator().manual_seed(seed)
    data = torch.randint(0, 256, (n, side, side), dtype=torch.uint8, generator=random)
    labels = torch.arange(n) % classes
    nowhere = torch.full((n,), -1)
    return Batch(data, torch.full((n,), torch.nan, dtype=torch.float64), labels, torch.arange(n), nowhere)


def encoder(shape=(32, 32), **settings):
    torch.manual_seed(3)
    return ENCODERS.make(TripletHashSettings(**{"weights": "random", **settings}), shape, ("a", "b", "c"))


@pytest.mark.parametrize("bits", [4, 8, 64])
@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 3)])
def test_codes_have_the_asked_length(bits, shape):
    net = encoder(shape, bits=bits, orientations=1).eval()
    code = net.encode(torch.zeros(2, *shape, dtype=torch.uint8))
    assert code.shape == (2, bits) and net.code_size == bits and net.threshold == "half"
    assert (code > 0).all() and (code < 1).all()


def test_codes_of_turned_images_are_equal():
    net = encoder(weights="imagenet")
    net.fit(lambda: iter([batch()]), Alone())
    net.eval()
    data = batch(2).data
    turned = torch.rot90(data, 1, (1, 2)).flip(1)
    with torch.no_grad():
        torch.testing.assert_close(net.encode(data), net.encode(turned), atol=1e-5, rtol=1e-5)
        features = net.backbone(pictures(data)), net.backbone(pictures(turned))
    assert not torch.allclose(*features, atol=1e-2)


def test_fit_weights_classes_and_takes_imagenet():
    net = encoder(balance=1.0, weights="imagenet")
    before = net.backbone.net._conv_stem.weight.clone()
    rows = batch(6)
    rows = rows._replace(labels=torch.tensor([0, 0, 0, 1, 1, -1]))
    net.fit(lambda: iter([rows, rows]), Alone())
    # 6 of a, 4 of b, none of c: weights as 1/6 : 1/4 : 0, their mean over the labelled rows 1
    assert net.class_weight.tolist() == pytest.approx([10 / 12, 10 / 8, 0])
    assert not torch.equal(before, net.backbone.net._conv_stem.weight)
    with pytest.raises(ModelMismatch, match="fewer than two classes"):
        net.fit(lambda: iter([rows._replace(labels=torch.zeros(6, dtype=torch.int64))]), Alone())


def test_stretch_and_noise_of_views_have_the_asked_ranges():
    still = {"turn_deg": 0, "scale": 0, "shift": 0, "mirror": False, "stretch": 0, "noise": 0}
    images = torch.full((300, 3, 8, 8), 0.5)

    def views(**settings):
        net = encoder(**still | settings)
        net.backbone = nn.Identity()
        return net.features_of_views(images)

    torch.testing.assert_close(views(), images, atol=1e-6, rtol=0)
    power = (views(stretch=0.6).log() / math.log(0.5)).log()
    assert torch.allclose(power, power[:, :1, :1, :1], atol=1e-5), "one power for an image"
    assert float(power.min()) == pytest.approx(-0.6, abs=0.03) and float(power.max()) == pytest.approx(0.6, abs=0.03)
    added = views(noise=0.2) - 0.5
    # grey noise: the same in all colours
    torch.testing.assert_close(added, added[:, :1].expand_as(added))
    spread = added[:, 0].flatten(1).std(dim=1)
    assert 0.17 < float(spread.max()) < 0.25 and float(spread.mean()) == pytest.approx(0.1, abs=0.02)


def test_what_cannot_be_encoded_is_refused():
    with pytest.raises(ModelMismatch, match="square"):
        encoder((32, 40))
    with pytest.raises(ConfigError, match=r"encoder.weights_file"):
        encoder(backbone="densenet161", weights="imagenet").fit(lambda: iter([batch()]), Alone())


def test_frozen_layers_are_no_parameters_of_the_optimiser():
    net = encoder(frozen_stages=9, backbone_rate=0.1)
    assert len(net.parameter_groups(1e-3)) == 1
    head, backbone = encoder(frozen_stages=8, backbone_rate=0.1).parameter_groups(1e-3)
    assert len(head["params"]) == 4 and head["lr"] == 1e-3
    assert backbone["params"][0].shape == (1280, 320, 1, 1) and backbone["lr"] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    "classes, bits, least", [(2, 4, 4), (4, 8, 5), (4, 4, 2), (10, 48, 16), (16, 4, 1), (40, 4, 0)]
)
def test_codewords_lie_far_apart(classes, bits, least):
    words = codewords(classes, bits)
    assert words.shape == (classes, bits) and set(words.unique().tolist()) <= {0.0, 1.0}
    apart = [int((words[i] != words[j]).sum()) for i in range(classes) for j in range(i)]
    assert min(apart) >= least and torch.equal(words, codewords(classes, bits))


def test_centre_losses_are_those_of_slow_loops():
    logits, labels, words = torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0]), codewords(3, 4)
    for i, found in enumerate(centre_losses(logits, labels, words, 0.2)):
        p = torch.sigmoid(logits[i])
        target = [0.9 if bit else 0.1 for bit in words[labels[i]]]
        each = [-(t * torch.log(q) + (1 - t) * torch.log(1 - q)) for t, q in zip(target, p, strict=True)]
        assert float(found) == pytest.approx(float(sum(each)) / 4, rel=1e-5)


def test_two_ranks_have_the_gradient_of_one():
    """Averaged over ranks, as training does it; the network is a single linear layer, so that batches do not matter."""
    still = {"turn_deg": 0, "scale": 0, "shift": 0, "mirror": False, "dropout": 0}
    settings = {**still, "centres": 0.5, "quantisation": 0.7}

    def made():
        net = encoder(**settings)
        torch.manual_seed(8)
        net.backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, net.backbone.features))
        return net

    rows = batch(8, side=8)
    alone = made()
    sum(alone.loss(rows, Alone()).values()).backward()
    expected = {name: p.grad for name, p in alone.named_parameters() if p.grad is not None}

    net = made()
    halves = [Batch(*(part[s] for part in rows)) for s in (slice(0, 3), slice(3, 8))]
    on_ranks(lambda part, group: (sum(net.loss(part, group).values()) / 2).backward(), halves)
    assert expected
    for name, parameter in net.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-6)


def test_training_separates_classes():
    """A cross, a ring and a spot: after some steps codes of a class agree and those of two differ."""
    down, across = np.mgrid[:32, :32] - 15.5
    shapes = [np.minimum(abs(down), abs(across)) < 2, abs(np.hypot(down, across) - 10) < 2, np.hypot(down, across) < 6]
    data = torch.from_numpy(np.stack([shapes[i % 3] for i in range(18)]).astype(np.uint8) * 255)
    rows = batch(18)._replace(data=data)
    net = encoder(weights="imagenet", frozen_stages=9, classification=0.3, dropout=0)
    net.fit(lambda: iter([rows]), Alone())
    optimiser = torch.optim.Adam(net.parameter_groups(2e-2))
    net.train()
    losses = []
    for _ in range(20):
        parts = net.loss(rows, Alone())
        assert set(parts) == {"triplet", "classification", "centres"}
        optimiser.zero_grad()
        sum(parts.values()).backward()
        optimiser.step()
        losses.append(float(sum(parts.values()).detach()))
    assert losses[-1] < 0.7 * losses[0]
    code = net.eval().encode(data[:3]).detach() > 0.5
    assert len({tuple(row.tolist()) for row in code}) == 3
    assert net.monitor(rows)["dead_units"] <= net.code_size


def test_a_polar_backbone_sees_no_quarter_turns_and_with_two_orientations_no_mirror_images():
    net = encoder((32, 32), backbone="polar", radii=8, angles=16, width=2, orientations=2)
    net.fit(lambda: iter([batch()]), Alone())
    data = batch(3).data
    with torch.no_grad():
        turned = net.encode(torch.rot90(data, 1, (1, 2)).flip(1))
        torch.testing.assert_close(net.encode(data), turned, atol=1e-4, rtol=1e-4)
        net.settings = net.settings.model_copy(update={"orientations": 1})
        assert not torch.allclose(net.encode(data), net.encode(data.flip(1)), atol=1e-3)
    net.train()
    sum(net.loss(batch(), Alone()).values()).backward()
    assert all(p.grad is not None for p in net.parameters())


def test_sure_images_have_their_class_codeword_and_unsure_ones_one_bit_less():
    words = codewords(3, 8)
    leads = torch.tensor([1e-3, 0.2, 0.5 * SURE, SURE - 1e-4, SURE + 1e-4, 0.98])
    for best, second in itertools.permutations(range(3), 2):
        chances = torch.zeros(len(leads), 3)
        chances[:, best], chances[:, second] = 0.5 + leads / 2 - 0.005, 0.5 - leads / 2 - 0.005
        chances[:, 3 - best - second] = 0.01
        differing = (class_code(chances, words) != words[best]).int()
        assert differing.sum(dim=1).tolist() == [1, 1, 1, 1, 0, 0]
        # the bit says by how much the class leads
        assert differing[:4].argmax(dim=1).tolist() == [0, int(8 * 0.2 / SURE), 4, 7]


@pytest.mark.parametrize("classes, bits, apart", [(4, 4, 2), (4, 5, 3), (9, 4, 1)])
def test_unsure_images_keep_their_codeword_where_a_flipped_one_is_as_near_to_another(classes, bits, apart):
    words = codewords(classes, bits)
    assert (words[:, None] != words[None]).sum(dim=2)[~np.eye(classes, dtype=bool)].min() == apart
    chances = torch.full((1, classes), 0.4 / (classes - 1))
    chances[0, 2] = 0.6
    assert int((class_code(chances, words) != words[2:3]).sum()) == (apart >= 3)


@pytest.mark.parametrize("classes, bits", [(10, 48), (4, 48), (3, 12)])
def test_long_codes_of_unsure_images_are_near_the_codewords_in_the_order_of_the_classes(classes, bits):
    words, random = codewords(classes, bits), np.random.default_rng(2)
    orders = torch.tensor(np.array([random.permutation(classes) for _ in range(40)]))
    shares = torch.tensor([0.35, 0.25, 0.15] + [0.05] * (classes - 3))
    chances = torch.zeros(40, classes).scatter(1, orders, shares[:classes].expand(40, -1))
    chances /= chances.sum(dim=1, keepdim=True)
    codes = class_code(chances, words)
    assert torch.equal(nearest_class(codes, words), orders[:, 0])
    far = (codes[:, None] != words[None]).sum(dim=2).gather(1, orders).double().mean(dim=0)
    assert far[0] < far[1] < far[2] and (far[2] < far[3:] + 1).all()
    # one order, one code; sure images have the codeword
    again = chances.scatter(1, orders[:, :1], chances.gather(1, orders[:, :1]) * 1.1)
    assert torch.equal(class_code(again / again.sum(dim=1, keepdim=True), words), codes)
    sure = torch.full((1, classes), (1 - SURE_OF_ORDER) / 2 / classes)
    sure[0, 1] += 1 - sure.sum()
    assert torch.equal(class_code(sure, words), words[1:2])


def test_class_codes_come_from_the_classification_layer_and_leave_the_loss_alone():
    made = [encoder(code=kind, orientations=1) for kind in ("hash_layer", "classes")]
    losses = []
    for net in made:
        net.fit(lambda: iter([batch()]), Alone())
        torch.manual_seed(1)
        losses.append(float(sum(net.loss(batch(), Alone()).values()).detach()))
    assert losses[0] == losses[1]
    net = made[1].eval()
    data = batch(4).data
    with torch.no_grad():
        assert torch.equal(net.encode(data), class_code(net.probabilities(data), net.words))
    with pytest.raises(ModelMismatch, match=r"encoder.code: found classes, expected hash_layer"):
        encoder(code="classes", classification=0)


@pytest.mark.parametrize(("weights", "smoothing"), [((1.0, 1.0, 1.0), 0.2), ((0.5, 3.0, 1.0), 0.0)])
def test_the_cross_entropy_is_torchs_weighted_one_and_quantisation_a_slow_mean(weights, smoothing):
    """Torch does not weight the smoothed part by the same rule, so weights and smoothing are compared one by one."""
    still = {"turn_deg": 0, "scale": 0, "shift": 0, "mirror": False, "dropout": 0}
    net = encoder(**still, classification=2.0, quantisation=3.0, centres=0, label_smoothing=smoothing)
    net.class_weight.copy_(torch.tensor(weights))
    rows = batch()._replace(labels=torch.tensor([0, 1, -1, 2, 0, 1]))
    with torch.no_grad():
        torch.manual_seed(1)  # the backbone leaves out blocks at random
        found = net.loss(rows, Alone())
        torch.manual_seed(1)
        features = net.features_of_views(pictures(rows.data))
        logits, codes = net.classifier(features), torch.sigmoid(net.hash_layer(features))
    expected = nn.functional.cross_entropy(
        logits, rows.labels, torch.tensor(weights), ignore_index=-1, label_smoothing=smoothing
    )
    assert float(found["classification"]) == pytest.approx(2 * float(expected), rel=1e-4)
    errors = [1 - (2 * number - 1) ** 2 for row in codes.tolist() for number in row]
    assert float(found["quantisation"]) == pytest.approx(3 * sum(errors) / len(errors), rel=1e-4)
    assert set(encoder(classification=0, centres=0).loss(rows, Alone())) == {"triplet"}


def test_codes_are_watched_by_slow_loops_and_layers_without_a_loss_are_not_trained():
    net, rows = encoder(orientations=1).eval(), batch()
    with torch.no_grad():
        net.hash_layer.weight[:2], net.hash_layer.bias[0] = 0, 4.0
        code, watched = net.encode(rows.data), net.monitor(rows)
    assert watched["dead_units"] == sum(len(set(column)) == 1 for column in code.T.tolist()) >= 2
    errors = [1 - (2 * number - 1) ** 2 for row in code.tolist() for number in row]
    assert watched["quantisation"] == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    assert len(encoder(classification=0).parameter_groups(1e-3)[0]["params"]) == 2
