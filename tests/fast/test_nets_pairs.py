"""Encoders of pairs: the loss against slow loops, the published network part by part, partners, ranks, mini-search."""

import math

import numpy as np
import pytest
import torch
from ranks import on_ranks
from torch import nn

from skyhash.errors import ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.galaxy_vit import Block, Heads, patches_of, position_table
from skyhash.nets.losses.contrastive import blended_similarity, contrastive, similarities
from skyhash.nets.pairs import mini_search
from skyhash.nets.partners import partners
from skyhash.nets.settings.galaxy_backbone import GalaxyBackboneSettings
from skyhash.nets.settings.galaxy_polar import GalaxyPolarSettings
from skyhash.nets.settings.galaxy_vit import GalaxyVitSettings
from skyhash.topk.vectors.rows import prepare
from skyhash.topk.vectors.similarity import scores

THIRDS = (1 / 3, 1 / 3, 1 / 3)
TINY_VIT = {"patch_px": 8, "hidden": 16, "heads": 2, "widened": 24, "output": 20, "blocks": 2}


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(n, size, seed=0):
    return torch.randn(n, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_similarity(a, b, w):
    """Section 3.6, number by number."""
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    lengths = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    l2 = sum(abs(x - y) ** 2 for x, y in zip(a, b, strict=True)) ** (1 / 2)
    l3 = sum(abs(x - y) ** 3 for x, y in zip(a, b, strict=True)) ** (1 / 3)
    return w[0] * (dot / lengths if lengths else 0.0) + w[1] / (1 + l2) + w[2] / (1 + l3)


def slow_contrastive(similar, y, margin):
    """Section 3.4, pair by pair."""
    total = 0.0
    for s, label in zip(similar, y, strict=True):
        total += (1 - label) ** 2 * s**2 + label * max(0, margin - s) ** 2
    return total / len(similar)


@pytest.mark.parametrize("weights", [THIRDS, (1.0, 0.0, 0.0), (0.2, 0.7, 0.1)])
@pytest.mark.parametrize("size", [1, 3, 17])
def test_the_similarity_is_the_slow_one_for_pairs_and_for_all(weights, size):
    a, b = drawn(4, size), drawn(5, size, seed=1)
    a[2] = 0
    every = similarities(a, b, weights)
    for i in range(4):
        for j in range(5):
            wanted = slow_similarity(a[i].tolist(), b[j].tolist(), weights)
            assert float(every[i, j]) == pytest.approx(wanted, abs=1e-9)
        assert float(blended_similarity(a[i : i + 1], b[i : i + 1], weights)) == pytest.approx(
            float(every[i, i]), abs=1e-6
        )


def test_the_similarity_is_the_blend_of_the_neighbour_job():
    rows = drawn(6, 40).float()
    stored = prepare(np.arange(6), rows.numpy(), "blend")
    left, right = (axis.ravel() for axis in np.mgrid[:6, :6])
    found = scores(stored, left, right).reshape(6, 6)
    np.testing.assert_allclose(similarities(rows, rows, THIRDS).numpy(), found, atol=2e-5)


def test_equal_codes_have_similarity_one_and_a_finite_gradient():
    code = drawn(3, 8).requires_grad_()
    found = blended_similarity(code, code.detach().clone(), THIRDS)
    torch.testing.assert_close(found, torch.ones(3, dtype=torch.float64), atol=1e-4, rtol=0)
    found.sum().backward()
    assert torch.isfinite(code.grad).all()


@pytest.mark.parametrize("margin", [1.0, 0.6])
def test_the_contrastive_loss_is_the_slow_one(margin):
    similar = torch.linspace(-1, 1.2, 12, dtype=torch.float64)
    y = torch.arange(12) % 3 == 0
    wanted = slow_contrastive(similar.tolist(), y.int().tolist(), margin)
    assert float(contrastive(similar, y, margin)) == pytest.approx(wanted, rel=1e-12)
    # closed forms: a positive pair of similarity 1 and a negative one of 0 are what is aimed at
    assert float(contrastive(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))) == 0
    assert float(contrastive(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0]))) == 1


