"""Descriptors: functions from an image to an array of fixed shape; numpy only."""

from skyhash.registry import Registry

DESCRIPTORS = Registry(
    "skyhash.descriptors",
    "describe.kind",
    {
        "magnetic_grid": "skyhash.pixels.solar.magnetic_grid:MagneticGrid",
        "brightest_cutout": "skyhash.pixels.brightest_cutout:BrightestCutout",
        "grey_cutout": "skyhash.pixels.grey_cutout:GreyCutout",
        "colour_image": "skyhash.pixels.colour_image:ColourImage",
        "sky_disk": "skyhash.pixels.sky_disk:SkyDisk",
        "cosfire": "skyhash.pixels.cosfire:Cosfire",
        "hog": "skyhash.pixels.hog:Hog",
        "radial_harmonics": "skyhash.pixels.radial_harmonics:RadialHarmonics",
        "untrained": "skyhash.nets.untrained:Untrained skyhash.nets.settings.untrained:UntrainedSettings",
        "efficientnet_features": "skyhash.nets.backbone_features:BackboneFeatures"
        " skyhash.nets.settings.backbone_features:BackboneFeaturesSettings",
    },
    default="magnetic_grid",
)
