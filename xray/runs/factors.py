"""The structure of a recipe: which scenarios are levels of one factor, which control belongs to which edit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xray.runs.roles import control_scenarios, editing_scenarios

Recipe = Mapping[str, Any]
"""A recipe's plain values."""

_GUIDE = ("painter.guide.strength", "world.painter.guide.strength")
_SHORT = {
    "size.rate": "size",
    "direction.angle": "angle",
    "position.cell": "cell",
    "world.complexity": "complexity",
    "world.kind": "world",
    "world.category": "donor",
    **dict.fromkeys(_GUIDE, "guide strength"),
}
"""Names of factors that are not the last part of their setting's path."""
_WORDS = {"complexity": ("low", "median", "high")}
"""Levels of settings that are ordered words."""
_DESCENDING = ("size",)
"""Factors whose smallest level is the most severe."""
_UNORDERED = ("angle", "guide strength")
"""Factors whose levels do not become more severe one after the other."""


@dataclass(frozen=True)
class Level:
    """One scenario on a curve.

    Args:
        curve: name of the curve: the factor, and what else distinguishes it from other curves of the factor.
        factor: the varied setting.
        level: its value; of ordered words their position, from 0.
        label: the value as it is written.
        scenario: name in the recipe.
        severity: order on the curve, 0 for the mildest.
        ordered: whether levels become more severe one after the other.
    """

    curve: str
    factor: str
    level: float
    label: str
    scenario: str
    severity: int
    ordered: bool


