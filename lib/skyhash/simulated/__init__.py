"""Archives made by a physical model, for demos, tests and benchmarks; always named simulated."""

from skyhash.registry import Registry

SIMULATORS = Registry(
    "skyhash.simulators",
    "simulate.kind",
    {
        "solar": "skyhash.simulated.solar.simulator:SolarSimulator",
        "galaxies": "skyhash.simulated.galaxies:GalaxiesSimulator",
        "aurora": "skyhash.simulated.aurora:AuroraSimulator",
        "cifar10": "skyhash.simulated.cifar10:Cifar10Simulator",
        "interferometer": "skyhash.simulated.interferometer:InterferometerSimulator",
        "radio_galaxies": "skyhash.simulated.radio_galaxies:RadioGalaxiesSimulator",
    },
    default="solar",
)
