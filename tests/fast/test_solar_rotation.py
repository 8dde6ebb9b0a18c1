"""One rotation law, against sunpy's."""

import astropy.units as u
import numpy as np
import pytest
import torch
from sunpy.sun.models import differential_rotation

from skyhash.nets.solar.rotation import Rotation
from skyhash.simulated.solar import sun

LATITUDES = np.array([-60.0, -35, -10, 0, 5, 20, 45, 70])


def test_the_simulated_sun_turns_as_sunpy_says():
    expected = differential_rotation(1 * u.day, LATITUDES * u.deg, model="snodgrass", frame_time="sidereal")
    np.testing.assert_allclose(sun.rotation_deg_per_day(LATITUDES), expected.to_value(u.deg), rtol=1e-6)


def test_virtual_suns_turn_as_sunpy_says():
    turning = Rotation(16, 1)
    latitude = np.degrees(np.arcsin(turning.down[:, 8].numpy().astype(float)))
    expected = differential_rotation(1 * u.hour, latitude * u.deg, model="snodgrass", frame_time="synodic")
    found = np.degrees(turning.per_hour[:, 8].numpy())
    on = turning.on[:, 8].numpy() > 0
    np.testing.assert_allclose(found[on], expected.to_value(u.deg)[on], rtol=1e-4)


def test_the_west_is_to_the_right_and_a_region_moves_there():
    side = torch.zeros(1, 16, 16)
    side[0, 7, 7] = 1.0
    frames = Rotation(16)(side, torch.zeros(1, 16, 16), torch.zeros(1), torch.tensor([[0.0, 24.0]])).view(2, 16, 16)
    columns = (frames.sum(1) * torch.arange(16)).sum(1) / frames.sum((1, 2))
    assert float(columns[1] - columns[0]) == pytest.approx(8 * np.sin(np.radians(13.1)), abs=0.35)
