"""The interface of backbones, and the conversion of stored descriptors to the colour pictures that they read."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skyhash.errors import ModelMismatch


def pictures(data: Tensor) -> Tensor:
    """Stored images as colour pictures, first row and channel order unchanged.

    Parameters
    ----------
    data : Tensor, shape (n, height, width) or (n, height, width, channels) with 1 or 3 channels
        uint8 (0 to 255) or float (0 to 1).

    Returns
    -------
    Tensor of float32, shape (n, 3, height, width), 0 to 1
        A grey image is repeated in all three channels (a view).

    Raises
    ------
    ModelMismatch
        The shape is not one of an image.
    """
    if data.ndim == 3:
        data = data.unsqueeze(-1)
    if data.ndim != 4 or data.shape[-1] not in (1, 3):
        raise ModelMismatch("encoder", f"descriptors of shape {tuple(data.shape[1:])}", "grey or colour images")
    values = data.to(torch.float32) / 255.0 if data.dtype == torch.uint8 else data.to(torch.float32)
    return values.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)


class Backbone(nn.Module):
    """A convolutional network without its classification layer.

    Attributes
    ----------
    features : int
        Numbers per picture.
    stages : list of Module
        Parts in the order in which they are applied, for freezing the early ones.
    stored_statistics : bool
        Batch normalisation uses the pretrained means and variances in training too; its scales and shifts are trained.
        The statistics of small batches of mostly background vary strongly: with them, networks trained for 8 epochs on
        radio galaxies had a low training loss but in evaluation mode an accuracy of about one half. Stored statistics
        also need no exchange between ranks.
    """

    features: int
    stages: list[nn.Module]

    def __init__(self) -> None:
        super().__init__()
        self.frozen = 0
        self.stored_statistics = False

    def load_pretrained(self) -> None:
        """Load the ImageNet weights from an installed package or a file; nothing is downloaded."""
        raise NotImplementedError

    def freeze(self, stages: int) -> None:
        """Keep the first `stages` stages as they are: no gradient, and batch normalisation by the stored statistics.

        Raises
        ------
        ModelMismatch
            There are fewer stages.
        """
        if not 0 <= stages <= len(self.stages):
            raise ModelMismatch("encoder.frozen_stages", stages, f"0 to {len(self.stages)}")
        self.frozen = stages
        for number, stage in enumerate(self.stages):
            stage.requires_grad_(number >= stages)
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        """As `torch.nn.Module.train`; frozen stages and stored statistics stay in evaluation mode."""
        super().train(mode)
        for stage in self.stages[: self.frozen]:
            stage.eval()
        if self.stored_statistics:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Features of pictures.

        Parameters
        ----------
        images : Tensor of float32, shape (n, 3, height, width), 0 to 1
            As `pictures` gives them; any height and width of 32 or more.

        Returns
        -------
        Tensor of float32, shape (n, features)
        """
        raise NotImplementedError
