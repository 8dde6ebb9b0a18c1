"""Views of pictures: perspective and blur against torchvision, random subsets, pictures in polar coordinates."""

import math

import pytest
import torch
from torch.nn import functional
from torchvision.transforms.v2 import functional as foreign

from skyhash.nets.settings.pairs import PairSettings
from skyhash.nets.views.distortions import (
    blurred,
    random_blur,
    random_colour,
    random_noise,
    random_perspective,
    warped,
)
from skyhash.nets.views.operations import operations
from skyhash.nets.views.polar import polar_grid
from skyhash.nets.views.subsets import random_subset


def images(n=3, side=24, channels=3, seed=0):
    """Smooth pictures, 0 to 1."""
    drawn = torch.rand(n, channels, 6, 6, generator=torch.Generator().manual_seed(seed))
    return functional.interpolate(drawn, size=(side, side), mode="bicubic", align_corners=False).clamp(0, 1)


def test_perspective_is_that_of_torchvision():
    made, side = images(), 24
    corners = torch.tensor([[-0.8, -0.6], [0.7, -0.9], [0.9, 0.5], [-1.0, 0.8]])
    seen = warped(made, corners.expand(3, 4, 2))
    # torchvision counts from the outer corner of the first pixel
    starts = [[0, 0], [side, 0], [side, side], [0, side]]
    ends = [[(x + 1) * side / 2, (y + 1) * side / 2] for x, y in corners.tolist()]
    wanted = foreign.perspective(made, starts, ends, interpolation=foreign.InterpolationMode.BILINEAR, fill=0)
    inner = (slice(None), slice(None), slice(6, 17), slice(6, 17))
    torch.testing.assert_close(seen[inner], wanted[inner], atol=1e-4, rtol=0)
    assert not torch.allclose(seen[inner], made[inner], atol=0.05)


