"""Entries of a recipe that stand for several scenarios: one for every combination of values of their settings."""

from __future__ import annotations

import dataclasses
import itertools
import json
import operator
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import find
from xray.scenarios import Scenario

_MOST = 1000
"""Scenarios of one entry."""


Where = tuple[str | int, ...]


class Variation(NamedTuple):
    """One scenario of an entry with `vary`.

    Args:
        name: of the scenario.
        fields: the entry's settings, with one value for each setting that varies.
        chosen: index of the value of each setting that varies, by its key in `vary`.
    """

    name: str
    fields: dict[str, Any]
    chosen: dict[str, int]

    def locate(self, where: Where) -> Where:
        """Return where a setting was written within the entry: in `vary`, if its value or a part of it varies."""
        varied = [key for key in self.chosen if all(map(operator.eq, _path(key), where))] if where else []
        if len(varied) != 1:  # none, or several parts of the setting
            return ("vary",) if varied else where
        return ("vary", varied[0], self.chosen[varied[0]], *where[len(_path(varied[0])) :])


def variations(name: str, fields: Mapping[str, Any]) -> Iterator[Variation]:
    """Yield the scenarios that an entry stands for: itself, or one for each combination of the values in `vary`.

    Args:
        name: of the entry.
        fields: `kind`, settings, and `vary`: for each setting that varies, the list of its values. A setting within
            another one has a dotted key, such as `world.category`.

    Raises:
        ConfigError: `vary` is not such a mapping, or two scenarios would have the same name.

    >>> entry = {"kind": "blur_background", "vary": {"sigma": [1, 2.5], "bleed": [True, False]}}
    >>> [one.name for one in variations("blur", entry)]
    ['blur-1-true', 'blur-1-false', 'blur-2.5-true', 'blur-2.5-false']
    >>> entry = {"kind": "edit", "world": {"kind": "donor"}, "vary": {"world.category": ["same", "any"]}}
    >>> [one.fields["world"] for one in variations("swap", entry)]
    [{'kind': 'donor', 'category': 'same'}, {'kind': 'donor', 'category': 'any'}]
    """
    rest = {key: value for key, value in fields.items() if key != "vary"}
    if "vary" not in fields:
        yield Variation(name, rest, {})
        return
    varied = _checked(rest, fields["vary"])
    labels = {key: _labels(name, key, values) for key, values in varied.items()}
    for chosen in itertools.product(*(range(len(values)) for values in varied.values())):
        indices = dict(zip(varied, chosen, strict=True))
        one = rest
        for key, index in indices.items():
            one = _replaced(one, _path(key), varied[key][index])
        yield Variation("-".join([name, *(labels[key][index] for key, index in indices.items())]), one, indices)


def _path(key: str) -> tuple[str, ...]:
    return tuple(key.split("."))


def _replaced(fields: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return a copy of settings with another value at a path."""
    first, *inner = path
    return {**fields, first: _replaced(fields.get(first, {}), tuple(inner), value) if inner else value}


def _checked(fields: Mapping[str, Any], vary: Any) -> dict[str, Sequence[Any]]:
    """Return `vary` if it has lists of values of the scenario's settings."""
    if not isinstance(vary, Mapping) or not vary:
        raise ConfigError(f"`vary` is a mapping such as {{sigma: [1, 3, 9]}}; got {vary!r}", ("vary",))
    if "kind" not in fields:
        raise ConfigError("a scenario needs `kind`")
    scenario: Any = find("scenario", Scenario, fields["kind"])
    settings = [field.name for field in dataclasses.fields(scenario)]
    for key, values in vary.items():
        if (first := _path(str(key))[0]) not in settings:
            raise ConfigError(str(unknown("setting to vary", first, settings)), ("vary", key))
        _check_free(fields, key, [_path(other) for other in vary if other != key])
        if not isinstance(values, list) or not values:
            raise ConfigError(f"`vary: {{{key}: …}}` is a list of values; got {values!r}", ("vary", key))
    count = 1
    for values in vary.values():
        count *= len(values)
    if count > _MOST:
        raise ConfigError(f"`vary` makes {count:,} scenarios, at most {_MOST:,} are possible", ("vary",))
    return dict(vary)


def _check_free(fields: Mapping[str, Any], key: str, others: Sequence[tuple[str, ...]]) -> None:
    """Check that a setting is not set, and that what it is a part of neither varies nor is written as one value.

    Args:
        fields: of the entry.
        key: of the setting in `vary`.
        others: paths of the other settings that vary.
    """
    path, inside = _path(key), fields
    for end, part in enumerate(path, 1):
        outer = ".".join(path[: end - 1])
        if not isinstance(inside, Mapping):
            raise ConfigError(f"`{key}` cannot vary in `{outer}: {inside}`: write `{outer}: {{…}}`", ("vary", key))
        if path[:end] in others or (end == len(path) and part in inside):
            both = ".".join(path[:end])
            raise ConfigError(f"`{both}` is set, and `{key}` varies: remove one of the two", ("vary", key))
        inside = inside.get(part, {})


def _labels(name: str, key: str, values: Sequence[Any]) -> list[str]:
    """Return a short text for each value, for the names of scenarios."""
    labels = [label(value) for value in values]
    twice = [text for text, count in Counter(labels).items() if count > 1]
    if twice:
        shown = " and ".join(json.dumps(value) for value, text in zip(values, labels, strict=True) if text == twice[0])
        raise ConfigError(
            f"{shown} would both be named '{name}-{twice[0]}': remove one, or write an entry of its own for it",
            ("vary", key),
        )
    return labels


def label(value: Any) -> str:
    """Return a setting's value as a short text of letters, digits, and `_.+-`, for the name of a scenario.

    >>> label(0.05), label(True), label([-45, 45]), label({"cell": [0, 0]}), label({"kind": "donor", "category": "any"})
    ('0.05', 'true', '-45_45', 'cell_0_0', 'donor_any')
    """
    if isinstance(value, Mapping):
        words = [value[key] for key in value] if "kind" in value else itertools.chain(*value.items())
        return "_".join(map(label, words))
    if isinstance(value, list | tuple):
        return "_".join(map(label, value))
    text = value if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", text) or "_"
