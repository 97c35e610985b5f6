"""The value of one category in a recipe: indices, ranges, WordNet ids and words, alone or in lists."""

from __future__ import annotations

import re
from typing import Any

from xray.core.errors import ConfigError
from xray.sources.categories.from_labels import choices_for
from xray.sources.categories.reading import Reading, describe_classes, read_label
from xray.sources.categories.wordnet import base_form

_RANGE = re.compile(r"(\d+)\s*[-–—]\s*(\d+)")
_WNID = re.compile(r"n\d{8}", re.IGNORECASE)


def entry_fields(name: str, entry: Any) -> dict[str, Any]:
    """Return the fields of `Category` from its entry in a recipe; validation of indices is left to `Category`.

    Args:
        name: of the category.
        entry: an index, a range `151-268`, a WordNet id or word, or a list of them; or a mapping with `indices` like
            that. An empty mapping is a category of one's own, an empty list an open line.

    Raises:
        ConfigError: the line is open, or a word is ambiguous or unknown; the message has the choices.

    >>> entry_fields("pet", ["tabby", 283, "153-154", "n02119022"])
    {'indices': [281, 283, 153, 154, 277]}
    """
    if not isinstance(entry, dict):
        return _fields(name, entry)
    if "indices" not in entry:
        return {"indices": (), **entry}
    return {**_fields(name, entry["indices"]), **{key: value for key, value in entry.items() if key != "indices"}}


def _fields(name: str, value: Any) -> dict[str, Any]:
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    if not items:
        raise _open_line(name)
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | float | str):
            raise ConfigError(
                f"category {name!r}: {item!r} is no class: write indices, ranges such as 151-268, WordNet ids or words",
                (name,),
            )
    if all(isinstance(item, int) for item in items):
        return {"indices": items}
    indices = dict.fromkeys(index for item in items for index in _indices(name, item))
    if all(isinstance(item, str) and _WNID.fullmatch(item) for item in items):
        return {"indices": list(indices), "wnids": [item.lower() for item in items]}
    return {"indices": list(indices)}


def _indices(name: str, item: Any) -> list[Any]:
    """Return the indices of one item, as they are if it is no text."""
    if not isinstance(item, str):
        return [item]
    text = item.strip()
    if text.isascii() and text.isdecimal():
        return [int(text)]
    if bounds := _RANGE.fullmatch(text):
        first, last = int(bounds[1]), int(bounds[2])
        if first > last or last > 999:
            raise ConfigError(
                f"category {name!r}: {text!r} is no range of indices: write FIRST-LAST, 0 to 999", (name,)
            )
        return list(range(first, last + 1))
    reading = read_label(text)
    if not reading.classes:
        raise ConfigError(f"category {name!r}: {text!r} {_meaning(reading)}", (name,))
    return list(reading.classes)


def _open_line(name: str) -> ConfigError:
    """Return the refusal of a category that nobody has decided."""
    reading = read_label(name)
    if reading.classes:
        hint = f"write `{name}: {base_form(name)}` if that is meant: {describe_classes(reading.classes)}"
    else:
        hint = f"{name!r} {_meaning(reading)}"
    return ConfigError(f"category {name!r} is open: its list is empty; {hint}", (name,))


def _meaning(reading: Reading) -> str:
    """Explain an undecided label, with what to write."""
    choices = "".join(f"\n  {choice}" for choice in choices_for(reading))
    own = "`{}` if it is a category of your own that ImageNet lacks"
    if not reading.meanings:
        return f"is no word, id or index of ImageNet's classes or what is above them; write {own}"
    if reading.certain:
        return f"has several meanings; write one of these:{choices}"
    return f"is unknown; the most similar are these; write one of them, or {own}:{choices}"