def test_corners_at_home_change_nothing_and_every_picture_has_its_own():
    made = images()
    home = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    torch.testing.assert_close(warped(made, home.expand(3, 4, 2)), made, atol=1e-5, rtol=0)
    turned = torch.stack([home, home.roll(-1, 0), home.roll(-2, 0)])
    seen = warped(made, turned)
    torch.testing.assert_close(seen[0], made[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[1], torch.rot90(made[1], -1, (-2, -1)), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[2], torch.rot90(made[2], 2, (-2, -1)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("sigma", [0.5, 1.3, 2.0])
def test_blur_is_that_of_torchvision(sigma):
    made = images()
    radius = math.ceil(3 * sigma)
    wanted = foreign.gaussian_blur(made, [2 * radius + 1] * 2, [sigma, sigma])
    torch.testing.assert_close(blurred(made, torch.full((3,), sigma)), wanted, atol=1e-5, rtol=0)


def test_every_picture_is_blurred_by_its_own_width():
    made = images()
    found = blurred(made, torch.tensor([0.001, 1.0, 2.5]))
    torch.testing.assert_close(found[0], made[0], atol=1e-6, rtol=0)
    for i, sigma in ((1, 1.0), (2, 2.5)):
        torch.testing.assert_close(found[i], blurred(made, torch.full((3,), sigma))[i], atol=2e-3, rtol=0)


def _blur(made, limit):
    return random_blur(made, limit, 2 * limit)


@pytest.mark.parametrize(
    ("operation", "limit"),
    [
        (random_perspective, 0.5),
        (random_noise, 0.1),
        (random_colour, 0.3),
        (lambda x, r: random_blur(x, r, 2 * r), 0.05),
    ],
)
def test_ranges_bound_what_is_drawn(operation, limit):
    made = images(40, side=16)
    torch.manual_seed(1)
    seen = operation(made, limit)
    changed = (seen - made).abs().flatten(1).mean(dim=1)
    assert seen.shape == made.shape and (changed > 0).sum() >= 39 and len(set(changed.tolist())) >= 39
    if operation is random_noise:
        spread = (seen - made).flatten(1).std(dim=1)
        assert 0.06 < float(spread.max()) < 1.2 * limit
        return
    if operation is random_colour:
        factor = (seen.sum(dim=(2, 3)) / made.sum(dim=(2, 3))).log()
        assert float(factor.abs().max()) <= limit + 1e-5 and float(factor.std()) > limit / 3


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_subsets_have_the_asked_number_for_each_picture(count):
    """Each operation adds its own power of ten, so that the sum tells which were applied."""
    torch.manual_seed(2)
    seen = random_subset(torch.zeros(300, 1, 2, 2), [lambda x, p=p: x + 10**p for p in range(3)], count)
    sums = seen[:, 0, 0, 0].long().tolist()
    expected = min(count, 3) or 3
    assert {sum(map(int, str(total))) for total in sums} == {expected}
    if expected < 3:
        for p in range(3):
            share = sum(total // 10**p % 10 for total in sums) / 300
            assert share == pytest.approx(expected / 3, abs=0.09), "every operation is drawn as often"


def test_operations_come_by_name_and_in_order():
    made = images()
    mirror_x, mirror_y = operations(PairSettings(kind="pairs"), ("mirror_x", "mirror_y"))
    assert torch.equal(mirror_x(made), made.flip(3)) and torch.equal(mirror_y(made), made.flip(2))
    names = ("affine", "turn", "zoom", "shift", "noise", "colour", "perspective", "blur")
    still = PairSettings(kind="pairs", turn_deg=0, zoom=0, shift=0, noise=0, colour=0, perspective=0, blur=(0, 0))
    for name, operation in zip(names, operations(still, names), strict=True):
        torch.testing.assert_close(operation(made), made, atol=1e-5, rtol=0, msg=name)
    for name, operation in zip(names, operations(PairSettings(kind="pairs"), names), strict=True):
        assert not torch.allclose(operation(made), made, atol=1e-3), name


def test_a_turn_shifts_a_polar_picture_and_a_mirror_turns_it_round():
    made = images(1, side=96)
    grid = polar_grid(10, 16, 0.9, 1.3)

    def polar(picture):
        return functional.grid_sample(picture, grid[None], align_corners=False)[0]

    torch.testing.assert_close(polar(torch.rot90(made, 1, (2, 3))), polar(made).roll(-4, 2), atol=1e-4, rtol=0)
    mirrored = polar(made).flip(2).roll(1, 2).roll(8, 2)
    torch.testing.assert_close(polar(made.flip(3)), mirrored, atol=1e-4, rtol=0)


def test_rings_lie_where_they_are_said_to():
    grid = polar_grid(5, 8, 0.8, 2.0)
    for ring in range(5):
        for position in range(8):
            radius = 0.8 * ((ring + 0.5) / 5) ** 2
            angle = position / 8 * 2 * math.pi
            assert grid[ring, position].tolist() == pytest.approx(
                [radius * math.cos(angle), radius * math.sin(angle)], abs=1e-6
            )


def test_every_operation_follows_its_own_settings_alone():
    made = images(6)
    none = {"turn_deg": 0, "zoom": 0, "shift": 0, "noise": 0, "colour": 0, "perspective": 0, "blur": (0, 0)}
    some = {"turn_deg": 90, "zoom": 0.4, "shift": 0.2, "noise": 0.2, "colour": 0.4, "perspective": 0.4}
    some["blur"] = (0.05, 0.1)
    follows = {"affine": {"turn_deg", "zoom", "shift"}, "turn": {"turn_deg"}, "zoom": {"zoom"}, "shift": {"shift"},
               "noise": {"noise"}, "colour": {"colour"}, "perspective": {"perspective"}, "blur": {"blur"}}  # fmt: skip
    for setting, value in some.items():
        settings = PairSettings(kind="pairs", **none | {setting: value})
        for name, operation in zip(follows, operations(settings, tuple(follows)), strict=True):
            changed = not torch.allclose(operation(made), made, atol=1e-4)
            assert changed == (setting in follows[name]), (name, setting)
