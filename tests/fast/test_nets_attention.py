"""Attention overlays: averages, slow sums, and where the light falls."""

import io

import numpy as np
import pytest
import torch
from PIL import Image as Picture

from skyhash.errors import ModelMismatch
from skyhash.nets import ENCODERS
from skyhash.nets.attention import DARK, FULL, overlay, overlay_picture, received
from skyhash.nets.settings.galaxy_polar import GalaxyPolarSettings
from skyhash.nets.settings.galaxy_vit import GalaxyVitSettings


def vit():
    torch.manual_seed(2)
    of = GalaxyVitSettings(patch_px=8, hidden=16, heads=2, widened=24, output=12, blocks=2)
    return ENCODERS.make(of, (24, 24, 3)).eval()


DATA = np.random.default_rng(3).integers(0, 256, (2, 24, 24, 3), dtype=np.uint8)


def test_attention_received_is_the_slow_sum_and_one_on_average():
    net = vit()
    with torch.no_grad():
        maps = received(net, torch.from_numpy(DATA.copy()))
        assert maps.shape == (2, 2, 2, 3, 3)
        torch.testing.assert_close(maps.mean(dim=(3, 4)), torch.ones(2, 2, 2))
        x = net.blocks[0].norm1(net.embedded(torch.from_numpy(DATA.copy()).permute(0, 3, 1, 2).float() / 255))
        layer = net.blocks[0].heads
        q, k = layer.query[1](x[..., 8:]), layer.key[1](x[..., 8:])
        for patch in range(9):
            total = sum(torch.softmax(k[0] @ q[0, other] / 8**0.5, dim=0)[patch] for other in range(9))
            assert float(maps[0, 0, 1, patch // 3, patch % 3]) == pytest.approx(float(total), rel=1e-4)


def test_light_falls_where_attention_goes():
    white = np.full((24, 24, 3), 200, np.uint8)
    attention = np.zeros((3, 3), np.float32)
    attention[1, 2] = 2 * FULL
    seen = overlay(white, attention)
    assert seen[12, 20].tolist() == [200] * 3 and seen[2, 2].tolist() == [200 * DARK] * 3
    assert (np.diff(seen[12, :21, 0].astype(int)) >= 0).all()


def test_a_sheet_has_a_row_per_picture_and_a_column_per_head():
    seen = np.asarray(Picture.open(io.BytesIO(overlay_picture(vit(), DATA))))
    assert seen.shape == (48, 72, 3)
    np.testing.assert_array_equal(seen[:24, :24], DATA[0, ::-1])
    assert (seen[:, 24:] <= np.tile(np.concatenate(DATA[:, ::-1]), (1, 2, 1))).all()


def test_networks_without_attention_are_reported():
    other = ENCODERS.make(GalaxyPolarSettings(width=4), (24, 24, 3))
    with pytest.raises(ModelMismatch, match="no attention"):
        received(other, torch.from_numpy(DATA))
