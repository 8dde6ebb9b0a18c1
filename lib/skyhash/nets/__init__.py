"""Encoders and their losses, as torch modules; neither Spark nor files."""

from skyhash.registry import Registry

ENCODERS = Registry(
    "skyhash.encoders",
    "encoder.kind",
    {
        # the second name lets settings be read without importing torch
        "autoencoder": "skyhash.nets.autoencoder:Autoencoder skyhash.nets.settings.autoencoder:AutoencoderSettings",
        "galaxy_backbone": "skyhash.nets.galaxy_backbone:GalaxyBackbone"
        " skyhash.nets.settings.galaxy_backbone:GalaxyBackboneSettings",
        "galaxy_polar": "skyhash.nets.galaxy_polar:GalaxyPolar skyhash.nets.settings.galaxy_polar:GalaxyPolarSettings",
        "galaxy_rings": "skyhash.nets.galaxy_rings:GalaxyRings skyhash.nets.settings.galaxy_rings:GalaxyRingsSettings",
        "galaxy_vit": "skyhash.nets.galaxy_vit:GalaxyVit skyhash.nets.settings.galaxy_vit:GalaxyVitSettings",
        "aurora_hash": "skyhash.nets.aurora_hash:AuroraHash skyhash.nets.settings.aurora_hash:AuroraHashSettings",
        "simclr": "skyhash.nets.simclr:Simclr skyhash.nets.settings.simclr:SimclrSettings",
        "triplet_hash": "skyhash.nets.triplet_hash:TripletHash skyhash.nets.settings.triplet_hash:TripletHashSettings",
    },
    default="autoencoder",
)
