"""Codes of descriptors by distributed inference: the model is loaded once per worker, from its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss

if TYPE_CHECKING:
    import numpy as np


def hasher(folder: str, input_size: int, batch: int):
    """A pandas UDF (vector -> struct of `code`, array of float, and `bits`, hexadecimal text).

    Parameters
    ----------
    folder : str
        The model's folder, as executors see it: neither weights nor model travel in the closure.
    input_size : int
        Numbers per descriptor.
    batch : int
        Rows per call of the encoder.
    """
    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql.types import ArrayType, FloatType, StringType, StructType

    # predict_batch_udf knows no binary: packed bits travel as text
    hashed = StructType().add("code", ArrayType(FloatType())).add("bits", StringType())
    return predict_batch_udf(_maker(folder), return_type=hashed, batch_size=batch, input_tensor_shapes=[[input_size]])


def _maker(folder: str) -> Callable[[], Callable[[np.ndarray], dict[str, np.ndarray]]]:
    def make() -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        import numpy as np
        import torch

        from skyhash.codes.packing import pack
        from skyhash.spark.training import model_folder

        # Spark runs a worker per core already
        torch.set_num_threads(1)
        encoder, thresholds = model_folder.load(Path(folder))

        def predict(vectors: np.ndarray) -> dict[str, np.ndarray]:
            with torch.inference_mode():
                code = encoder.encode(torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))).numpy()
            if not np.isfinite(code).all():
                raise DataLoss(f"hash: {int((~np.isfinite(code).all(axis=1)).sum())} codes are not finite")
            return {"code": code, "bits": hexadecimal(pack(code, thresholds))}

        return predict

    return make


def hexadecimal(packed: np.ndarray) -> np.ndarray:
    """Rows of bytes, shape (n, bytes), as text, shape (n,)."""
    import numpy as np

    text = packed.tobytes().hex()
    width = 2 * packed.shape[1]
    return np.array([text[i : i + width] for i in range(0, len(text), width)], dtype=object)
