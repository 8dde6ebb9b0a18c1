"""Quantisation error of codes that become signs (Li, Wang & Kang 2016, section 3.2).

A bit is the sign of a code unit u. The squared error of taking the sign is (u - sign(u))^2 = (|u| - 1)^2, with sign(0)
= 1, so that it is 1 at u = 0.
"""

from __future__ import annotations

from torch import Tensor


def quantisation_errors(codes: Tensor) -> Tensor:
    """Mean over the bits of (|u| - 1)^2, shape (n,), of codes (n, bits)."""
    return (codes.abs() - 1).square().mean(dim=1)
