"""Screens by torch: float32 and bfloat16 products on the processor, and whole tiles on a device such as a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skyhash.topk.exact import rescore as sift
from skyhash.topk.exact.prefilter import Form, U, centred, round_down, slack
from skyhash.topk.vectors.rows import CHUNK, Rows


class TorchScreen:
    """Float32 products by torch's BLAS, or on a device."""

    name = "float32 torch"
    kind = sift.FLOAT32

    def __init__(self, device: str = "cpu"):
        import torch

        self.torch, self.device = torch, torch.device(device)
        if device != "cpu":
            self.name = f"float32 {device}"

    def form(self, rows: Rows, centre: NDArray[np.float32]) -> Form:
        values: Any = np.asarray(rows.values)
        nothing = np.zeros(len(rows))
        if rows.metric != "euclidean":
            tensor = self._load(values)
            return Form(tensor, tensor, rows.norms, nothing)
        left, right, lengths = centred(values, centre)
        return Form(self._load(left), self._load(right), lengths, nothing)

    def _load(self, values: NDArray[np.float32]) -> Any:
        return self.torch.from_numpy(np.ascontiguousarray(values)).to(self.device)

    def pick(self, form: Form, places: NDArray[np.int64]) -> Form:
        index = self.torch.from_numpy(places).to(self.device)
        left = form.left[index]
        right = left if form.right is form.left else form.right[index]
        return Form(left, right, form.lengths[places], form.rest[places])

    def buffer(self, cells: int) -> Any:
        return self.torch.zeros(cells + 64, dtype=self.torch.float32, device=self.device)

    def product(self, left: Any, right: Any, buffer: Any) -> int:
        tile = buffer[: len(left) * len(right)].view(len(left), len(right))
        self.torch.mm(left, right.T, out=tile)
        return int(buffer.data_ptr())

    def floors(self, needed: NDArray[np.float64], form: Form) -> NDArray[np.float32]:
        return round_down(needed - slack(form, form.left.shape[1]))

    def reached(self, left: Any, right: Any, buffer: Any, rows: Any, columns: Any) -> tuple[NDArray, NDArray]:
        """Pairs of a tile whose screened score reaches either floor, as two int64 arrays of places in the tile.

        For devices: the tile stays there, only the places of the few survivors come back.
        """
        self.product(left, right, buffer)
        tile = buffer[: len(left) * len(right)].view(len(left), len(right))
        hit = self.torch.nonzero((tile >= rows[:, None]) | (tile >= columns[None, :]))
        found = hit.to("cpu").numpy()
        return np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1])

    def load_floors(self, floors: NDArray[np.float32]) -> Any:
        return self.torch.from_numpy(floors).to(self.device)


class BFloat16Screen(TorchScreen):
    """Bfloat16 products: several times faster where the processor has units for them, with a wider bound."""

    name = "bfloat16 torch"
    kind = sift.BFLOAT16

    def form(self, rows: Rows, centre: NDArray[np.float32]) -> Form:
        values: Any = np.asarray(rows.values)
        if rows.metric != "euclidean":
            tensor, rest = self._rounded(values)
            return Form(tensor, tensor, rows.norms, rest)
        left, _, lengths = centred(values, centre)
        width = values.shape[1]
        tensor, rest = self._rounded(left[:, :width])
        # three bfloat16 hold a float32 to its last bit
        half, parts = self.torch.from_numpy(left[:, width + 1].copy()), []
        for _ in range(3):
            parts.append(half.bfloat16())
            half = half - parts[-1].float()
        halves = self.torch.stack(parts, dim=1)
        ones = self.torch.ones_like(halves)
        return Form(self.torch.cat([tensor, ones, halves], 1), self.torch.cat([tensor, halves, ones], 1), lengths, rest)

    def _rounded(self, values: NDArray[np.float32]) -> tuple[Any, NDArray[np.float64]]:
        """Rows in bfloat16, and an upper bound of the length of what that took off each."""
        rest, pieces = np.empty(len(values)), []
        for start in range(0, len(values), CHUNK):
            exact = self.torch.from_numpy(np.ascontiguousarray(values[start : start + CHUNK]))
            pieces.append(exact.bfloat16())
            off = self.torch.linalg.vector_norm(exact - pieces[-1].float(), dim=1)
            rest[start : start + CHUNK] = off.numpy()
        # the sum of squares in float32 is off by less than its number of terms times 2**-24
        return self.torch.cat(pieces), rest * (1 + values.shape[1] * U)

    def buffer(self, cells: int) -> Any:
        return self.torch.zeros(cells + 64, dtype=self.torch.bfloat16)

    def floors(self, needed: NDArray[np.float64], form: Form) -> NDArray[np.float32]:
        floors = round_down(needed - slack(form, form.left.shape[1]))
        return bfloat16_down(floors)


def bfloat16_down(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The next bfloat16 at or below each float32, as float32."""
    bits = values.view(np.uint32)
    kept = bits & np.uint32(0xFFFF0000)
    # cutting bits off moves towards zero: one step further down for negative numbers that lost any
    lower = np.where((bits >> 31 == 1) & (bits != kept) & np.isfinite(values), kept + np.uint32(0x10000), kept)
    return lower.astype(np.uint32).view(np.float32)
