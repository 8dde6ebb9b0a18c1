"""DenseNet-161 (Huang et al. 2017) of torchvision, with ImageNet weights from a file of the user's.

The backbone of Ndung'u et al. 2023 (arXiv 2309.00932). torchvision serves its weights as ``densenet161-8d451a50.pth``;
nothing is downloaded here. They come from

- a file, by path or URI: that one, or the same tensors as safetensors; or
- torchvision's name, ``IMAGENET1K_V1``, where torch's cache (``torch.hub.get_dir()``/checkpoints) holds the file.

A ``.pth`` file is opened with ``weights_only=True``, which reads tensors but no code. torchvision's file of 2017 has
the older names ``denselayer1.norm.1`` for ``denselayer1.norm1``; both are read. The classification layer is ignored.
Pixels are normalised by ImageNet's mean and standard deviation per channel, as torchvision does.
"""

from __future__ import annotations

import io
import pickle
import re

import torch
import torchvision
from safetensors import SafetensorError
from safetensors import torch as tensors
from torch import Tensor, nn
from torch.nn import functional

from skyhash.errors import BadFile, ConfigError
from skyhash.files import FileSource
from skyhash.nets.backbones.backbone import Backbone

NAMES = ("IMAGENET1K_V1", "DEFAULT", "DenseNet161_Weights.IMAGENET1K_V1")
FILE_NAME = "densenet161-8d451a50.pth"
SETTING = "encoder.weights_file"
_OLD_NAME = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")


class DenseNet161(Backbone):
    """DenseNet-161 without its classification layer, 26.5 million weights; random until `load_pretrained`.

    Parameters
    ----------
    weights : str
        A file or torchvision's name; with '' `load_pretrained` raises.
    """

    features = 2208

    mean: Tensor
    spread: Tensor

    def __init__(self, weights: str = ""):
        super().__init__()
        self.weights = weights
        self.net = torchvision.models.densenet161(weights=None).features
        parts = dict(self.net.named_children())
        self.stages = [nn.ModuleList([parts["conv0"], parts["norm0"]])]
        for number in (1, 2, 3):
            self.stages.append(nn.ModuleList([parts[f"denseblock{number}"], parts[f"transition{number}"]]))
        self.stages.append(nn.ModuleList([parts["denseblock4"], parts["norm5"]]))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("spread", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def load_pretrained(self) -> None:
        """Load the weights of the file.

        Raises
        ------
        ConfigError
            There is no such file, or it does not hold DenseNet-161's tensors.
        """
        wanted = self.net.state_dict()
        read = _read(self.weights)
        found = {_OLD_NAME.sub(r"\1\2.", name).removeprefix("features."): value for name, value in read.items()}
        for name, old in wanted.items():
            if name.endswith("num_batches_tracked"):  # not in files of 2017; only counts
                found.setdefault(name, old)
        wrong = [name for name, old in wanted.items() if getattr(found.get(name), "shape", None) != old.shape]
        if wrong:
            raise ConfigError(
                SETTING,
                f"{self.weights} without a fitting tensor {wrong[0]} ({len(wrong)} of {len(wanted)} missing)",
                "the weights of torchvision's densenet161",
            )
        self.net.load_state_dict({name: found[name] for name in wanted})

    def forward(self, images: Tensor) -> Tensor:
        maps = functional.relu(self.net((images - self.mean) / self.spread))
        return maps.mean(dim=(2, 3))


def _read(weights: str) -> dict[str, Tensor]:
    named = weights in NAMES
    path = f"{torch.hub.get_dir()}/checkpoints/{FILE_NAME}" if named else weights
    expected = f"a file of DenseNet-161's weights ({FILE_NAME} of torchvision, or safetensors); nothing is downloaded"
    try:
        content = FileSource(path).bytes()
        if path.endswith(".safetensors"):
            read = tensors.load(content)
        else:
            read = torch.load(io.BytesIO(content), "cpu", weights_only=True)
    except (BadFile, OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        found = f"{weights}, which is not at {path}" if named else repr(weights)
        raise ConfigError(SETTING, f"{found} ({type(error).__name__})", expected) from None
    if not isinstance(read, dict):
        raise ConfigError(SETTING, f"{weights!r}, which holds no mapping of names to tensors", expected)
    return read