def batch(n=6, side=32, seed=0, classes=3):
    random = torch.Generator().manual_seed(seed)
    data = torch.randint(0, 256, (n, side, side, 3), dtype=torch.uint8, generator=random)
    nowhere = torch.full((n,), -1)
    hours = torch.full((n,), torch.nan, dtype=torch.float64)
    return Batch(data, hours, torch.arange(n) % classes, torch.arange(n), nowhere)


def made(settings, shape=(32, 32, 3), classes=("a", "b", "c")):
    torch.manual_seed(3)
    return ENCODERS.make(settings, shape, classes)


KINDS = [
    GalaxyVitSettings(**TINY_VIT),
    GalaxyPolarSettings(width=4, size=12, radii=8, angles=16),
    GalaxyBackboneSettings(frozen_stages=8, size=10),
]


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_the_published_network_has_the_published_parameters():
    net = made(GalaxyVitSettings(), (224, 224, 3), ())
    assert count(net) == 18_060_288
    assert count(net.embed) == 787_456 and net.position.shape == (196, 1024) and net.position.requires_grad
    assert net.position.numel() == 200_704 and len(net.blocks) == 3
    for block in net.blocks:
        assert count(block.heads) == 789_504 and count(block.mlp) == 4_197_376
        assert count(block.norm1) + count(block.norm2) == 4_096
        assert {p.shape for p in block.heads.parameters()} == {(256, 256), (256,)}
    assert count(net.head) == 2_099_200 and net.code_size == 2048
    sums = 787_456 + 200_704 + 3 * (789_504 + 4_197_376 + 4_096) + 2_099_200
    assert sums == 18_060_288


def test_position_table_is_the_slow_one():
    table = position_table(5, 6)
    for at in range(5):
        for i in range(3):
            angle = at / 10000 ** (2 * i / 6)
            assert table[at, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(angle), math.cos(angle)], abs=1e-6)


def test_patches_hold_their_channels_row_by_row():
    pictures = torch.arange(2 * 3 * 4 * 6.0).view(2, 3, 4, 6)
    found = patches_of(pictures, 2)
    assert found.shape == (2, 6, 12)
    for patch in range(6):
        row, column = divmod(patch, 3)
        wanted = pictures[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].flatten(1)
        assert torch.equal(found[:, patch], wanted)


def test_heads_are_torchs_attention_on_their_parts():
    torch.manual_seed(1)
    heads, x = Heads(12, 3), torch.randn(2, 5, 12)
    found = heads(x)
    for head in range(3):
        part = x[..., 4 * head : 4 * head + 4]
        q, k, v = (layer[head](part) for layer in (heads.query, heads.key, heads.value))
        wanted = nn.functional.scaled_dot_product_attention(q, k, v)
        torch.testing.assert_close(found[..., 4 * head : 4 * head + 4], wanted)
        torch.testing.assert_close(heads.weights(x, head).sum(dim=2), torch.ones(2, 5))
    block = Block(12, 3, 7)
    y = x + block.heads(block.norm1(x))
    torch.testing.assert_close(block(x), y + block.mlp(block.norm2(y)))


