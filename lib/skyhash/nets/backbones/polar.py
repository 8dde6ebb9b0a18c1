"""A small network on the picture in polar coordinates, trained from scratch, as `skyhash.nets.galaxy_polar`.

::

    picture -> polar (rings x angles) -> square root -> 6 convolutions 3 x 3, batch normalisation, ReLU
            -> mean and maximum over the angles, per ring = features

Padding is circular along the rings, so that a rotation of the picture is a shift along them, and mean and maximum over
the angles do not change: features are invariant to rotations by multiples of 4 angles, up to rounding. The source must
be in the middle of the picture. If the channels are several cut-outs (``describe.crops_px``), each is read around its
own middle. With 16 channels in the first layer it has 0.1 million weights.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from skyhash.errors import ConfigError
from skyhash.nets.backbones.backbone import Backbone
from skyhash.nets.layers.rings import over_angles, ring_convs, rings_left
from skyhash.nets.views.polar import polar_grid

STRIDES = ((1, 1), (2, 2), (1, 1), (2, 2), (1, 1), (2, 1))
OUTER_RADIUS, CROWDING = 1.0, 1.3  # radius of the outermost ring as a share of half the side; exponent of the radii


class Polar(Backbone):
    """See the module.

    Parameters
    ----------
    radii, angles : int
        Size of the polar picture.
    width : int
        Channels of the first layer; the last has four times as many.
    """

    grid: Tensor

    def __init__(self, radii: int = 24, angles: int = 64, width: int = 16):
        super().__init__()
        self.register_buffer("grid", polar_grid(radii, angles, OUTER_RADIUS, CROWDING), persistent=False)
        widths = [3, *(width * factor for factor in (1, 2, 2, 4, 4, 4))]
        self.layers = ring_convs(widths, STRIDES)
        self.features = 2 * rings_left(radii, STRIDES) * widths[-1]
        self.stages = list(self.layers)

    def load_pretrained(self) -> None:
        """Raise, as there are no pretrained weights.

        Raises
        ------
        ConfigError
            Always.
        """
        raise ConfigError("encoder.weights", "imagenet", "random for backbone: polar")

    def forward(self, images: Tensor, maps: Tensor | None = None) -> Tensor:
        """Features of pictures, shape (n, features).

        Parameters
        ----------
        images : Tensor of float32, shape (n, 3, side, side), 0 to 1
        maps : Tensor, shape (n, 2, 3), optional
            The pictures are seen under these affine maps (`skyhash.nets.views.affine.random_maps`). Only the points of
            the rings are then read, an eighth of a picture's pixels, and once.
        """
        grid = self.grid.expand(len(images), *self.grid.shape)
        if maps is not None:
            grid = grid @ maps[:, None, :, :2].transpose(2, 3) + maps[:, None, None, :, 2]
        rings = functional.grid_sample(images, grid.to(images.dtype), align_corners=False)
        return over_angles(self.layers(rings.clamp(min=0).sqrt() * 2 - 0.5))
