"""The four experiments of Ndung'u et al. 2023 (arXiv 2309.00932), as settings to be laid over a profile.

Length of the code, percentile of the threshold, noise in the images, and unequal classes. Each is a list of runs; a run
has a name and overrides in the form of ``--set``. Nothing is run here.
"""

from __future__ import annotations

from dataclasses import dataclass

from skyhash.errors import ConfigError


@dataclass(frozen=True)
class Run:
    """One run of an experiment.

    Attributes
    ----------
    name : str
        E.g. ``bits_8``; fit for a folder's name.
    varied : float or str
        What a plot has on its horizontal axis.
    overrides : tuple of (str, object)
        Setting by its dotted name, and its value.
    trains : bool
        Whether the encoder is trained anew; else the profile's own model serves, with `hash.model`.
    """

    name: str
    varied: float | str
    overrides: tuple[tuple[str, object], ...]
    trains: bool = True

    def as_set(self) -> list[str]:
        """The overrides as values of ``--set``, lists and mappings in YAML's short form."""
        return [f"{key}={_yaml(value)}" for key, value in self.overrides]


EXPERIMENTS = {
    "bits": "mAP over the length of the code",
    "percentile": "mAP over the percentile of the training activations that is the threshold",
    "noise": "mAP over noise added to the images, as a share of their brightest pixel",
    "imbalance": "mAP where one class keeps only a share of its training images",
}


def runs(
    experiment: str,
    bits: tuple[int, ...] = (4, 8, 16, 32, 64),
    percentiles: tuple[int, ...] = (40, 45, 50, 55, 60),
    noise: tuple[float, ...] = (0.0, 0.02, 0.05, 0.1, 0.2),
    shares: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1),
    classes: tuple[str, ...] = ("Bent", "Compact", "FRI", "FRII"),
) -> list[Run]:
    """The runs of one experiment.

    Parameters
    ----------
    experiment : {'bits', 'percentile', 'noise', 'imbalance'}
    bits, percentiles, noise, shares : tuple
        What is varied. The thresholds that are no percentile, one half, is among the runs of ``percentile``.
    classes : tuple of str
        Of ``imbalance``: each in turn is the rare one.

    Raises
    ------
    ConfigError
        There is no such experiment.
    """
    if experiment == "bits":
        return [Run(f"bits_{n}", n, (("encoder.bits", n),)) for n in bits]
    if experiment == "percentile":
        rules: list[tuple[float | str, str]] = [("half", "half"), *((p, f"percentile_{p}") for p in percentiles)]
        return [Run(f"threshold_{rule}", x, (("hash.threshold", rule),), trains=False) for x, rule in rules]
    if experiment == "noise":
        return [Run(f"noise_{sigma:g}", sigma, (("describe.added_noise", sigma),)) for sigma in noise]
    if experiment == "imbalance":
        whole = [Run("whole", "all", (("archive.train_shares", {}),))]
        return whole + [
            Run(f"{label}_{share:g}", f"{label} {share:g}", (("archive.train_shares", {label: share}),))
            for label in classes
            for share in shares
            if share < 1
        ]
    raise ConfigError("experiment", repr(experiment), f"one of {', '.join(EXPERIMENTS)}")


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    return str(value)
