"""What is compared with what: models by what they were trained on, and the roles of a recipe's scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xray.core.errors import XrayError

PRETRAINED = "pretrained"
CONTROL = "no_object"
"""The kind of scenario that asks what the background alone gives away: losing accuracy there is right."""


def series_name(model: str, trained_on: str) -> str:
    """What a model is called beside others: a pretrained one by its name alone.

    >>> series_name("resnet50", "pretrained"), series_name("resnet50", "image_grey")
    ('resnet50', 'resnet50, trained on image_grey')
    """
    return model if trained_on == PRETRAINED else f"{model}, trained on {trained_on}"


def reference_scenario(recipe: Mapping[str, Any]) -> str:
    """The recipe's name of the scenario that shows the photograph as it is.

    Raises:
        XrayError: there is none.

    >>> reference_scenario({"scenarios": {"as_taken": {"kind": "original"}, "grey": {"kind": "image_grey"}}})
    'as_taken'
    """
    scenarios: Mapping[str, Mapping[str, Any]] = recipe["scenarios"]
    for name, settings in scenarios.items():
        if settings["kind"] == "original":
            return name
    raise XrayError(f"no scenario of kind 'original' to measure drops from; the recipe has {', '.join(scenarios)}")


def control_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """The recipe's names of the scenarios without the object; no part of the cross term."""
    return [name for name, settings in recipe["scenarios"].items() if settings["kind"] == CONTROL]


def training_scenarios(recipe: Mapping[str, Any]) -> list[str] | None:
    """The scenarios that the recipe trains models within; None if it trains none."""
    training = recipe.get("training")
    if training is None:
        return None
    controls = control_scenarios(recipe)
    return [name for name in training["scenarios"] or recipe["scenarios"] if name not in controls]
