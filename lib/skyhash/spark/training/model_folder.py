"""A trained model as files: `weights.safetensors` and `model.json`, in `models_files/MODEL_ID/` of a warehouse.

The folder is all that hashing needs, in this warehouse or another: the encoder's name and settings, the settings of the
descriptor it reads, its weights with their checksum, and the thresholds of the packed bits.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from skyhash.errors import InputError
from skyhash.files import CHUNK_BYTES
from skyhash.locations import Location

if TYPE_CHECKING:
    import numpy as np

    from skyhash.nets.encoder import Encoder

FOLDER = "models_files"
WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Model:
    """The content of `model.json`.

    Attributes
    ----------
    model_id : str
        Fingerprint of weights, descriptor and threshold rule.
    encoder : str
        Encoder kind.
    describe : dict
        Settings of the descriptor it reads; `descriptor_id` is their fingerprint.
    train, encoder_settings : dict
        Settings it was trained with; those of the encoder determine the network's shape.
    dtype, shape
        Of a descriptor.
    classes : list of str
        Labels it was trained with.
    code_size : int
    threshold : str
        Rule of the packed bits: see `skyhash.coders.packing`.
    weights_checksum : str
        SHA-256 of the weights file.
    facts : dict
        Provenance: columns of `models` that an imported model keeps.
    """

    model_id: str
    encoder: str
    descriptor_id: str
    describe: dict[str, Any]
    train: dict[str, Any]
    encoder_settings: dict[str, Any]
    dtype: str
    shape: list[int]
    classes: list[str]
    code_size: int
    threshold: str
    weights_checksum: str
    facts: dict[str, Any]


def checksum(file: Location) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with file.open() as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def model_id(weights_checksum: str, descriptor_id: str, threshold: str) -> str:
    """Name of a model: a fingerprint of its weights, the descriptor it reads and its threshold rule."""
    text = json.dumps([weights_checksum, descriptor_id, threshold])
    return "model-" + hashlib.sha256(text.encode()).hexdigest()[:12]


def keep(warehouse: Location, model: Model, weights: Location) -> Location:
    """Copy weights and description into the warehouse, unless they are there; returns the weights there."""
    folder = warehouse / FOLDER / model.model_id
    if not (folder / DESCRIPTION).exists():
        (folder / WEIGHTS).copy_from(weights)
        verify(folder / WEIGHTS, model.weights_checksum)
        # last: a folder with a description is whole
        (folder / DESCRIPTION).write(json.dumps(asdict(model), indent=1, sort_keys=True))
    verify(folder / WEIGHTS, model.weights_checksum)
    return folder / WEIGHTS


def read(folder: Location) -> Model:
    """The description of a model's folder.

    Raises
    ------
    InputError
        The folder holds no model.
    """
    path = folder / DESCRIPTION
    try:
        return Model(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(str(folder), f"{type(error).__name__}", f"a model's folder with {DESCRIPTION}") from None


def verify(weights: Location, expected: str) -> None:
    """Compare a weights file with its checksum.

    Raises
    ------
    InputError
        It is missing or was changed.
    """
    if not weights.exists():
        raise InputError(str(weights), "no file", "the model's weights")
    found = checksum(weights)
    if found != expected:
        raise InputError(str(weights), f"checksum {found[:12]}", f"{expected[:12]}, as the model was written")


def load(folder: Location) -> tuple[Encoder, np.ndarray]:
    """The encoder, ready to encode, and the thresholds of its bits, float32, shape (code_size,).

    Raises
    ------
    InputError
        No model, changed weights, or weights that do not fit the encoder.
    """
    from safetensors.torch import load as load_tensors

    from skyhash.nets import train_loop

    model = read(folder)
    verify(folder / WEIGHTS, model.weights_checksum)
    tensors = load_tensors((folder / WEIGHTS).read_bytes())
    encoder = train_loop.make(model.encoder_settings, tuple(model.shape), tuple(model.classes))
    weights = {name.removeprefix("encoder/"): t for name, t in tensors.items() if name.startswith("encoder/")}
    try:
        encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(str(folder / WEIGHTS), str(error), f"weights of the encoder {model.encoder}") from None
    encoder.eval()
    return encoder, tensors[f"thresholds/{model.threshold}"].numpy()
