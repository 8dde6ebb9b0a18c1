"""Settings of a chain that is small enough for a test."""

from skyhash.config import load


def settings(folder, *more):
    return load(None, [
        f"archive.path={folder / 'archive'}", f"warehouse={folder / 'warehouse'}", "simulate.images=48",
        "simulate.side_px=64", "simulate.cadence_minutes=180", "simulate.broken=0.1", "train.epochs=2",
        "evaluate.bootstrap=40", "evaluations.time_windows={}", "neighbours.k=20", *more,
    ])  # fmt: skip