def test_the_code_is_the_mean_of_the_patches_outputs():
    whole, mean = (made(GalaxyVitSettings(**TINY_VIT, code=code)).eval() for code in ("patches", "mean"))
    data = batch().data
    every = whole.encode(data)
    assert every.shape == (6, 16 * 20) and whole.code_size == 320
    torch.testing.assert_close(mean.encode(data), every.view(6, 16, 20).mean(dim=1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("settings", KINDS, ids=lambda s: s.kind)
def test_every_kind_encodes_and_learns(settings):
    net, rows = made(settings), batch(8)
    net.fit(lambda: iter([rows]), Alone())
    code = net.eval().encode(rows.data)
    assert code.shape == (8, net.code_size) and torch.isfinite(code).all() and code.dtype == torch.float32
    torch.testing.assert_close(net.encode(rows.data[2:3]), code[2:3], atol=1e-4, rtol=1e-4)
    assert net.encode(rows.data[..., 0]).shape == code.shape
    net.train()
    optimiser = torch.optim.Adam(net.parameter_groups(1e-3))
    losses = []
    for step in range(16):
        torch.manual_seed(step % 2)
        parts = net.loss(rows, Alone())
        assert set(parts) == {"pairs"}
        optimiser.zero_grad()
        parts["pairs"].backward()
        optimiser.step()
        losses.append(float(parts["pairs"].detach()))
    assert losses[-2] < losses[0] and losses[-1] < losses[1]
    with pytest.raises(ModelMismatch, match="square"):
        made(settings, (32, 40, 3))


def test_one_pair_is_cheaper_and_is_one_of_the_two():
    rows = batch(8)
    for pairs, passes in (("both", 3), ("one", 2)):
        net = made(KINDS[0].model_copy(update={"pairs": pairs}))
        seen = []
        code = net.code
        net.code = lambda images, seen=seen, code=code: (seen.append(len(images)), code(images))[1]
        net.loss(rows, Alone())["pairs"].backward()
        assert seen == [passes * 8]


def test_negative_pairs_are_of_another_image_of_any_rank():
    codes = torch.arange(5.0)[:, None]
    seen = {i: set() for i in range(5)}
    for seed in range(60):
        torch.manual_seed(seed)
        every, partner = partners(codes, torch.ones(5, dtype=torch.bool), Alone())
        assert torch.equal(every, codes)
        for i, j in enumerate(partner.tolist()):
            seen[i].add(j)
    assert all(seen[i] == set(range(5)) - {i} for i in range(5))
    wants = torch.tensor([True, False, True, False, True])
    _, partner = partners(codes, wants, Alone())
    assert partner[~wants].tolist() == [-1, -1] and set(partner[wants].tolist()) <= {0, 2, 4}
    assert all(i != int(j) for i, j in enumerate(partner))
    two = torch.tensor([False, True, False, True, False])
    assert partners(codes, two, Alone())[1].tolist() == [-1, 3, -1, 1, -1]
    lonely = torch.tensor([False, True, False, False, False])
    assert partners(codes, lonely, Alone())[1].tolist() == [-1] * 5


@pytest.mark.parametrize("weights", ["imagenet", "random"])
def test_batch_normalisation_keeps_the_statistics_of_imagenet_and_learns_them_without(weights):
    net = ENCODERS.make(GalaxyBackboneSettings(weights=weights, size=4), (64, 64, 3)).train()
    norms = [part for part in net.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    free = [part for part in norms if all(p.requires_grad for p in part.parameters())]
    assert free and {part.training for part in free} == {weights == "random"}


def test_partners_of_two_ranks_are_rows_of_both():
    codes = torch.arange(7.0)[:, None].split([3, 4])
    torch.manual_seed(4)

    def work(own, group):
        # threads draw in any order: a row misses one of six partners in all of 200 draws with probability 10**-16
        return [partners(own, torch.ones(len(own), dtype=torch.bool), group) for _ in range(200)]

    found = on_ranks(work, codes)
    for rank, first in ((0, 0), (1, 3)):
        for row in range(len(codes[rank])):
            rows = {int(partner[row]) for _, partner in found[rank]}
            assert rows == set(range(7)) - {first + row}


def test_two_ranks_have_the_gradient_of_one_where_nothing_is_drawn():
    """The parts that use labels, averaged over ranks as training does it; a linear network has no batch statistics."""
    settings = KINDS[0].model_copy(update={"pair_loss": 0.0, "label_pairs": 1.0, "classification": 0.7, "positive": ()})

    def network():
        net = made(settings, (8, 8, 3))
        torch.manual_seed(8)
        net.linear = nn.Linear(3 * 8 * 8, net.code_size)
        net.code = lambda images: net.linear(images.flatten(1))
        return net

    rows = batch(8, side=8)
    rows = rows._replace(labels=torch.tensor([0, 1, 1, 2, 0, -1, 2, 1]))
    alone = network()
    sum(alone.loss(rows, Alone()).values()).backward()
    net = network()
    halves = [Batch(*(part[s] for part in rows)) for s in (slice(0, 3), slice(3, 8))]
    on_ranks(lambda part, group: (sum(net.loss(part, group).values()) / 2).backward(), halves)
    for name in ("linear.weight", "classifier.weight"):
        expected = dict(alone.named_parameters())[name].grad
        assert expected.abs().max() > 1e-4
        torch.testing.assert_close(dict(net.named_parameters())[name].grad, expected, rtol=1e-4, atol=1e-6)


def test_pairs_by_label_are_those_of_slow_loops():
    net = made(KINDS[0].model_copy(update={"label_pairs": 1.0}))
    net.class_weight.copy_(torch.tensor([1.0, 2.0, 0.5]))
    codes, labels = drawn(7, 20), torch.tensor([0, 1, 1, 2, -1, 0, 2])
    sums, weights = [0.0, 0.0], [0.0, 0.0]
    for i in range(7):
        for j in range(7):
            if i != j and labels[i] >= 0 and labels[j] >= 0:
                same = int(labels[i] == labels[j])
                s = slow_similarity(codes[i].tolist(), codes[j].tolist(), THIRDS)
                weight = float(net.class_weight[labels[i]] * net.class_weight[labels[j]])
                sums[same] += weight * slow_contrastive([s], [same], 1.0)
                weights[same] += weight
    wanted = (sums[0] / weights[0] + sums[1] / weights[1]) / 2
    assert float(net._label_pairs(codes, labels, Alone())) == pytest.approx(wanted, rel=1e-6)


def test_pairs_of_views_are_those_of_slow_loops():
    own, first, second = (drawn(2, 20, seed) for seed in (1, 2, 3))
    s = [[slow_similarity(a.tolist(), b.tolist(), THIRDS) for b in (*first, *second)] for a in own]
    # of two images the other one is the only partner
    similar, y = [s[0][0], s[1][1], s[0][3], s[1][2]], [1, 1, 0, 0]
    net = made(KINDS[0].model_copy(update={"margin": 0.9}))
    found = net._pairs((own, first, second), torch.tensor([True, False]), Alone())
    assert float(found) == pytest.approx(slow_contrastive(similar, y, 0.9), rel=1e-6)
    one = made(KINDS[0].model_copy(update={"pairs": "one"}))
    codes, views = drawn(3, 20, 4), drawn(3, 20, 5)
    found = one._pairs((codes, views), torch.tensor([False, True, False]), Alone())
    pairs = ((1, 1), (0, 2), (2, 0))
    similar = [slow_similarity(codes[i].tolist(), views[j].tolist(), THIRDS) for i, j in pairs]
    assert float(found) == pytest.approx(slow_contrastive(similar, [1, 0, 0], 1.0), rel=1e-6)


@pytest.mark.parametrize(("weights", "smoothing"), [((1.0, 1.0, 1.0), 0.2), ((0.5, 3.0, 1.0), 0.0)])
def test_the_cross_entropy_is_torchs_weighted_one(weights, smoothing):
    update = {"pair_loss": 0.0, "classification": 2.0, "label_smoothing": smoothing, "positive": ()}
    net = made(KINDS[0].model_copy(update=update))
    net.class_weight.copy_(torch.tensor(weights))
    rows = batch()._replace(labels=torch.tensor([0, 1, -1, 2, 0, 1]))
    with torch.no_grad():
        found = net.loss(rows, Alone())["classification"]
        logits = net.classifier(net.code(rows.data.permute(0, 3, 1, 2) / 255))
    expected = nn.functional.cross_entropy(
        logits, rows.labels, torch.tensor(weights), ignore_index=-1, label_smoothing=smoothing
    )
    assert float(found) == pytest.approx(2 * float(expected), rel=1e-4)


def test_fit_weights_classes_by_the_rows_of_all_batches():
    net, rows = made(KINDS[0].model_copy(update={"classification": 1.0, "balance": 1.0})), batch()
    rows = rows._replace(labels=torch.tensor([0, 0, 0, 1, 1, -1]))
    net.fit(lambda: iter([rows, rows]), Alone())
    # 6 of a, 4 of b, none of c: weights as 1/6 : 1/4 : 0, their mean over the labelled rows 1
    assert net.class_weight.tolist() == pytest.approx([10 / 12, 10 / 8, 0])


def test_labels_that_a_mirror_exchanges_follow_their_images():
    """Left-bright and right-bright pictures: the classifier learns them although every image is mirrored at random."""
    data = torch.zeros(16, 16, 16, 3, dtype=torch.uint8)
    data[::2, :, :8], data[1::2, :, 8:] = 200, 200
    rows = batch(16, side=16, classes=2)._replace(data=data)
    settings = KINDS[0].model_copy(
        update={
            "pair_loss": 0.0,
            "classification": 1.0,
            "mirror_labels": (("a", "b"),),
            "label_smoothing": 0.0,
            "positive": ("noise",),
        }
    )
    net = made(settings, (16, 16, 3), ("a", "b"))
    net.fit(lambda: iter([rows]), Alone())
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(70):
        loss = net.loss(rows, Alone())["classification"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1
    with pytest.raises(ModelMismatch, match="fewer than two classes"):
        net.fit(lambda: iter([rows._replace(labels=torch.zeros(16, dtype=torch.int64))]), Alone())


def test_probabilities_stand_beside_the_code_and_follow_a_mirror():
    of = KINDS[1].model_copy(
        update={"classification": 1.0, "probabilities": 3.0, "mirror_labels": (("a", "b"), ("no", "c"))}
    )
    net, data = made(of).eval(), batch().data
    with torch.no_grad():
        net.classifier.weight.normal_()
        code, mirrored = net.encode(data), net.encode(data.flip(2))
    assert code.shape == (6, net.code_size) and net.code_size == 12 + 3
    torch.testing.assert_close(code[:, :12].norm(dim=1), torch.ones(6))
    torch.testing.assert_close(code[:, 12:].sum(dim=1), torch.full((6,), 3.0))
    torch.testing.assert_close(mirrored[:, 12:], code[:, [13, 12, 14]], atol=1e-5, rtol=1e-4)
    with pytest.raises(ModelMismatch, match=r"encoder.probabilities"):
        made(KINDS[1].model_copy(update={"probabilities": 1.0}))


def test_mini_search_is_the_slow_search():
    codes, views = drawn(9, 5), drawn(9, 5) * 0.4 + drawn(9, 5, seed=2) * 0.6
    found = mini_search(codes, views, lambda a, b: similarities(a, b, THIRDS)).tolist()
    for i in range(9):
        shown = [slow_similarity(codes[i].tolist(), views[i].tolist(), THIRDS)]
        shown += [slow_similarity(codes[i].tolist(), codes[j].tolist(), THIRDS) for j in range(9) if j != i]
        assert found[i] == (shown.index(max(shown)) == 0)
    assert 0 < sum(found) < 9


def test_the_monitor_is_the_same_after_every_epoch_and_moves_no_generator():
    net, rows = made(KINDS[0]).eval(), batch(12)
    with torch.inference_mode():
        torch.manual_seed(5)
        first = net.monitor(rows)
        after = torch.rand(1)
        torch.manual_seed(5)
        assert torch.equal(after, torch.rand(1))
        assert net.monitor(rows) == first and 0 <= first["mini_search_accuracy"] <= 1
        whole = made(KINDS[0].model_copy(update={"positive": ("mirror_x",), "positive_count": 1})).eval()
        whole.code = lambda images: images.mean(dim=(2, 3))  # blind to mirrors: every image finds its own view
        assert whole.monitor(rows)["mini_search_accuracy"] == 1.0


def test_a_turned_galaxy_has_nearly_the_code_of_the_upright_one():
    smooth = nn.functional.interpolate(torch.rand(1, 3, 8, 8), size=(64, 64), mode="bicubic").clamp(0, 1)
    net = made(GalaxyPolarSettings(width=4, size=12, dropout=0), (64, 64, 3))
    with torch.no_grad():  # in training mode: fresh statistics would make all codes nearly equal
        upright, turned, mirrored = net.code(torch.cat([smooth, torch.rot90(smooth, 1, (2, 3)), smooth.flip(3)]))
    torch.testing.assert_close(turned, upright, atol=1e-3, rtol=1e-2)
    assert (mirrored - upright).norm() > 0.1 * upright.norm(), "the sense of a spiral is kept"
    both = made(GalaxyPolarSettings(width=4, size=12, mirrored_code=0.5), (64, 64, 3)).eval()
    data = (smooth.permute(0, 2, 3, 1) * 255).to(torch.uint8)
    torch.testing.assert_close(both.encode(data), both.encode(data.flip(2)), atol=1e-5, rtol=1e-4)


def test_sizes_that_do_not_fit_are_reported():
    with pytest.raises(ModelMismatch, match=r"encoder.patch_px"):
        made(GalaxyVitSettings(**TINY_VIT), (30, 30, 3))
    with pytest.raises(ModelMismatch, match=r"encoder.hidden"):
        made(GalaxyVitSettings(**(TINY_VIT | {"heads": 3})))
