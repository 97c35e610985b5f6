"""One training: a model, the scenario that it is trained within, and the fold that it is tested on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray.core.errors import XrayError, extra, unknown
from xray.core.hashing import digest
from xray.core.plugins import settings_of
from xray.models.registry import parse_model
from xray.runs.folds import number_of_folds
from xray.runs.training import Training

_CHANGES_NOTHING = frozenset({
    "models", "scenarios", "tests", "folds", "feed", "retries", "checkpoint_seconds", "mlflow", "gpus", "cpus"
})  # fmt: skip
"""Settings that a trained model does not depend on, or that its name and fold say already."""


_FOUND = frozenset({"learning_rate", "weight_decay"})
"""What a search finds."""


@dataclass(frozen=True)
class Trial:
    """What is trained, and what it is tested on.

    Args:
        model: its name in the run.
        spec: its string.
        scenario: that it is trained within.
        fold: that it is tested on; 0 for a plain split.
        tests: scenarios that it is tested on.
        training: how.
        seed: of the run.
    """

    model: str
    spec: str
    scenario: str
    fold: int
    tests: tuple[str, ...]
    training: Training
    seed: int

    @property
    def key(self) -> tuple[str, str, int]:
        """Model, scenario, fold."""
        return self.model, self.scenario, self.fold

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.model} trained on {self.scenario}, fold {self.fold}"

    @property
    def number(self) -> int:
        """Decides the first weights, the order of batches and all else that is random.

        It does not depend on the scenario, so that models trained within different ones begin alike, see the same
        photographs in the same order, and differ by what they see.
        """
        return digest(self.seed, "trial", self.model, self.fold, bits=63)

    @property
    def decisive(self) -> dict[str, Any]:
        """The settings that the trained weights depend on, as plain values."""
        values = settings_of(self.training)
        without = _CHANGES_NOTHING | (_FOUND if self.training.search else frozenset())
        return {name: value for name, value in values.items() if name not in without}


def trials(
    training: Training,
    scenarios: Mapping[str, Mapping[str, Any]],
    reference: str,
    seed: int,
    *,
    models: Sequence[str] | None = None,
    within: Sequence[str] | None = None,
    folds: Sequence[int] | None = None,
) -> list[Trial]:
    """All trainings of a recipe, those of a model and fold one after the other.

    Args:
        training: of the recipe.
        scenarios: the recipe's, plain values by name.
        reference: the scenario that shows the photograph as it is.
        seed: of the run.
        models: only these, by name.
        within: only these training scenarios.
        folds: only these.

    Raises:
        XrayError: no such model, scenario or fold.
    """
    shown = [name for name, settings in scenarios.items() if settings["kind"] != "no_object"]
    wanted = list(training.scenarios or shown)
    everything = range(number_of_folds(training))
    _check_chosen("model", models, training.models)
    _check_chosen("training scenario", within, wanted)
    _check_chosen("fold", [str(fold) for fold in folds or ()], [str(fold) for fold in everything])
    return [
        Trial(model, spec, scenario, fold, _tests(training, scenario, reference, scenarios), training, seed)
        for model, spec in training.models.items()
        if models is None or model in models
        for fold in everything
        if folds is None or fold in folds
        for scenario in wanted
        if within is None or scenario in within
    ]


def check_training(training: Training, scenarios: Collection[str]) -> None:
    """Refuse what cannot be trained for a reason that shows in the recipe.

    Args:
        training: of the recipe.
        scenarios: the recipe's names.

    Raises:
        XrayError: no such scenario or architecture, a side that it does not take, a file of weights that is not there.
    """
    for name in training.scenarios or ():
        if name not in scenarios:
            raise XrayError(f"`training: {{scenarios: …}}`: {unknown('scenario', name, scenarios)}")
    for name, spec in training.models.items():
        with extra("train"):
            model = parse_model(spec)
            try:
                model.check()
                model.side(training.side)
            except XrayError as error:
                raise XrayError(f"`training: {{models: …}}`: {name}: {error}") from error


def _tests(training: Training, scenario: str, reference: str, scenarios: Mapping[str, Any]) -> tuple[str, ...]:
    everywhere = training.tests == "matrix" or (training.tests == "halves" and scenario == reference)
    return tuple(scenarios) if everywhere else (scenario,)


def _check_chosen(kind: str, chosen: Sequence[str] | None, there: Any) -> None:
    for name in chosen or ():
        if name not in there:
            raise unknown(kind, name, there)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which settings are others than before; empty if none.

    >>> differences({"batch": 32, "epochs": 3}, {"batch": 32, "epochs": 4})
    'epochs: 3 then, 4 now'
    """
    return "; ".join(
        f"{name}: {before.get(name)!r} then, {value!r} now" for name, value in now.items() if before.get(name) != value
    )
