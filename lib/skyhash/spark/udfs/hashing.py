"""Encoding of descriptors in Spark workers; each loads the model once, from its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from skyhash.errors import DataLoss
from skyhash.locations import Location

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

HASHED = "image_id bigint, is_zero boolean, code array<float>, bits binary"
BATCH_BYTES = 256 << 20
# products of one to three rows are computed by other routines, which round differently: the code of an image must not
# depend on how many others are hashed in the same night
LEAST_ROWS = 16


def rows_per_batch(batch: int, row_bytes: int) -> int:
    """Rows per call of the encoder: `batch`, or fewer where a row is large."""
    return max(1, min(batch, BATCH_BYTES // max(row_bytes, 1)))


def hasher(
    folder: Location, dtype: str, shape: tuple[int, ...], device: str = "auto"
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Function for `mapInArrow` over (image_id, data): rows of `HASHED`.

    Parameters
    ----------
    folder : Location
        The model's.
    dtype, shape
        Of a descriptor's array.
    device : {'auto', 'cpu', 'cuda'}
        The setting hash.device. Tasks of one machine take its CUDA devices in turn.
    """

    def hash_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import torch
        from pyspark import TaskContext

        from skyhash.coders.packing import pack
        from skyhash.spark.training import model_folder
        from skyhash.spark.training.loop import device_of

        # Spark runs one worker per core
        torch.set_num_threads(1)
        encoder, thresholds = model_folder.load(folder)
        task = TaskContext.get()
        at = device_of("hash.device", device, task.partitionId() if task else 0)
        encoder.to(at)
        for batch in batches:
            if not batch.num_rows:
                continue
            data = decoded(batch.column(1), dtype, shape)
            with torch.inference_mode():
                code = encoder.encode(torch.from_numpy(at_least(data, LEAST_ROWS)).to(at)).float().cpu().numpy()
            code = code[: len(data)]
            finite = _finite_rows(code)
            if not finite.all():
                raise DataLoss(f"hash: {int((~finite).sum())} codes are not finite")
            bits = [row.tobytes() for row in pack(code, thresholds)]
            flat = pa.array(code.ravel(), pa.float32())
            offsets = pa.array(range(0, code.size + 1, code.shape[1]), pa.int32())
            yield pa.RecordBatch.from_arrays(
                [batch.column(0), pa.array(~code.any(axis=1)), pa.ListArray.from_arrays(offsets, flat),
                 pa.array(bits, pa.binary())],
                names=["image_id", "is_zero", "code", "bits"],
            )  # fmt: skip

    return hash_batches


def at_least(data: np.ndarray, rows: int) -> np.ndarray:
    """A batch (n, ...) with rows of zeros appended up to `rows`."""
    import numpy as np

    missing = rows - len(data)
    return data if missing <= 0 else np.concatenate([data, np.zeros((missing, *data.shape[1:]), data.dtype)])


def _finite_rows(code: np.ndarray) -> np.ndarray:
    import numpy as np

    finite: np.ndarray = np.isfinite(code).all(axis=1)
    return finite


def decoded(column: pa.Array, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """A column of arrays, stored as bytes, as one writable array (n, *shape).

    Raises
    ------
    DataLoss
        The number of bytes does not fit n arrays of that shape and type.
    """
    import numpy as np

    kind = np.dtype(dtype).newbyteorder("<")
    wanted = len(column) * int(np.prod(shape)) * kind.itemsize
    found = b"".join(column.to_pylist())
    if len(found) != wanted:
        raise DataLoss(f"descriptors: {len(found)} bytes in {len(column)} rows of {dtype} {shape}, not {wanted}")
    return np.frombuffer(bytearray(found), kind).reshape(len(column), *shape)
