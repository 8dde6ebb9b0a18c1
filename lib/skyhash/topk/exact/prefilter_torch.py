"""Prefilters by torch: float32 and bfloat16 products on the CPU, and float32 products on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.exact.prefilter import NumpyPrefilter, Operands, U, centred, round_down, slack
from skyhash.topk.exact.rescore import BFLOAT16
from skyhash.topk.vectors.rows import CHUNK, Rows


class TorchPrefilter(NumpyPrefilter):
    """Float32 products by torch's BLAS on the CPU, or on a device."""

    def __init__(self, device: str = "cpu"):
        import torch

        self.torch, self.device = torch, torch.device(device)
        self.on_device = device != "cpu"

    def load(self, values: NDArray) -> Any:
        """A tensor of the values, on the device."""
        return self.torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def scratch(self, cells: int) -> Any:
        return self.torch.zeros(cells + 64, dtype=self.torch.float32, device=self.device)

    def product(self, left: Any, right: Any, scratch: Any) -> int:
        tile = scratch[: len(left) * len(right)].view(len(left), len(right))
        self.torch.mm(left, right.T, out=tile)
        return int(scratch.data_ptr())

    def surviving_pairs(self, left: Any, right: Any, scratch: Any, rows: Any, columns: Any) -> tuple[NDArray, NDArray]:
        """Pairs of a tile whose score is at least either threshold: int64 row and column numbers within the tile.

        For devices: the tile stays on the device; only the numbers of the surviving pairs are copied.
        """
        self.product(left, right, scratch)
        tile = scratch[: len(left) * len(right)].view(len(left), len(right))
        hit = self.torch.nonzero((tile >= rows[:, None]) | (tile >= columns[None, :]))
        found = hit.to("cpu").numpy()
        return np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1])


class BFloat16Prefilter(TorchPrefilter):
    """Bfloat16 products: several times faster on CPUs with hardware for them, with a wider error bound."""

    kind = BFLOAT16

    def operands(self, rows: Rows, centre: NDArray[np.float32]) -> Operands:
        values: Any = np.asarray(rows.values)
        if rows.metric != "euclidean":
            tensor, lost = self._rounded(values)
            return Operands(tensor, tensor, rows.norms, lost)
        left, _, lengths = centred(values, centre)
        width = values.shape[1]
        tensor, lost = self._rounded(left[:, :width])
        # the sum of three bfloat16 numbers represents a float32 exactly
        half, parts = self.torch.from_numpy(left[:, width + 1].copy()), []
        for _ in range(3):
            parts.append(half.bfloat16())
            half = half - parts[-1].float()
        halves = self.torch.stack(parts, dim=1)
        ones = self.torch.ones_like(halves)
        left_side, right_side = self.torch.cat([tensor, ones, halves], 1), self.torch.cat([tensor, halves, ones], 1)
        return Operands(left_side, right_side, lengths, lost)

    def _rounded(self, values: NDArray[np.float32]) -> tuple[Any, NDArray[np.float64]]:
        """Rows in bfloat16, and an upper bound of the length of each row's rounding error."""
        lost, chunks = np.empty(len(values)), []
        for start in range(0, len(values), CHUNK):
            exact = self.torch.from_numpy(np.ascontiguousarray(values[start : start + CHUNK]))
            chunks.append(exact.bfloat16())
            difference = self.torch.linalg.vector_norm(exact - chunks[-1].float(), dim=1)
            lost[start : start + CHUNK] = difference.numpy()
        # a sum of squares in float32 has a relative error below its number of terms times 2**-24
        return self.torch.cat(chunks), lost * (1 + values.shape[1] * U)

    def scratch(self, cells: int) -> Any:
        return self.torch.zeros(cells + 64, dtype=self.torch.bfloat16)

    def thresholds(self, required: NDArray[np.float64], operands: Operands) -> NDArray[np.float32]:
        return bfloat16_down(round_down(required - slack(operands, operands.left.shape[1])))


def bfloat16_down(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest bfloat16 at or below each float32, as float32."""
    bits = values.view(np.uint32)
    kept = bits & np.uint32(0xFFFF0000)
    # dropping bits rounds towards zero: one step further down for negative numbers that lost any
    lower = np.where((bits >> 31 == 1) & (bits != kept) & np.isfinite(values), kept + np.uint32(0x10000), kept)
    return lower.astype(np.uint32).view(np.float32)
