"""Seconds of the steps of a search."""

from __future__ import annotations

import time


class Clock:
    """Seconds of each step, in order; `laps` are those of steps that have ended already."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})
        self._since = time.monotonic()

    def lap(self, step: str) -> None:
        now = time.monotonic()
        self.laps[step] = self.laps.get(step, 0.0) + now - self._since
        self._since = now
