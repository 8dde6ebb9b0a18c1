"""Evaluations, tie-aware ranking, confidence intervals: numpy only."""

from skyhash.registry import Registry

EVALUATIONS = Registry(
    "skyhash.evaluations",
    "evaluations",
    {
        "labels": "skyhash.scores.labels:Labels",
        "mini_search": "skyhash.scores.mini_search:MiniSearch",
        "same_source": "skyhash.scores.same_source:SameSource",
        "time_windows": "skyhash.scores.time_windows:TimeWindows",
    },
)
