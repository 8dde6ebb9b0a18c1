"""A small convolutional network on the galaxy's picture in polar coordinates, trained from scratch.

In polar coordinates a rotation of the picture is a shift along the rings, a logarithmic spiral arm is a straight
slanted line, and the sense of a spiral is the sign of the slant. The network is therefore equivariant to rotation by
design::

    picture -> polar (24 rings x 64 angles) -> square root
            -> 7 convolutions 3 x 3, batch normalisation, ReLU; padding is circular along the rings
            -> mean and maximum over angles, per ring -> dropout -> Linear = code

With 16 channels in the first layer it has 0.1 million weights. The galaxy's centre must be in the middle of the
picture. Losses and views are those of `skyhash.nets.pairs`; views without mirroring keep the sense of spirals. Batch
normalisation uses each rank's own rows.

Measured on Galaxy Zoo 1 (SDSS; of 2498 images 320 were held out, 80 of each of four classes, and searched among
themselves; one seed, 12 epochs with labels in one process, settings of ``conf/galaxy_zoo.yaml``): mAP@100 0.614. The
best untrained method, 16 principal components of frozen EfficientNet features, has 0.273, the untrained network 0.153.
With views shifted by up to 0.05 of the side instead of 0.01 the senses of spirals were not separated after 18 epochs
(mAP@100 0.426): an arm is a straight line only around its own centre. Training without labels has not been measured on
these images.

On the test part (1170 other images, six classes, two of which training never saw; one process, 12 epochs with labels on
all 2498 and a smaller network: pictures of 64 px, `width: 8`, `radii: 16`, `angles: 48`, `dropout: 0.1`) mAP@100 is
0.400 (95 % interval 0.379 to 0.419), precision at 10 and 100 0.558 and 0.521. Radial harmonics have 0.281 (0.265 to
0.297), principal components of EfficientNet features 0.244, raw pixels 0.231, the untrained network 0.188, HOG 0.160;
the paired difference to the first is 0.119 (0.106 to 0.130). Mergers (0.024) and "don't know" (0.042) are not found.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from skyhash.nets.layers.rings import over_angles, ring_convs, rings_left
from skyhash.nets.pairs import PairEncoder
from skyhash.nets.settings.galaxy_polar import GalaxyPolarSettings
from skyhash.nets.views.polar import polar_grid

STRIDES = ((1, 1), (1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 1))


class GalaxyPolar(PairEncoder):
    """See the module; `input_shape` is (side, side) or (side, side, 3)."""

    Settings = GalaxyPolarSettings
    settings: GalaxyPolarSettings
    grid: Tensor

    def __init__(self, settings: GalaxyPolarSettings, input_shape: tuple[int, ...], classes: tuple[str, ...] = ()):
        super().__init__(settings, input_shape, classes)
        of = settings
        self.register_buffer("grid", polar_grid(of.radii, of.angles, of.outer_radius, of.crowding), persistent=False)
        widths = [3, *(of.width * factor for factor in (1, 1, 2, 2, 4, 4, 4))]
        self.layers = ring_convs(widths, STRIDES)
        self.last = nn.Linear(2 * rings_left(of.radii, STRIDES) * widths[-1], of.size)
        self._codes_of(of.size)

    def code(self, images: Tensor) -> Tensor:
        grid = self.grid.expand(len(images), *self.grid.shape).to(images.dtype)
        rings = functional.grid_sample(images, grid, align_corners=False)
        maps = self.layers(rings.clamp(min=0).sqrt() * 2 - 0.5)
        features = over_angles(maps)
        return self.last(functional.dropout(features, self.settings.dropout, self.training))

    def settled(self, images: Tensor) -> Tensor:
        """Weighted mean of the picture's code and, with weight `mirrored_code`, of its mirror image's."""
        code, share = self.code(images), self.settings.mirrored_code
        return code if not share else (1 - share) * code + share * self.code(images.flip(-1))
