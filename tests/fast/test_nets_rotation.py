"""Virtual Suns: the turn of regions in degrees per day, the limb, the far side, and what a batch is mixed from."""

import math

import pytest
import torch

from skyhash.nets.solar.rotation import Rotation, sides

N = 16
ZERO = torch.zeros(1)


@pytest.fixture(scope="module")
def rotation():
    return Rotation(N, finer=4)


def spot(row, column):
    sun = torch.zeros(1, N, N)
    sun[0, row, column] = 1
    return sun


def turned(rotation, near, hours, far=None, longitude=ZERO):
    frames = rotation(near, torch.zeros_like(near) if far is None else far, longitude, torch.tensor([hours]))
    return frames.view(len(hours), N, N)


def centre(frame):
    """Column of the weight's centre, cells from the disk's middle."""
    return float((frame.sum(dim=0) * (torch.arange(N) + 0.5)).sum() / frame.sum()) - N / 2


def seen_from_earth(row):
    """Synodic rotation of a row's middle, deg/day, by Snodgrass's (1983) formula in float64."""
    sine = (row + 0.5) / N * 2 - 1
    # Snodgrass 1983, magnetic features: 2.851, -0.343 and -0.474 microrad/s, here in deg per day
    return 14.1134 - 1.6980 * sine**2 - 2.3465 * sine**4 - 0.9856


def test_at_hour_0_an_even_sun_is_even_inside_the_disk(rotation):
    frame = turned(rotation, torch.ones(1, N, N), [0.0])[0]
    middle = torch.arange(N) + 0.5 - N / 2
    far_out = (middle[:, None].square() + middle[None].square()).sqrt()
    torch.testing.assert_close(frame[far_out < 6.5], torch.ones_like(frame[far_out < 6.5]), atol=0.02, rtol=0)
    assert (frame[far_out > 8.8] == 0).all()


@pytest.mark.parametrize("axis", [0, 1])
def test_at_hour_0_every_cell_is_read_at_its_own_place(rotation, axis):
    """A field that rises evenly along one axis is read without error, so no cell may be moved or stretched."""
    rising = torch.meshgrid(torch.arange(float(N)), torch.arange(float(N)), indexing="ij")[axis].contiguous()
    frame = turned(rotation, rising[None], [0.0])[0]
    middle = torch.arange(N) + 0.5 - N / 2
    inside = (middle[:, None].square() + middle[None].square()).sqrt() < 6.5
    torch.testing.assert_close(frame[inside], rising[inside], atol=0.01, rtol=0)


@pytest.mark.parametrize("row", [3, 5, 7, 8, 10, 12])
def test_a_region_moves_west_as_fast_as_its_latitude_turns(rotation, row):
    radius = N / 2 * math.sqrt(1 - ((row + 0.5) / N * 2 - 1) ** 2)
    start, later = turned(rotation, spot(row, 7) + spot(row, 8), [0.0, 48.0])
    assert abs(centre(start)) < 0.05
    expected = radius * math.sin(math.radians(2 * seen_from_earth(row)))
    assert centre(later) == pytest.approx(expected, abs=0.2)
    assert (later.sum(dim=1) > 1e-6).nonzero().flatten().tolist() == pytest.approx(
        (start.sum(dim=1) > 1e-6).nonzero().flatten().tolist()
    )


def test_a_region_goes_at_the_western_limb_and_comes_again_at_the_eastern(rotation):
    period = 24 * 360 / seen_from_earth(7)
    weight = [float(frame.sum()) for frame in turned(rotation, spot(7, 8), [0.0, period / 2, period])]
    assert weight[1] < 1e-6 < weight[0] and weight[2] == pytest.approx(weight[0], rel=0.02)
    east = turned(rotation, spot(7, 8), [period * 0.8])[0]
    assert centre(east) < -4


def test_the_far_side_comes_round_in_half_a_turn(rotation):
    half = 12 * 360 / seen_from_earth(7)
    found = turned(rotation, torch.zeros(1, N, N), [0.0, half], far=spot(7, 7) + spot(7, 8))
    assert float(found[0].sum()) < 1e-6 and abs(centre(found[1])) < 0.2 and float(found[1].sum()) > 0.5


def test_a_turn_of_the_whole_sun_is_a_turn_in_time(rotation):
    row, hours = 7, 30.0
    angle = torch.tensor([math.radians(seen_from_earth(row) * hours / 24)])
    by_time = turned(rotation, spot(row, 6), [hours])[0]
    by_angle = turned(rotation, spot(row, 6), [0.0], longitude=angle)[0]
    torch.testing.assert_close(by_time[row], by_angle[row], atol=0.01, rtol=0)


def test_frames_do_not_mix_suns_or_frames(rotation):
    torch.manual_seed(0)
    near, far, hours = torch.rand(3, N, N), torch.rand(3, N, N), torch.rand(3, 4) * 100
    longitude = torch.rand(3)
    together = rotation(near, far, longitude, hours)
    assert together.shape == (3, 4, N * N) and (together >= 0).all()
    for i in range(3):
        for j in range(4):
            one = slice(i, i + 1)
            alone = rotation(near[one], far[one], longitude[one], hours[one, j : j + 1])
            torch.testing.assert_close(together[i, j], alone[0, 0], atol=1e-6, rtol=1e-5)


def test_sides_hold_whole_belts_of_single_rows_both_mirrored_alike():
    torch.manual_seed(3)
    batch, suns = 5, 40
    # every number tells its row and its cell
    rows = torch.arange(batch)[:, None] * 1000.0 + torch.arange(N * N)
    near_far = sides(rows, suns, N)
    assert near_far.shape == (2, suns, N, N)
    position = (near_far % 1000).long()
    origins, mirrored = (near_far // 1000).long(), set()
    cells = torch.arange(N * N).view(N, N)
    for sun in range(suns):
        kinds = [(v, h) for v in (False, True) for h in (False, True)
                 if all(torch.equal(position[side, sun], flipped(cells, v, h)) for side in (0, 1))]  # fmt: skip
        assert len(kinds) == 1
        mirrored.add(kinds[0])
        for side in (0, 1):
            belts = origins[side, sun].view(8, N // 8 * N)
            assert (belts == belts[:, :1]).all()
    assert len(mirrored) == 4
    assert set(origins.flatten().tolist()) == set(range(batch))


def flipped(cells, vertically, horizontally):
    axes = [axis for axis, wanted in ((0, vertically), (1, horizontally)) if wanted]
    return cells.flip(axes)