def curve_levels(recipe: Recipe) -> list[Level]:
    """Return the curves of a recipe: scenarios that differ in one numeric (or ordered) setting and in nothing else.

    >>> blur = {f"blur-{sigma}": {"kind": "blur_background", "sigma": sigma, "kernel": 15} for sigma in (3, 1)}
    >>> [(level.curve, level.level, level.scenario) for level in curve_levels({"scenarios": blur})]
    [('sigma', 1.0, 'blur-1'), ('sigma', 3.0, 'blur-3')]
    """
    controls = {*control_scenarios(recipe), *editing_scenarios(recipe)}
    settings = {name: flat(entry) for name, entry in recipe["scenarios"].items() if name not in controls}
    groups: dict[str, dict[tuple[Any, ...], dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for name, values in settings.items():
        for path, value in values.items():
            if (level := _number(path, value)) is not None:
                others = tuple(sorted((key, repr(item)) for key, item in values.items() if key != path))
                groups[path][others][name] = level
    found: list[Level] = []
    for path, by_others in groups.items():
        curves = [levels for levels in by_others.values() if len({*levels.values()}) > 1]
        labels = _labels([settings[next(iter(levels))] for levels in curves], path)
        for levels, label in zip(curves, labels, strict=True):
            found += _curve(path, label, levels, settings)
    return found


def complexity_levels(recipe: Recipe) -> dict[str, list[str]]:
    """Return the scenarios of each curve whose levels are meant to differ in the complexity of the background.

    >>> worlds = {word: {"kind": "edit", "world": {"kind": "donor", "complexity": word}} for word in ("high", "low")}
    >>> complexity_levels({"scenarios": worlds})
    {'complexity': ['low', 'high']}
    """
    found: dict[str, list[str]] = defaultdict(list)
    for level in curve_levels(recipe):
        settings = flat(recipe["scenarios"][level.scenario])
        guides = [settings.get(path.replace("strength", "kind")) for path in _GUIDE]
        if level.factor == "complexity" or (level.factor == "guide strength" and "complexity" in guides):
            found[level.curve].append(level.scenario)
    return dict(found)


def position_maps(recipe: Recipe) -> dict[str, dict[tuple[int, int], str]]:
    """Return the complete 3 × 3 maps of a recipe: scenarios by cell (row, column), by the name of the map."""
    edits = {name: flat(entry) for name, entry in recipe["scenarios"].items() if entry["kind"] == "edit"}
    groups: dict[tuple[Any, ...], dict[tuple[int, int], str]] = defaultdict(dict)
    for name, values in edits.items():
        cell = values.get("position.cell")
        if cell is not None and values.get("position.grid") == 3:
            others = tuple(sorted((key, repr(item)) for key, item in values.items() if key != "position.cell"))
            groups[others][int(cell[0]), int(cell[1])] = name
    complete = [cells for cells in groups.values() if len(cells) == 9]
    labels = _labels([edits[cells[0, 0]] for cells in complete], "position.cell")
    names = [f"position, {label}" if label else "position" for label in labels]
    return {name: dict(sorted(cells.items())) for name, cells in zip(names, complete, strict=True)}


def edit_controls(recipe: Recipe) -> dict[str, str]:
    """Return the control of each scenario that edits: the scenario that shows only what editing itself changes.

    An edit that resizes or rotates belongs to the `edit` that only resamples, other edits, and objects on donors
    without their own objects, to the one that puts the object back where it was. Without such a control in the recipe
    the other one serves. A guided inpainting belongs to the one that is equal but for the guide.
    """
    controls = editing_scenarios(recipe)
    resampling = [name for name in controls if recipe["scenarios"][name].get("direction")]
    pasting = [name for name in controls if name not in resampling]
    unguided = _unguided(recipe)
    pairs: dict[str, str] = {}
    for name, entry in recipe["scenarios"].items():
        if name in controls:
            continue
        if name in unguided:
            choices = [unguided[name]]
        elif entry["kind"] == "edit":
            resampled = entry.get("size") or entry.get("direction")
            choices = [*resampling, *pasting] if resampled else [*pasting, *resampling]
        elif entry["kind"] == "random_background" and entry.get("donor") == "removed":
            choices = [*pasting, *resampling]
        else:
            continue
        if choices:
            pairs[name] = choices[0]
    return pairs


def _unguided(recipe: Recipe) -> dict[str, str]:
    """Return, for each scenario whose inpainting is guided, the one that is equal but for the guide or its strength."""
    pushed: dict[str, list[Any]] = {}
    plain: list[tuple[str, list[Any]]] = []
    for name, entry in recipe["scenarios"].items():
        settings = flat(entry)
        others = sorted((key, repr(value)) for key, value in settings.items() if ".guide" not in f".{key}")
        if any(settings.get(path) for path in _GUIDE):
            pushed[name] = others
        else:
            plain.append((name, others))
    return {name: other for name, others in pushed.items() for other, same in plain if same == others}


def same_but(recipe: Recipe, kind: str, path: str, values: Sequence[Any]) -> list[tuple[str, ...]]:
    """Return tuples of scenarios of a kind that have these values of one setting, and are otherwise equal.

    >>> noise = {region: {"kind": "noise", "region": region, "sigma": 0.25} for region in ("object", "background")}
    >>> same_but({"scenarios": noise}, "noise", "region", ["object", "background"])
    [('object', 'background')]
    """
    groups: dict[tuple[Any, ...], dict[Any, str]] = defaultdict(dict)
    for name, entry in recipe["scenarios"].items():
        settings = flat(entry)
        if entry["kind"] == kind and settings.get(path) in values:
            others = tuple(sorted((key, repr(item)) for key, item in settings.items() if key != path))
            groups[others].setdefault(settings[path], name)
    return [tuple(group[value] for value in values) for group in groups.values() if len(group) == len(values)]


def grid_scenarios(recipe: Recipe) -> list[str]:
    """Return the scenarios of a grid of edits: those that resize and move the object, at least four of them."""
    edits = {name: entry for name, entry in recipe["scenarios"].items() if entry["kind"] == "edit"}
    grid = [name for name, entry in edits.items() if entry.get("size") and entry.get("position")]
    return grid if len(grid) >= 4 else []


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested settings by dotted path, without the number of variants.

    >>> flat({"kind": "edit", "size": {"rate": 0.1}, "variants": 2})
    {'kind': 'edit', 'size.rate': 0.1}
    """
    result: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{key}.")
        elif prefix or key != "variants":
            result[f"{prefix}{key}"] = value
    return result


def _number(path: str, value: Any) -> float | None:
    words = _WORDS.get(path.rpartition(".")[2], ())
    if isinstance(value, str) and value in words:
        return float(words.index(value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _curve(path: str, label: str, levels: Mapping[str, float], settings: Mapping[str, Any]) -> Iterable[Level]:
    factor = _SHORT.get(path, path.rpartition(".")[2])
    curve = f"{factor}, {label}" if label else factor
    order = sorted(levels, key=lambda name: levels[name], reverse=factor in _DESCENDING)
    for severity, name in enumerate(order):
        value = settings[name][path]
        text = value if isinstance(value, str) else f"{value:g}"
        yield Level(curve, factor, levels[name], text, name, severity, factor not in _UNORDERED)


def _labels(settings: Sequence[Mapping[str, Any]], path: str) -> list[str]:
    """Return, for each of some scenarios, the settings that distinguish it from the others as text.

    Settings that only some of the scenarios have, with one value, are written only where labels would be equal.
    """
    paths = dict.fromkeys(key for values in settings for key in values if key != path)
    distinct = [key for key in paths if len({repr(values.get(key)) for values in settings}) > 1]
    varied = [key for key in distinct if len({repr(values[key]) for values in settings if values.get(key)}) > 1]
    labels = [_label(values, varied) for values in settings]
    return labels if len({*labels}) == len(labels) else [_label(values, distinct) for values in settings]


def _label(values: Mapping[str, Any], paths: Sequence[str]) -> str:
    shown = [key for key in paths if values.get(key) is not None]
    return ", ".join(f"{_SHORT.get(key, key)} {_text(values[key])}" for key in shown)


def _text(value: Any) -> str:
    return "/".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
