"""Simulated HMI: images made by `skyhash.simulated`, in HMI's file format.

The files have HMI's keywords, units, orientation and compression, so the reader is HMI's. They are marked:
SIMULATD is true, ORIGIN names the simulation, the series is ``hmi.sim_m_720s``. A real HMI file beside them is read too
and counts as observed: the header decides, not the folder.
"""

from __future__ import annotations

from skyhash.archives.solar.solar_hmi import SolarHmi


class SimulatedHmi(SolarHmi):
    """Archive of simulated HMI magnetograms."""
