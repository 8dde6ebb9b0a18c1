"""The kernel regression on frozen features: against slow sums, on more rows than landmarks, inside the encoder."""

import math

import pytest
import torch
from ranks import on_ranks

from skyhash.errors import ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.nets.encoder import Alone, Batch
from skyhash.nets.layers import frozen_classifier
from skyhash.nets.layers.frozen_classifier import FEATURES, FrozenClassifier
from skyhash.nets.settings.triplet_hash import TripletHashSettings
from skyhash.nets.views.affine import orientations

pytestmark = pytest.mark.usefixtures("one_thread")


def rows_of_classes(n=24, classes=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    labels = (torch.arange(n) % (classes + 1)).clamp(max=classes - 1)  # the last class has twice as many
    centres = torch.randn(classes, FEATURES, generator=random)
    features = centres[labels] + 1.5 * torch.randn(n, FEATURES, generator=random)
    features[:, 5] = 2.0  # never changes
    return features, labels


def test_scores_are_those_of_slow_sums():
    features, labels = rows_of_classes(12)
    net = FrozenClassifier(3, landmarks=40)
    net.solve(features, labels)
    n, spread = len(labels), features.double().std(dim=0, correction=0)
    apart = torch.zeros(n, n, dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            # the constant feature takes no part
            each = ((features[i] - features[j]).double() / spread)[spread > 0].square()
            apart[i, j] = math.fsum(each.tolist()) / (2 * (FEATURES - 1))
    assert float(apart.mean()) == pytest.approx(1.0, abs=1e-4)
    kernel = torch.exp(-frozen_classifier.GAMMA * apart)
    weight = torch.tensor([n / (3 * int((labels == label).sum())) for label in labels], dtype=torch.float64)
    target = torch.tensor([[(1.0 if label == k else 0.0) - 1 / 3 for k in range(3)] for label in labels]).double()
    alpha = torch.linalg.solve(kernel + frozen_classifier.RIDGE * torch.diag(1 / weight), target)
    expected = torch.softmax(frozen_classifier.SHARPNESS * kernel @ alpha, dim=1).float()
    torch.testing.assert_close(net.probabilities(features), expected, atol=2e-3, rtol=0)
    assert (net.alpha[n:] == 0).all() and (net.probabilities(features).argmax(dim=1) == labels).all()


def test_a_sample_of_landmarks_serves_more_rows():
    features, labels = rows_of_classes(200)
    net = FrozenClassifier(3, landmarks=60)
    net.solve(features, labels)
    others, of_others = rows_of_classes(200, seed=0)
    assert (net.probabilities(others).argmax(dim=1) == of_others).float().mean() > 0.95


def test_features_are_maps_on_the_way_to_the_last_ones_and_the_same_for_turned_pictures():
    net, images = EfficientNetLite0().eval(), torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        late, last = net.late(images), {}
        hook = net.net._blocks[-1].register_forward_hook(lambda module, given, found: last.update(maps=found))
        net.maps(images)
        hook.remove()
        torch.testing.assert_close(late[:, -320:], last["maps"].mean(dim=(2, 3)))
    assert late.shape == (2, FEATURES)
    frozen = FrozenClassifier(3, landmarks=4)
    found = [frozen.features(view) for view in orientations(images)[[0, 5]]]
    torch.testing.assert_close(*found, atol=1e-5, rtol=1e-4)


def batch(n=8, seed=0):
    random = torch.Generator().manual_seed(seed)
    data = torch.randint(0, 256, (n, 32, 32), dtype=torch.uint8, generator=random)
    nowhere = torch.full((n,), -1)
    hours = torch.full((n,), torch.nan, dtype=torch.float64)
    return Batch(data, hours, torch.arange(n) % 3, torch.arange(n), nowhere)


def encoder(**settings):
    torch.manual_seed(3)
    polar = {"backbone": "polar", "weights": "random", "radii": 8, "angles": 16, "width": 2, "code": "classes"}
    return ENCODERS.make(TripletHashSettings(**polar, **settings), (32, 32), ("a", "b", "c"))


def test_the_encoder_takes_the_weighted_mean_and_trains_its_own_part_only():
    rows = batch()
    net, alone = encoder(frozen_share=0.4), encoder()
    for one in (net, alone):
        one.fit(lambda: iter([rows]), Alone())
    names = [name for name, _ in net.named_parameters() if name.startswith("frozen.")]
    trained = {id(p) for group in net.parameter_groups(1e-3) for p in group["params"]}
    assert names and not any(id(p) in trained for name, p in net.named_parameters() if name in names)
    net.eval(), alone.eval()
    with torch.no_grad():
        frozen = net.frozen(rows.data[:, None].expand(-1, 3, -1, -1) / 255)
        mixed = 0.6 * alone.probabilities(rows.data) + 0.4 * frozen
        torch.testing.assert_close(net.probabilities(rows.data), mixed, atol=1e-5, rtol=1e-4)
        assert (frozen.argmax(dim=1) == rows.labels).all()
    # what hashing loads
    again = encoder(frozen_share=0.4)
    again.load_state_dict(net.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(again.eval().encode(rows.data), net.encode(rows.data))


def test_rows_of_all_ranks_are_fitted():
    halves = [Batch(*(part[s] for part in batch())) for s in (slice(0, 3), slice(3, 8))]
    nets = [encoder(frozen_share=0.4), encoder(frozen_share=0.4)]
    on_ranks(lambda rows, group: nets[group.rank].fit(lambda: iter([rows]), group), halves)
    alone = encoder(frozen_share=0.4)
    alone.fit(lambda: iter([batch()]), Alone())
    torch.testing.assert_close(nets[0].frozen.landmarks, alone.frozen.landmarks, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(nets[0].frozen.alpha, alone.frozen.alpha, atol=1e-3, rtol=1e-3)


def test_features_of_fitted_rows_are_computed_once():
    rows, others, net, computed = batch(), batch(3, seed=9), encoder(frozen_share=0.4), []
    late = net.frozen.net.late
    net.frozen.net.late = lambda images: computed.append(len(images)) or late(images)
    net.fit(lambda: iter([rows]), Alone())
    assert computed == [8] * 8, "eight orientations of eight rows"
    net.eval()
    with torch.inference_mode():
        net.monitor(rows)
        found = net.encode(torch.cat([others.data, rows.data]))
    assert computed == [8] * 8 + [3] * 8, "of the rows that were not fitted alone"
    again = encoder(frozen_share=0.4)
    again.load_state_dict(net.state_dict())
    with torch.inference_mode():
        chances = again.eval().probabilities(torch.cat([others.data, rows.data]))
        torch.testing.assert_close(found, again.encode(torch.cat([others.data, rows.data])))
        torch.testing.assert_close(net.probabilities(torch.cat([others.data, rows.data])), chances)


def test_the_hash_layers_code_has_no_frozen_share():
    with pytest.raises(
        ModelMismatch, match=r"encoder.frozen_share: found 0.4, expected 0 for encoder.code: hash_layer"
    ):
        ENCODERS.make(TripletHashSettings(frozen_share=0.4), (32, 32), ("a", "b"))
