"""Descriptors: an image in, an array of a fixed shape out; numpy only."""

from skyhash.registry import Registry

DESCRIPTORS = Registry(
    "skyhash.descriptors",
    "describe.kind",
    {
        "magnetic_grid": "skyhash.pixels.solar.magnetic_grid:MagneticGrid",
        "brightest_cutout": "skyhash.pixels.brightest_cutout:BrightestCutout",
        "grey_cutout": "skyhash.pixels.grey_cutout:GreyCutout",
        "cosfire": "skyhash.pixels.cosfire:Cosfire",
        "efficientnet_features": "skyhash.nets.backbone_features:BackboneFeatures"
        " skyhash.nets.settings.backbone_features:BackboneFeaturesSettings",
    },
)
