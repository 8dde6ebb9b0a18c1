"""Studies: YAML files that define which settings of a profile are tuned, and by which score.

A study is found by the path of its file, or by its name in the folder `studies` beside the profile. Optuna's tree-
structured Parzen estimator proposes each trial from those before it (Bergstra et al. 2011, NeurIPS); nothing is run
here: `skyhash.stages.chain.study` brings each trial through the jobs. A file holds::

    description: temperature and views of SimCLR by the same-source score
    objective: {evaluation: same_source, metric: normalised_rank, direction: minimize}
    vary:
      encoder.temperature: {low: 0.05, high: 1.0, log: true}
      encoder.projection: {choices: [32, 64, 128]}
    trials: 20
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, model_validator

from skyhash.experiments import NAME, read_as
from skyhash.settings import Natural, Positive, Settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FOLDER = "studies"
STARTUP_TRIALS = 8
"""Trials drawn at random before the estimator proposes any."""


class Range(Settings):
    """Values that a setting may take: numbers from low to high, or one of the choices."""

    low: float | None = Field(None, description="smallest value; whole numbers where low, high and step are")
    high: float | None = Field(None, description="largest value")
    step: float | None = Field(None, gt=0, description="distance of the values; none = any, or 1 for whole numbers")
    log: bool = Field(False, description="draw evenly in the logarithm")
    choices: tuple[int | float | str | bool, ...] = Field((), description="the values, instead of low and high")

    @model_validator(mode="after")
    def _one_of_two(self) -> Range:
        if bool(self.choices) == (self.low is not None or self.high is not None):
            raise ValueError("either choices, or low and high")
        if not self.choices and (self.low is None or self.high is None or not self.low < self.high):
            raise ValueError(f"low below high, found {self.low} and {self.high}")
        if self.log and (self.choices or self.step or not self.low or self.low <= 0):
            raise ValueError("log with a positive low and without a step")
        return self

    def distribution(self) -> BaseDistribution:
        """As Optuna knows it."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        assert self.low is not None and self.high is not None
        if all(value is None or float(value).is_integer() for value in (self.low, self.high, self.step)):
            return distributions.IntDistribution(int(self.low), int(self.high), self.log, int(self.step or 1))
        return distributions.FloatDistribution(self.low, self.high, self.log, self.step)


class Objective(Settings):
    """The score that is optimised: a row of evaluation_summary."""

    evaluation: str = Field(description="kind, e.g. same_source; the profile must have it")
    metric: str = Field(description="e.g. normalised_rank, map")
    direction: Literal["minimize", "maximize"]


class Study(Settings):
    """A search for settings.

    The training part of the profile's split is cut into folds; a trial trains on all but one of them and is judged on
    that one, so that the unseen part stays unseen. The score of a trial is the mean over the folds that are run.
    """

    name: str = Field(pattern=NAME)
    description: str = Field(description="heading of the plot")
    objective: Objective
    vary: dict[str, Range] = Field(min_length=1, description="setting by its dotted name -> its values")
    overrides: dict[str, Any] = Field(default_factory=dict, alias="set", description="settings of all trials")
    trials: Positive = Field(20, description="number of trials, those of earlier runs included")
    folds: int = Field(5, gt=1, description="folds of the training part")
    folds_run: Positive = Field(1, description="folds on which a trial is trained and judged")
    unit: Literal["source", "image", "day"] = Field("source", description="what stays in one fold")
    most_failures: Natural = Field(3, description="trials that may fail before the study stops")

    @model_validator(mode="after")
    def _as_many_folds(self) -> Study:
        if self.folds_run > self.folds:
            raise ValueError(f"folds_run at most folds, found {self.folds_run} of {self.folds}")
        return self


class Trial(NamedTuple):
    """A trial that was run."""

    parameters: dict[str, Any]
    value: float | None  # None = it failed


def read(study: str, profile: str | None = None) -> Study:
    """A study by its name or path; see `skyhash.experiments.path_of`.

    Raises
    ------
    ConfigError
        There is no such study, or its file is no valid one.
    """
    found: Study = read_as(Study, study, profile, FOLDER, "study")
    return found


def propose(study: Study, done: Sequence[Trial], seed: int) -> dict[str, Any]:
    """The parameters of the next trial; they depend on the trials before it and the seed alone.

    Parameters
    ----------
    study : Study
    done : sequence of Trial
        In the order in which they were run.
    seed : int
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    distributions = {name: one.distribution() for name, one in sorted(study.vary.items())}
    # a sampler per trial: a study that is continued draws what an uninterrupted one would have drawn
    sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed + len(done))
    history = optuna.create_study(direction=study.objective.direction, sampler=sampler)
    for trial in done:
        state = optuna.trial.TrialState.COMPLETE if trial.value is not None else optuna.trial.TrialState.FAIL
        history.add_trial(optuna.trial.create_trial(
            state=state, value=trial.value, params=trial.parameters, distributions=distributions))  # fmt: skip
    return dict(history.ask(distributions).params)


def best_of(study: Study, values: Mapping[int, float]) -> int:
    """The number of the best trial, the earliest of equal ones."""
    sign = 1 if study.objective.direction == "minimize" else -1
    return min(values, key=lambda number: (sign * values[number], number))
