"""Encoders, as torch modules; no Spark, no files."""

from skyhash.registry import Registry

ENCODERS = Registry(
    "skyhash.encoders",
    "encoder.kind",
    {
        # the second name lets settings be read without importing torch
        "autoencoder": "skyhash.nets.autoencoder:Autoencoder skyhash.nets.settings.autoencoder:AutoencoderSettings",
        "simclr": "skyhash.nets.simclr:Simclr skyhash.nets.settings.simclr:SimclrSettings",
        "triplet_hash": "skyhash.nets.triplet_hash:TripletHash skyhash.nets.settings.triplet_hash:TripletHashSettings",
    },
)
