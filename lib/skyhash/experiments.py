"""Experiments: YAML files that list runs, each of them settings to be laid over a profile.

An experiment is found by the path of its file, or by its name in the folder `experiments` beside the profile. Nothing
is run here: `skyhash.stages.chain.experiment` brings each run through the jobs of the profile and writes one table. A
file holds a description and runs, and may have settings of all of them::

    description: mAP over the length of the code
    set: {train.epochs: 30}
    runs:
      - {name: bits_8, varied: 8, set: {encoder.bits: 8}}
      - {name: bits_16, varied: 16, set: {encoder.bits: 16}}

Any profile that has the settings will do. Where a paper gives values for a run, ``evaluations.labels.published`` among
its settings puts them into the table beside what is measured.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from skyhash.config import read_yaml, validated
from skyhash.errors import ConfigError, InputError
from skyhash.files import filesystem
from skyhash.settings import Settings

FOLDER = "experiments"
NAME = r"^\w[\w.\-]*$"


class Run(Settings):
    """One run of an experiment."""

    name: str = Field(pattern=NAME, description="e.g. bits_8")
    varied: float | int | str = Field("", description="position on the horizontal axis of the plot; '' = the name")
    line: str = Field("", description="runs of one line are joined in the plot; '' = all of them")
    overrides: dict[str, Any] = Field(alias="set", description="setting by its dotted name -> its value")

    @property
    def position(self) -> str:
        """The label on the horizontal axis of the plot."""
        return str(self.varied) if self.varied != "" else self.name


class Experiment(Settings):
    """A list of runs.

    Raises
    ------
    ValueError
        There are no runs, or two of one name.
    """

    name: str = Field(pattern=NAME)
    description: str = Field(description="heading of the plot")
    evaluation: str = Field("labels", description="kind of the evaluation whose headline metric is shown")
    overrides: dict[str, Any] = Field({}, alias="set", description="settings of all runs; a run's own take precedence")
    runs: tuple[Run, ...] = Field(min_length=1)

    @field_validator("runs")
    @classmethod
    def _distinct(cls, runs: tuple[Run, ...]) -> tuple[Run, ...]:
        names = [run.name for run in runs]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"runs of different names; {twice[0]} is there twice")
        return runs


def read(experiment: str, profile: str | None = None) -> Experiment:
    """An experiment by its name or path.

    Parameters
    ----------
    experiment : str
        Name of a file of `folder_beside` without its ending, or path or URI of a YAML file.
    profile : str, optional
        Path or URI of the profile; see `folder_beside`.

    Raises
    ------
    ConfigError
        There is no such experiment, or its file is no valid one.
    """
    found: Experiment = read_as(Experiment, experiment, profile, FOLDER, "experiment")
    runs = [run.model_copy(update={"overrides": {**found.overrides, **run.overrides}}) for run in found.runs]
    return found.model_copy(update={"runs": tuple(runs)})


def read_as(model: type[Settings], name: str, profile: str | None, folder: str, option: str) -> Any:
    """The settings that a YAML file holds, named by the file; see `path_of`, of which these are the parameters."""
    path = path_of(name, profile, folder, option)
    own = path.rpartition("/")[2].rpartition(".")[0]
    return validated(model, {"name": own, **read_yaml(path, option)}, f"{path}: ")


def path_of(name: str, profile: str | None, folder: str, option: str) -> str:
    """The path of a YAML file that is named by itself, or by its name in a folder beside the profile.

    Parameters
    ----------
    name : str
        Name of a file of the folder without its ending, or path or URI of a YAML file.
    profile : str, optional
        Path or URI of the profile; without it the folder is looked for in ``conf``.
    folder : str
    option : str
        What is looked for, for the message.

    Raises
    ------
    ConfigError
        The folder has no such file.
    """
    if name.endswith((".yaml", ".yml")):
        return name
    beside = folder_beside(profile, folder)
    if name in (known := names(profile, folder)):
        return f"{beside}/{name}.yaml"
    one_of = f"one of {', '.join(known)}" if known else "a name"
    raise ConfigError(option, repr(name), f"{one_of} in {beside}, or the path of a YAML file")


def names(profile: str | None = None, folder: str = FOLDER) -> list[str]:
    """Names of the experiments beside a profile, or of the files of another folder there, in alphabetical order."""
    from pyarrow import fs

    try:
        system, inner = filesystem(folder_beside(profile, folder))
        files = system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    except (OSError, InputError):
        return []
    return sorted(file.base_name.removesuffix(".yaml") for file in files if file.base_name.endswith(".yaml"))


def folder_beside(profile: str | None, folder: str = FOLDER) -> str:
    """A folder beside the profile; without a profile, that of ``conf``."""
    beside = (profile or "conf/").rpartition("/")[0]
    return f"{beside}/{folder}" if beside else folder
