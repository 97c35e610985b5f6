"""Entries of a recipe that stand for several scenarios: one for every combination of values of their settings."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import find
from xray.scenarios import Scenario

_MOST = 1000
"""Scenarios of one entry."""


class Variation(NamedTuple):
    """One scenario of an entry with `vary`.

    Args:
        name: of the scenario.
        fields: the entry's settings, with one value for each setting that varies.
        where: path within the entry of each value that was chosen, by setting.
    """

    name: str
    fields: dict[str, Any]
    where: dict[str, tuple[str | int, ...]]


def variations(name: str, fields: Mapping[str, Any]) -> Iterator[Variation]:
    """Yield the scenarios that an entry stands for: itself, or one for each combination of the values in `vary`.

    Args:
        name: of the entry.
        fields: `kind`, settings, and `vary`: for each setting that varies, the list of its values.

    Raises:
        ConfigError: `vary` is not such a mapping, or two scenarios would have the same name.

    >>> entry = {"kind": "blur_background", "vary": {"sigma": [1, 2.5], "bleed": [True, False]}}
    >>> [one.name for one in variations("blur", entry)]
    ['blur-1-true', 'blur-1-false', 'blur-2.5-true', 'blur-2.5-false']
    """
    rest = {key: value for key, value in fields.items() if key != "vary"}
    if "vary" not in fields:
        yield Variation(name, rest, {})
        return
    varied = _checked(rest, fields["vary"])
    labels = {key: _labels(name, key, values) for key, values in varied.items()}
    for chosen in itertools.product(*(range(len(values)) for values in varied.values())):
        indices = dict(zip(varied, chosen, strict=True))
        yield Variation(
            "-".join([name, *(labels[key][index] for key, index in indices.items())]),
            rest | {key: varied[key][index] for key, index in indices.items()},
            {key: ("vary", key, index) for key, index in indices.items()},
        )


def _checked(fields: Mapping[str, Any], vary: Any) -> dict[str, Sequence[Any]]:
    """Return `vary` if it has lists of values of the scenario's settings."""
    if not isinstance(vary, Mapping) or not vary:
        raise ConfigError(f"`vary` is a mapping such as {{sigma: [1, 3, 9]}}; got {vary!r}", ("vary",))
    if "kind" not in fields:
        raise ConfigError("a scenario needs `kind`")
    scenario: Any = find("scenario", Scenario, fields["kind"])
    settings = [field.name for field in dataclasses.fields(scenario)]
    for key, values in vary.items():
        if key not in settings:
            raise ConfigError(str(unknown("setting to vary", key, settings)), ("vary", key))
        if key in fields:
            raise ConfigError(f"`{key}` is set, and varies: remove one of the two", ("vary", key))
        if not isinstance(values, list) or not values:
            raise ConfigError(f"`vary: {{{key}: …}}` is a list of values; got {values!r}", ("vary", key))
    count = 1
    for values in vary.values():
        count *= len(values)
    if count > _MOST:
        raise ConfigError(f"`vary` makes {count:,} scenarios, at most {_MOST:,} are possible", ("vary",))
    return dict(vary)


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
