"""Search ImageNet's classes and the synsets above them, for `xray list categories WORD`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from xray.cli.output import out
from xray.core.errors import ConfigError

if TYPE_CHECKING:
    from xray.sources.categories.reading import Reading
    from xray.sources.categories.wordnet import Synset

_MAX_OTHERS = 8


def print_search(text: str) -> None:
    """Print what a word, WordNet id or index stands for, its classes, and what to write in a recipe.

    Raises:
        ConfigError: nothing in ImageNet is called like that or similar.
    """
    from xray.sources.categories.reading import class_name, read_label
    from xray.sources.categories.wordnet import class_synsets, meanings_containing

    reading = read_label(text)
    if not reading.meanings:
        raise ConfigError(
            f"{text!r} is no word, id or index of ImageNet's classes or what is above them; a category that ImageNet "
            f"lacks is written as `{text}: {{}}`"
        )
    if not reading.classes:
        out.print(f"{text!r} {'has several meanings' if reading.certain else 'is unknown; similar'}:", markup=False)
    _print_rows([(one.id if one.classes else "{}", f"{_name(one)} ({_count(one)})", one) for one in reading.meanings])
    if not reading.classes:
        values = [one.id if one.classes else "{}" for one in reading.meanings]
        out.print(f"in a recipe: {' or '.join(f'`{text}: {value}`' for value in values)}", markup=False)
        return
    for one in reading.meanings:
        out.print(f"above {_name(one)}: {', '.join(_above(one)) or 'nothing'}", markup=False)
    classes = [class_synsets()[index] for index in reading.classes]
    if classes != list(reading.meanings):
        out.print("classes:")
        _print_rows([(f"{one.classes[0]}", class_name(one.classes[0]), one) for one in classes])
    others = [one for one in meanings_containing(text) if one not in (*reading.meanings, *classes)]
    if others:
        named = [f"{_name(one)} {one.id} ({_count(one)})" for one in others[:_MAX_OTHERS]]
        out.print(f"similar: {', '.join(named)}{' …' if len(others) > _MAX_OTHERS else ''}", markup=False)
    name = _name(reading.meanings[0])
    note = "" if reading.certain else "; check that this is what you mean"
    examples = " or ".join(f"`{name}: {value}`" for value in _values(reading))
    out.print(f"in a recipe: {examples}{note}", markup=False)


def _values(reading: Reading) -> list[str]:
    """Return what can be written in a recipe for a decided label: a word, WordNet ids, indices."""
    from xray.sources.categories.reading import read_label
    from xray.sources.categories.wordnet import base_form

    ids = [one.id for one in reading.meanings]
    ranges = index_ranges(reading.classes)
    words = (base_form(reading.label), reading.label, reading.meanings[0].words[0])
    spelled = [word for word in words if not word[-1:].isdecimal() and read_label(word).classes == reading.classes]
    lists = [values[0] if len(values) == 1 else f"[{', '.join(values)}]" for values in (ids, ranges)]
    return [*spelled[:1], *lists]


def _print_rows(rows: Sequence[tuple[str, str, Synset]]) -> None:
    """Print keys, names and definitions; definitions are cut at the width of the terminal."""
    table = Table(box=None, show_header=False, width=max(80, out.width))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for key, name, synset in rows:
        table.add_row(Text(key), Text(name), Text(synset.gloss))
    out.print(table)


def _above(synset: Synset) -> Iterator[str]:
    """Yield the synsets above one that have more classes but not all, the nearest first."""
    from xray.sources.categories.wordnet import synsets

    level, count = [synset], len(synset.classes)
    while level:
        level = list({parent: synsets()[parent] for one in level for parent in one.parents}.values())
        for one in level:
            if count < len(one.classes) < 500:
                count = len(one.classes)
                yield f"{one.words[0]} {one.id} ({_count(one)})"


def _name(synset: Synset) -> str:
    from xray.sources.categories.reading import class_name

    return class_name(synset.classes[0]) if synset.is_class else synset.words[0]


def _count(synset: Synset) -> str:
    count = len(synset.classes)
    if not count:
        return "not in ImageNet"
    return f"class {synset.classes[0]}" if synset.is_class else f"{count} class{'es' * (count != 1)}"


def index_ranges(indices: Sequence[int]) -> list[str]:
    """Return indices in ascending order as ranges.

    >>> index_ranges([7, 8, 9, 80])
    ['7-9', '80']
    """
    ranges: list[list[int]] = []
    for index in indices:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return [f"{first}-{last}" if first < last else f"{first}" for first, last in ranges]
