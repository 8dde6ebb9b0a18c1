"""The differential rotation of magnetic features on the Sun: Snodgrass (1983), ApJ 270, 288.

Rate at latitude b, sidereal, deg per day: A + B sin^2 b + C sin^4 b. The coefficients are those that sunpy gives as
``snodgrass`` (`sunpy.sun.models.differential_rotation`), 2.851, -0.343 and -0.474 microrad/s.
"""

from __future__ import annotations

import math
from typing import Any

MICRORAD_PER_S = (2.851, -0.343, -0.474)
SIDEREAL_DEG_PER_DAY = tuple(math.degrees(value * 1e-6 * 86400.0) for value in MICRORAD_PER_S)
EARTH_DEG_PER_DAY = 0.9856
"""Mean motion of the Earth: a synodic rate is the sidereal one less this."""


def sidereal_deg_per_day(sin_squared_latitude: Any) -> Any:
    """Rate for numbers, arrays or tensors of the squared sine of the latitude."""
    a, b, c = SIDEREAL_DEG_PER_DAY
    return a + b * sin_squared_latitude + c * sin_squared_latitude * sin_squared_latitude
