"""Frozen features as a descriptor."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from skyhash.errors import ConfigError
from skyhash.nets.backbones.efficientnet_lite import EfficientNetLite0
from skyhash.pixels import DESCRIPTORS
from skyhash.pixels.image import Image

VALUES = np.random.default_rng(1).exponential(1, (50, 50)).astype(np.float32)


pytestmark = pytest.mark.usefixtures("one_thread")


def made(**settings):
    return DESCRIPTORS.make(DESCRIPTORS.settings("efficientnet_features")(**settings))


@pytest.mark.parametrize("crops", [[0], [20, 30, 0]])
def test_features_are_those_of_the_pretrained_network(crops):
    of = {"kind": "grey_cutout", "side_px": 64, "crops_px": crops}
    descriptor = made(of=of)
    found, facts = descriptor(Image(VALUES))
    assert found.shape == descriptor.shape == (1280,) and found.dtype == descriptor.dtype and facts["peak"] > 0
    picture = DESCRIPTORS.make(DESCRIPTORS.settings("grey_cutout")(**of))(Image(VALUES))[0]
    channels = picture.transpose(2, 0, 1) if picture.ndim == 3 else np.stack([picture] * 3)
    net = EfficientNetLite0()
    net.load_pretrained()
    with torch.no_grad():
        expected = net.eval()(torch.from_numpy(channels / np.float32(255))[None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_eight_orientations_do_not_feel_a_turn():
    of = {"kind": "grey_cutout", "side_px": 64}
    turned = Image(np.ascontiguousarray(np.rot90(VALUES)))
    one, eight = made(of=of), made(of=of, orientations=8)
    np.testing.assert_allclose(eight(Image(VALUES))[0], eight(turned)[0], atol=1e-4)
    assert np.abs(one(Image(VALUES))[0] - one(turned)[0]).max() > 0.01
    mirrored = Image(np.ascontiguousarray(VALUES[:, ::-1]))
    both = (one(Image(VALUES))[0] + one(mirrored)[0]) / 2
    np.testing.assert_allclose(made(of=of, orientations=2)(Image(VALUES))[0], both, atol=1e-5)


def test_what_gives_no_picture_is_refused():
    with pytest.raises(ConfigError, match="gives a picture"):
        made(of={"kind": "cosfire"})
    with pytest.raises(ValidationError, match="side_pixels"):
        made(of={"kind": "grey_cutout", "side_pixels": 64})
    with pytest.raises(ConfigError, match=r"describe\.kind"):
        made(of={})
