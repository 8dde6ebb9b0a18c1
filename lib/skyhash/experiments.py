"""Experiments: lists of settings to be laid over a profile, one run each.

A run has a name and overrides in the form of ``--set``. Nothing is run here: `skyhash.stages.chain.experiment` brings
each run through the jobs of the profile and writes one table. There are two groups, though any profile whose encoder has the
settings will do: those of Ndung'u et al. 2023 (arXiv 2309.00932; seed document 003) for radio galaxies, and Tables 1 to
6 of the aurora document (seed 002), whose published values go into the table beside what is measured, whatever the data
set.
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
        Whether the encoder is trained anew; else the model of another run serves, since the settings that made it are
        the same.
    line : str
        Runs of one line are joined in a plot; '' = all of them.
    """

    name: str
    varied: float | str
    overrides: tuple[tuple[str, object], ...]
    trains: bool = True
    line: str = ""

    def as_set(self) -> list[str]:
        """The overrides as values of ``--set``, lists and mappings in YAML's short form."""
        return [f"{key}={_yaml(value)}" for key, value in self.overrides]


EXPERIMENTS = {
    "bits": "mAP over the length of the code",
    "percentile": "mAP over the percentile of the training activations that is the threshold",
    "noise": "mAP over noise added to the images, as a share of their brightest pixel",
    "imbalance": "mAP where one class keeps only a share of its training images",
    "hash_loss": "with and without the loss of the hash layer (aurora document, Table 1)",
    "pyramid": "with and without pyramid pooling and power mean transformation (Table 2), and each alone",
    "architectures": "three networks, four lengths of the code: mAP, accuracy, size, training time (Tables 3 and 4)",
    "methods": "the profile's own hash beside every other method (Table 5)",
    "code_lengths": "four lengths of the code beside LSH, ITQ and the other methods (Table 6)",
}

LENGTHS = (12, 24, 32, 48)
NETWORKS = ("alexnet", "alexnet_sp", "im_alexnet_sp")
# mAP and accuracy of each network at the lengths, Tables 3 and 4
PUBLISHED = {
    "alexnet": ((0.8336, 0.8450, 0.8518, 0.8554), (0.8964, 0.8995, 0.8988, 0.9073)),
    "alexnet_sp": ((0.8729, 0.9004, 0.9066, 0.8963), (0.9312, 0.9298, 0.9325, 0.9367)),
    "im_alexnet_sp": ((0.8995, 0.9072, 0.9173, 0.9095), (0.9320, 0.9305, 0.9410, 0.9384)),
}
ON_CIFAR10 = (0.902, 0.904, 0.912, 0.907)  # mAP of im_alexnet_sp, Table 6


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
    experiment : str
        One of `EXPERIMENTS`.
    bits, percentiles, noise, shares : tuple
        What is varied. The threshold that is no percentile, one half, is among the runs of ``percentile``.
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
    if experiment in EXPERIMENTS:
        return _of_aurora(experiment)
    raise ConfigError("experiment", repr(experiment), f"one of {', '.join(EXPERIMENTS)}")


def _of_aurora(experiment: str) -> list[Run]:
    if experiment == "hash_loss":
        network = ("encoder.architecture", "alexnet")
        without = (("encoder.pairwise", 0.0), ("encoder.quantisation", 0.0))
        return [
            Run("without_hash_loss", "without", (network, *without, *_published(0.7563, 0.8705))),
            Run("with_hash_loss", "with", (network, *_published(0.8554, 0.9073))),
        ]
    if experiment == "pyramid":
        sp: tuple[str, object] = ("encoder.architecture", "alexnet_sp")
        no_pyramid: tuple[str, object] = ("encoder.pyramid", [])
        no_power_mean: tuple[str, object] = ("encoder.power_mean", False)
        return [
            Run("neither", "neither", (sp, no_pyramid, no_power_mean, *_published(0.8554, 0.9073))),
            Run("pyramid_alone", "pyramid", (sp, no_power_mean)),
            Run("power_mean_alone", "power mean", (sp, no_pyramid)),
            Run("pyramid_and_power_mean", "both", (sp, *_published(0.8963, 0.9367))),
        ]
    if experiment == "architectures":
        return [
            Run(
                f"{network}_{n}", n,
                (("encoder.architecture", network), ("encoder.bits", n),
                 *_published(*(values[i] for values in PUBLISHED[network]))),
                line=network,
            )
            for network in NETWORKS
            for i, n in enumerate(LENGTHS)
        ]  # fmt: skip
    if experiment == "methods":
        return [Run("profile", "profile", ())]
    return [
        Run(f"bits_{n}", n, (("encoder.bits", n), *_published(published)))
        for n, published in zip(LENGTHS, ON_CIFAR10, strict=True)
    ]


def _published(*values: float) -> tuple[tuple[str, object], ...]:
    """The document's mAP, and its accuracy where there is one, as settings of the evaluation by labels."""
    return (("evaluations.labels.published", dict(zip(("map", "accuracy"), values, strict=False))),)


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(one)}" for key, one in value.items()) + "}"
    return str(value)
