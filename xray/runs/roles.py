"""The roles of a recipe's scenarios, and the names of models by what they were trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xray.core.errors import ConfigError
from xray.core.plugins import reading_run

if TYPE_CHECKING:
    from xray.scenarios.base import Role, Scenario

PRETRAINED = "pretrained"
"""The value of `trained_on` of a model that the run did not train."""


def series_name(model: str, trained_on: str) -> str:
    """Return the name of a model in tables and figures that compare several.

    >>> series_name("resnet50", "pretrained"), series_name("resnet50", "image_grey")
    ('resnet50', 'resnet50, trained on image_grey')
    """
    return model if trained_on == PRETRAINED else f"{model}, trained on {trained_on}"


def reference_scenario(recipe: Mapping[str, Any]) -> str:
    """Return the recipe's name of the scenario that drops are measured from, the first with the role `reference`.

    Args:
        recipe: its plain values.

    Raises:
        XrayError: no scenario has that role, or a scenario's class cannot be imported.

    >>> reference_scenario({"scenarios": {"as_taken": {"kind": "original"}, "grey": {"kind": "image_grey"}}})
    'as_taken'
    """
    for name, role in _roles(recipe).items():
        if role == "reference":
            return name
    names = ", ".join(recipe["scenarios"])
    raise ConfigError(f"no scenario of kind 'original' to measure drops from; the recipe has {names}")


def control_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios with the role `control`: the object is not there.

    Raises:
        XrayError: a scenario's class cannot be imported.

    >>> control_scenarios({"scenarios": {"original": {"kind": "original"}, "empty": {"kind": "no_object"}}})
    ['empty']
    """
    return [name for name, role in _roles(recipe).items() if role == "control"]


def editing_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios with the role `editing`: nothing but the editing itself changed.

    Raises:
        XrayError: a scenario's class cannot be imported.

    >>> editing_scenarios({"scenarios": {"pasted": {"kind": "edit"}, "small": {"kind": "edit", "size": 0.05}}})
    ['pasted']
    """
    return [name for name, role in _roles(recipe).items() if role == "editing"]


def adversarial_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios with the role `adversarial`: made to mislead a model.

    Raises:
        XrayError: a scenario's class cannot be imported.
    """
    return [name for name, role in _roles(recipe).items() if role == "adversarial"]


def untested_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios that are left out of S_robust, regressions and training.

    They are the controls, those without the object and those of the editing, and the adversarial ones.

    Raises:
        XrayError: a scenario's class cannot be imported.
    """
    return [name for name, role in _roles(recipe).items() if role in ("control", "editing", "adversarial")]


def painter_settings(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of the inpainter of a scenario's plain settings, its own or its world's; empty: it has none.

    >>> painter_settings({"kind": "edit", "world": {"kind": "painted", "painter": {"kind": "sdxl"}}})
    {'kind': 'sdxl'}
    """
    painter: Mapping[str, Any] = entry.get("painter") or (entry.get("world") or {}).get("painter") or {}
    return painter


def object_scenarios(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios that show the object on a plain background.

    >>> object_scenarios({"scenarios": {"original": {"kind": "original"}, "alone": {"kind": "segmented"}}})
    ['alone']
    """
    return [name for name, entry in recipe["scenarios"].items() if entry["kind"] == "segmented"]


def scenarios_needing_masks(recipe: Mapping[str, Any]) -> list[str]:
    """Return the recipe's names of the scenarios that show only photographs with a mask.

    Raises:
        XrayError: a scenario's class cannot be imported.

    >>> scenarios_needing_masks({"scenarios": {"grey": {"kind": "image_grey"}, "alone": {"kind": "segmented"}}})
    ['alone']
    """
    return [name for name, scenario in _scenarios(recipe).items() if scenario.needs_mask]


def training_scenarios(recipe: Mapping[str, Any]) -> list[str] | None:
    """Return the scenarios that the recipe trains models on, without controls; None if it trains none.

    Raises:
        XrayError: a scenario's class cannot be imported.
    """
    training = recipe.get("training")
    if training is None:
        return None
    controls = untested_scenarios(recipe)
    return [name for name in training["scenarios"] or recipe["scenarios"] if name not in controls]


def _roles(recipe: Mapping[str, Any]) -> dict[str, Role]:
    """Return the role of each scenario by its name in the recipe."""
    return {name: scenario.role for name, scenario in _scenarios(recipe).items()}


def _scenarios(recipe: Mapping[str, Any]) -> dict[str, Scenario]:
    """Return the scenarios by their name in the recipe."""
    from xray.scenarios import build_scenario  # needs cv2: figures import this module without it

    entries: Mapping[str, Mapping[str, Any]] = recipe["scenarios"]
    settings = {
        name: {key: value for key, value in entry.items() if key not in ("name", "variants")}
        for name, entry in entries.items()
    }
    with reading_run():
        return {name: build_scenario(entry) for name, entry in settings.items()}
