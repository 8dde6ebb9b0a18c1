"""Quantisation error of codes that become signs (Li, Wang & Kang 2016, section 3.2).

A bit is the sign of a code unit u. What is lost by taking the sign is (u - sign(u))^2 = (|u| - 1)^2; the sign of 0 is
taken as 1, so that a unit that has not decided counts in full.
"""

from __future__ import annotations

from torch import Tensor


def quantisation_errors(codes: Tensor) -> Tensor:
    """Mean over the bits of (|u| - 1)^2, shape (n,), of codes (n, bits)."""
    return (codes.abs() - 1).square().mean(dim=1)
