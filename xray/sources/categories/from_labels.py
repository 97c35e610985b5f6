"""Categories from labels, and the lines of a recipe that say which classes each label stands for."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xray.core.errors import ConfigError
from xray.core.yaml import quote
from xray.sources.categories.base import Category, categories_by_label, category_of_folder, normalize_label
from xray.sources.categories.reading import (
    Reading,
    class_name,
    describe_classes,
    describe_meaning,
    index_in,
    read_label,
)
from xray.sources.categories.wordnet import base_form, class_synsets, meanings

CHECK = "<- check"
"""Marks the lines of a recipe that the user must check."""
_MAX_LINES = 20


@dataclass(frozen=True)
class CategoryLine:
    """The line of a recipe for a label.

    Args:
        reading: what the label stands for.
        category: the category; None: the line is open, or a category that ImageNet lacks.
        text: the line of YAML, without indentation.
        labels: all labels that it is for: that of the reading, and others with the same name and classes.
    """

    reading: Reading
    category: Category | None
    text: str
    labels: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether `xray plan` refuses the line until somebody decides."""
        return self.category is None and bool(self.reading.meanings)

    @property
    def is_own(self) -> bool:
        """Whether the label is a category that ImageNet does not have."""
        return self.category is None and not self.reading.meanings

    @property
    def needs_check(self) -> bool:
        """Whether a person should look at the line."""
        return self.category is None or not self.reading.certain


def category_lines(labels: Iterable[str]) -> list[CategoryLine]:
    """Return the lines of a recipe's `categories` for labels, such as names of folders.

    A label that ImageNet does not know becomes a category of one's own; one with several meanings, or with a name
    similar to one that ImageNet knows, becomes an open line: an empty list, with the choices in its comment.

    >>> for line in category_lines(["n02119022", "widget"]): print(line.text)
    "red fox": {indices: [277], wnids: [n02119022]}  # 277 red fox; the common Old World fox
    "widget": {}  # no word of ImageNet: a category of your own, which only your own models can be asked about <- check
    """
    readings = _without_numbering([read_label(label) for label in labels])
    classes_of = {normalize_label(reading.label): reading.classes for reading in readings}
    lines: dict[tuple[str, tuple[int, ...]], CategoryLine] = {}
    wnids: set[str] = set()
    for reading in sorted(readings, key=lambda one: not _is_wnid(one)):  # so that "red fox" gets the id of its folder
        category = _category(reading, classes_of, wnids) if reading.classes else None
        name = category.name if category else reading.label
        key = normalize_label(name), reading.classes
        if key in lines:
            lines[key] = replace(lines[key], labels=(*lines[key].labels, reading.label))
        else:
            lines[key] = CategoryLine(reading, category, _line(reading, category), (reading.label,))
    order = {reading.label: number for number, reading in reversed([*enumerate(readings)])}
    return sorted(lines.values(), key=lambda line: order[line.reading.label])


def categories_from_labels(labels: Sequence[str], where: str) -> tuple[Category, ...]:
    """Return the categories of labels that are WordNet ids, indices of ImageNet classes, or words of WordNet.

    Args:
        labels: names of folders or labels; case, `_` and repeated spaces do not matter.
        where: origin of the labels, for the error.

    Raises:
        ConfigError: a label is ambiguous or unknown; shows the lines to add to the recipe.

    >>> [(category.name, category.indices) for category in categories_from_labels(["n02119022", "king_crab"], "labels")]
    [('red fox', (277,)), ('king_crab', (121,))]
    """
    lines = category_lines(labels)
    undecided = [line.reading for line in lines if line.category is None]
    if undecided:
        raise _unknown_classes(undecided[0], lines, where)
    return tuple(line.category for line in lines if line.category)


def _without_numbering(readings: list[Reading]) -> list[Reading]:
    """Leave numbers undecided if they count from 0 or 1: they number somebody's own classes, unless they are all 1,000.

    `277` and `486` are indices of ImageNet; `0`, `1` and `2` could be cat, dog and fox.
    """
    numbers = sorted(int(number) for one in readings if (number := index_in(one.label)))
    if len(numbers) != len(readings) or not 1 < len(numbers) < len(class_synsets()):
        return readings
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
        return readings
    return [replace(one, classes=()) for one in readings]


