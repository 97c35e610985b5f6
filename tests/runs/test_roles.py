from __future__ import annotations

from typing import ClassVar

import pytest

from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.runs.roles import control_scenarios, reference_scenario, training_scenarios
from xray.runs.training import Training
from xray.runs.trial import list_trials
from xray.scenarios.base import Role
from xray.scenarios.cutout import NoObject


@settings
class ThirdPartyControl(NoObject):
    """A control scenario under another name."""

    name: ClassVar[str] = "third_party_control"
    role: ClassVar[Role] = "control"


CONTROL = f"{__name__}:ThirdPartyControl"
RECIPE = {
    "scenarios": {"grey": {"kind": "image_grey"}, "as_taken": {"kind": "original"}, "empty": {"kind": CONTROL}},
    "training": {"scenarios": None},
    "seed": 0,
}


def test_roles_of_built_in_and_third_party_scenarios() -> None:
    assert reference_scenario(RECIPE) == "as_taken"
    assert control_scenarios(RECIPE) == ["empty"]
    assert training_scenarios(RECIPE) == ["grey", "as_taken"]
    trials = list_trials(Training(models=["reduced:vit"], folds=2), RECIPE)
    assert {trial.scenario for trial in trials} == {"grey", "as_taken"}


def test_no_reference_scenario() -> None:
    with pytest.raises(ConfigError, match="grey"):
        reference_scenario({"scenarios": {"grey": {"kind": "image_grey"}}})
