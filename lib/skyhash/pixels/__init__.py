"""Descriptors: an image in, an array of a fixed shape out; numpy only."""

from skyhash.registry import Registry

DESCRIPTORS = Registry(
    "skyhash.descriptors",
    "describe.kind",
    {
        "magnetic_grid": "skyhash.pixels.solar.magnetic_grid:MagneticGrid",
        "grey_cutout": "skyhash.pixels.grey_cutout:GreyCutout",
        "sky_disk": "skyhash.pixels.sky_disk:SkyDisk",
        "colour_picture": "skyhash.pixels.colour_picture:ColourPicture",
        "cosfire": "skyhash.pixels.cosfire:Cosfire",
        "efficientnet_features": "skyhash.nets.backbone_features:BackboneFeatures"
        " skyhash.nets.settings.backbone_features:BackboneFeaturesSettings",
    },
)
