"""One training: a model, the scenario that it is trained on, the fold that it is tested on, and the repeat."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray.core.errors import ConfigError, XrayError, extra, unknown
from xray.core.hashing import digest
from xray.core.plugins import settings_of
from xray.models.registry import parse_model
from xray.runs.folds import number_of_folds
from xray.runs.receipts import training_shard
from xray.runs.roles import reference_scenario, untested_scenarios
from xray.runs.training import Training

_NOT_DECISIVE = frozenset({
    "models", "scenarios", "tests", "folds", "repeats", "feed", "retries", "checkpoint_seconds", "mlflow", "gpus",
    "cpus",
})  # fmt: skip
"""Settings that trained weights do not depend on, or that the trial's key covers."""
_OF_HEADS = ("tune", "l2", "validation", "class_weights")
"""Settings that only heads have, and the others that heads depend on."""
Key = tuple[str, str, int, int]
"""Model, scenario, fold, repeat."""
_SEARCHED = frozenset({"learning_rate", "weight_decay"})
"""Settings that a search chooses."""


@dataclass(frozen=True)
class Trial:
    """A planned training and test.

    Args:
        model: its name in the run.
        spec: its model string.
        scenario: the scenario that it is trained on.
        fold: the fold that it is tested on; 0 for a plain split.
        tests: the scenarios that it is tested on.
        training: the settings.
        run_seed: seed of the run.
        repeat: 0 … repeats − 1.
    """

    model: str
    spec: str
    scenario: str
    fold: int
    tests: tuple[str, ...]
    training: Training
    run_seed: int
    repeat: int = 0

    @property
    def key(self) -> Key:
        """Model, scenario, fold, repeat."""
        return self.model, self.scenario, self.fold, self.repeat

    @property
    def shard(self) -> str:
        """Its name among the trainings of its model and scenario."""
        return training_shard(self.fold, self.repeat)

    @property
    def numbers(self) -> tuple[int, ...]:
        """What hashes have of it: the fold, and its repeat unless it is the first, which repeats do not change."""
        return (self.fold, self.repeat) if self.repeat else (self.fold,)

    @property
    def name(self) -> str:
        """A readable name."""
        repeat = f", repeat {self.repeat}" if self.repeat else ""
        return f"{self.model} trained on {self.scenario}, fold {self.fold}{repeat}"

    @property
    def trial_seed(self) -> int:
        """The seed of the initial weights, the order of batches and everything else that is random.

        It does not depend on the scenario: models trained on different scenarios start from the same weights and see
        the same photographs in the same order.
        """
        return digest(self.run_seed, "trial", self.model, *self.numbers, bits=63)

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that the trained weights depend on, as plain values."""
        values = settings_of(self.training)
        if self.training.tune == "head":
            return {name: values[name] for name in _OF_HEADS if name != "validation" or self.training.chooses}
        excluded = _NOT_DECISIVE | {"tune", "l2"} | (_SEARCHED if self.training.search else frozenset())
        return {name: value for name, value in values.items() if name not in excluded}


def list_trials(
    training: Training,
    recipe: Mapping[str, Any],
    *,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> list[Trial]:
    """Return the trials of a recipe, those of each model, repeat and fold in a row.

    Args:
        training: of the recipe.
        recipe: its plain values.
        models: only these, by name.
        within: only these training scenarios.
        folds: only these.

    Raises:
        XrayError: no such model, training scenario or fold; or the recipe has no reference scenario.
    """
    scenarios, reference = recipe["scenarios"], reference_scenario(recipe)
    controls = untested_scenarios(recipe)
    trained_on = training.scenarios or [name for name in scenarios if name not in controls]
    all_folds = range(number_of_folds(training))
    _check_choices("model", models, training.models)
    _check_choices("training scenario", within, trained_on)
    _check_choices("fold", [str(fold) for fold in folds or ()], [str(fold) for fold in all_folds])
    tests = {name: _tests(training, name, reference, scenarios) for name in trained_on}
    return [
        Trial(model, spec, scenario, fold, tests[scenario], training, recipe["seed"], repeat)
        for model, spec in training.models.items()
        if models is None or model in models
        for repeat in range(training.repeats)
        for fold in all_folds
        if folds is None or fold in folds
        for scenario in trained_on
        if within is None or scenario in within
    ]


def check_training(training: Training, scenarios: Collection[str]) -> None:
    """Check what can be checked before any image is made.

    Args:
        training: of the recipe.
        scenarios: the recipe's names.

    Raises:
        XrayError: no such scenario or architecture, an unsupported `side`, or weights in a file that is missing or does
            not fit.
    """
    for name in training.scenarios or ():
        if name not in scenarios:
            raise ConfigError(f"`training: {{scenarios: …}}`: {unknown('scenario', name, scenarios)}")
    for name, spec in training.models.items():
        with extra("train"):
            model = parse_model(spec)
            try:
                model.check()
                if training.tune == "head":
                    continue  # see `xray.pipeline.plan.models.check_features`
                model.side(training.side)
                if training.pretrained and getattr(model, "weights", None):
                    model.trainable(2, training.side, pretrained=True)
            except XrayError as error:
                raise ConfigError(f"`training: {{models: …}}`: {name}: {error}") from error


def _tests(training: Training, scenario: str, reference: str, scenarios: Collection[str]) -> tuple[str, ...]:
    tests_all = training.tests == "matrix" or (training.tests == "halves" and scenario == reference)
    return tuple(scenarios) if tests_all else (scenario,)


def _check_choices(kind: str, chosen: Sequence[str] | None, choices: Collection[str]) -> None:
    for name in chosen or ():
        if name not in choices:
            raise unknown(kind, name, choices)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describe the settings that differ from earlier ones; empty if none do.

    >>> differences({"batch": 32, "epochs": 3}, {"batch": 32, "epochs": 4})
    'epochs: 3 then, 4 now'
    """
    return "; ".join(
        f"{name}: {before.get(name)!r} then, {value!r} now" for name, value in now.items() if before.get(name) != value
    )