def match_categories(labels: Iterable[str], categories: Iterable[Category]) -> dict[str, Category | None]:
    """Return the category that each label says: by its name or id, else by its classes if no label has the name.

    >>> fox = Category(name="fox", indices=(277,))
    >>> match_categories(["277-red_fox", "n02992211"], [fox])
    {'277-red_fox': Category(name='fox', indices=(277,), wnids=(), prompts=()), 'n02992211': None}
    """
    categories = tuple(categories)
    by_label = categories_by_label(categories)
    found = {label: category_of_folder(label, by_label) for label in labels}
    missing = [one for one in categories if one.indices and one not in found.values()]
    if not missing:
        return found
    by_classes = defaultdict[tuple[int, ...], list[Category]](list)
    for category in categories:
        by_classes[tuple(sorted({*category.indices}))].append(category)
    for reading in _without_numbering([read_label(label, choices=False) for label in found]):
        alike = by_classes.get(reading.classes, [])
        if found[reading.label] is None and len(alike) == 1 and alike[0] in missing:
            found[reading.label] = alike[0]
    return found


def _is_wnid(reading: Reading) -> bool:
    return bool(reading.classes) and reading.label.lower() == reading.meanings[0].id


def _category(reading: Reading, classes_of: Mapping[str, tuple[int, ...]], wnids: set[str]) -> Category:
    """Return the category of a label.

    `classes_of`: all labels with their classes; a name that one of them has with other classes is not taken.
    `wnids`: those of earlier categories, which no other can have.
    """
    label, first = reading.label, reading.meanings[0]
    name = label
    if _is_wnid(reading):
        readable = class_name(first.classes[0]) if first.is_class else first.words[0]
        is_free = classes_of.get(normalize_label(readable), reading.classes) == reading.classes
        name = readable if is_free else label
    with_wnid = (_is_wnid(reading) or first.is_class) and first.id not in wnids
    wnids.update([first.id] if with_wnid else [])
    return Category(name=name, indices=reading.classes, wnids=(first.id,) if with_wnid else ())


def _line(reading: Reading, category: Category | None) -> str:
    if category is None:
        return f"{quote(reading.label)}: {_undecided(reading)} {CHECK}"
    mark = "" if reading.certain else f" {CHECK}"
    first, *others = reading.meanings
    if first.is_class and not others:
        wnids = f", wnids: [{category.wnids[0]}]" if category.wnids else ""
        value, comment = f"{{indices: [{category.indices[0]}]{wnids}}}", describe_meaning(first)
    else:
        value, comment = _value(reading), describe_classes(category.indices)
    if others:
        comment += f" ({' and '.join(f'{one.words[0]} {one.id}' for one in reading.meanings)})"
    if not reading.certain and (rivals := _other_meanings(reading)):
        comment += f" (not {' or '.join(rivals)})"
    return f"{quote(category.name)}: {value}  # {comment}{mark}"


def _value(reading: Reading) -> str:
    """Return what to write for several classes: a word, if it alone says them, else WordNet ids."""
    word = base_form(reading.label)
    if re.fullmatch(r"[a-z]{3,}( [a-z]+)*", word) and read_label(word).classes == reading.classes:
        return word
    ids = [one.id for one in reading.meanings]
    return ids[0] if len(ids) == 1 else f"[{', '.join(ids)}]"


def _other_meanings(reading: Reading) -> list[str]:
    others = [one for one in meanings(reading.label) if one not in reading.meanings]
    return [f"{one.id}, {describe_meaning(one, gloss=False)}" for one in others]


def _undecided(reading: Reading) -> str:
    if not reading.meanings:
        return "{}  # no word of ImageNet: a category of your own, which only your own models can be asked about"
    choices = " or ".join(choices_for(reading))
    return f"[]  # {choices}?" if reading.certain else f"[]  # {choices}, or {{}} (not in ImageNet)?"


def choices_for(reading: Reading) -> list[str]:
    """Return what can be written for an undecided label, each with its meaning.

    >>> choices_for(read_label("kite"))[1]
    '{} (not in ImageNet; plaything consisting of a light frame covered with tissue paper)'
    """
    inside = [one for one in reading.meanings if one.classes]
    lacking = [one.gloss for one in reading.meanings if not one.classes]
    choices = [f"{one.id} ({describe_meaning(one)})" for one in inside]
    return [*choices, f"{{}} (not in ImageNet; {'; '.join(lacking)})"] if lacking else choices


def _unknown_classes(reading: Reading, lines: Sequence[CategoryLine], where: str) -> ConfigError:
    problem = "has several meanings" if reading.certain else "is not a WordNet id or name of an ImageNet class"
    if index_in(reading.label) and reading.meanings:
        problem = "may be a number of your own or an ImageNet class"
    shown = [f"  {line.text}" for line in lines[:_MAX_LINES]]
    if len(lines) > _MAX_LINES:
        shown.append(f"  # … and {len(lines) - _MAX_LINES} more: `xray init` writes them all")
    return ConfigError(
        f"{reading.label!r} in {where} {problem}; say in the recipe which classes are meant:\ncategories:\n"
        + "\n".join(shown)
    )
