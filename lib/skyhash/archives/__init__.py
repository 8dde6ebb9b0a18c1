"""Archives: one file per archive; its docstring teaches the instrument and each header quirk."""

from skyhash.registry import Registry

ARCHIVES = Registry(
    "skyhash.archives",
    "archive.kind",
    {
        "allsky": "skyhash.archives.allsky:Allsky",
        "cifar10": "skyhash.archives.cifar10:Cifar10",
        "galaxy10": "skyhash.archives.galaxy10:Galaxy10",
        "image_folder": "skyhash.archives.image_folder:ImageFolder",
        "interferometer": "skyhash.archives.interferometer:Interferometer",
        "solar_hmi": "skyhash.archives.solar.solar_hmi:SolarHmi",
        "solar_hmi_jpeg": "skyhash.archives.solar.solar_hmi_jpeg:SolarHmiJpeg",
        "solar_mdi": "skyhash.archives.solar.solar_mdi:SolarMdi",
        "radio_galaxies": "skyhash.archives.radio_galaxies:RadioGalaxies",
        "simulated_hmi": "skyhash.archives.solar.simulated_hmi:SimulatedHmi",
    },
    default="solar_hmi",
)
