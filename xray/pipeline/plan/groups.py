"""Check, while planning, which photographs belong together, and note it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from xray.core.errors import ConfigError
from xray.core.files import exists
from xray.core.uri import short_name
from xray.runs.folder import RunFolder
from xray.runs.groups import Groups, members
from xray.runs.recipe import Recipe
from xray.sources.base import join_names

_NEARLY_ALL = 0.9
"""Share of the usable photographs that one named group must not reach."""
_MOST = 0.75
"""Share of a category's photographs: if one group has so many in every category, the groups are the categories."""
_EXAMPLES = 3

Row = tuple[str, str, str, str | None]
"""The id, URI, SHA-256 and named group of a photograph."""


def check_groups(source: pa.Table, usable: Mapping[str, str], groups: Groups, recipe: Recipe) -> list[str]:
    """Check the named groups, and note copies, groups, and groups of several categories.

    Args:
        source: all photographs (SOURCE).
        usable: categories of the readable ones, by id.
        groups: of the photographs that are not alone, by id.
        recipe: with or without `groups`.

    Raises:
        ConfigError: one group has nearly all photographs, or the groups are the categories.
    """
    source = source.filter(pc.is_in(source["image_id"], pa.array(list(groups), pa.string())))
    columns = (source[name].to_pylist() for name in ("image_id", "uri", "sha256", "group"))
    rows = [row for row in zip(*columns, strict=True) if row[0] in usable]
    names = {image: short_name(uri) for image, uri, _, _ in rows}
    copies, named = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for image, _, sha256, group in rows:
        copies[sha256].append(image)
        if group is not None:
            named[group].append(image)
    notes = _copy_notes(copies.values(), names)
    if recipe.groups is not None:
        _check_named(named, usable, recipe.groups.file)
        notes += _named_notes(named, recipe.groups.file)
    return [*notes, *_mixed_notes(rows, names, usable, groups)]


def _mixed_notes(rows: Iterable[Row], names: Mapping[str, str], usable: Mapping[str, str], groups: Groups) -> list[str]:
    """Note groups of several categories; those of copies alone are noted where photographs and masks are matched."""
    bytes_of = {image: sha256 for image, _, sha256, _ in rows}
    together = members({image: group for image, group in groups.items() if image in usable}).values()
    examples = []
    for images in together:
        by_category = {usable[image]: image for image in reversed(images)}
        if len(by_category) > 1 and len({bytes_of[image] for image in images}) > 1:
            examples.append(" and ".join(f"{names[by_category[name]]} ({name})" for name in sorted(by_category)[:2]))
    if not examples:
        return []
    one = len(examples) == 1
    return [
        f"{len(examples):,} {'group has' if one else 'groups have'} photographs of several categories, which share a "
        f"fold: {join_names(examples, _EXAMPLES)}"
    ]


def check_regrouping(run: RunFolder, source: pa.Table) -> bool:
    """Return whether a new plan names other groups of the photographs (SOURCE) of a run.

    Raises:
        ConfigError: it does, and models were trained or are being trained: their validation would be another.
    """
    before = run.store.table("source", ["image_id", "group"])
    old, new = (
        dict(zip(table["image_id"].to_pylist(), table["group"].to_pylist(), strict=True)) for table in (before, source)
    )
    changed = [image for image in old.keys() & new.keys() if old[image] != new[image]]
    if changed and (run.store.trained() or exists(run.store.path("trials"))):
        raise ConfigError(
            f"models were trained with other groups of {join_names(sorted(changed), 5)}: use a new run", ("groups",)
        )
    return bool(changed)


def _copy_notes(files: Iterable[list[str]], names: Mapping[str, str]) -> list[str]:
    """Note photographs with the same bytes."""
    copied = [images for images in files if len(images) > 1]
    if not copied:
        return []
    number = sum(map(len, copied))
    examples = join_names((" = ".join(names[image] for image in images[:_EXAMPLES]) for images in copied), _EXAMPLES)
    return [
        f"{number:,} photographs are byte-equal copies ({len(copied):,} {'group' if len(copied) == 1 else 'groups'}): "
        f"{examples}. Copies share a fold, and intervals count them as one group"
    ]


def _named_notes(named: Mapping[str, list[str]], file: str) -> list[str]:
    several = {group: images for group, images in named.items() if len(images) > 1}
    if not several:
        return [f"no two photographs are of one group of {file}"]
    largest = max(sorted(several), key=lambda group: len(several[group]))
    number, noun = sum(map(len, several.values())), "group" if len(several) == 1 else "groups"
    return [
        f"{number:,} photographs are in {len(several):,} {noun} of {file}; the largest, {largest!r}, has "
        f"{len(several[largest]):,}"
    ]


def _check_named(named: Mapping[str, list[str]], usable: Mapping[str, str], file: str) -> None:
    """Check that named groups leave something apart, and are not the categories."""
    largest = max(sorted(named), key=lambda group: len(named[group]), default=None)
    if largest is not None and len(named[largest]) > 1 and len(named[largest]) >= _NEARLY_ALL * len(usable):
        raise ConfigError(
            f"the group {largest!r} of {file!r} has {len(named[largest]):,} of {len(usable):,} usable photographs: "
            "nothing is left to compare it with. A group is a burst or a scene; leave the cells of others empty",
            ("groups",),
        )
    sizes = Counter(usable.values())
    largest_of = dict.fromkeys(sizes, 0)
    for images in named.values():
        for category, count in Counter(usable[image] for image in images).items():
            largest_of[category] = max(largest_of[category], count)
    if len(sizes) > 1 and all(largest_of[category] > max(1, _MOST * size) for category, size in sizes.items()):
        raise ConfigError(
            f"the groups of {file!r} are the categories ({join_names(sorted(named), 5)}): name what is seen in several "
            "photographs, such as bursts and scenes, or write `groups: {file: …, group_column: …}`",
            ("groups",),
        )


def categories_by_group(usable: pa.Table, groups: Groups) -> list[dict[str, str]]:
    """Return the categories of the photographs of each group of several, by id.

    Args:
        usable: readable photographs (SOURCE).
        groups: of the photographs that are not alone, by id.
    """
    known = usable.filter(pc.is_in(usable["image_id"], pa.array(list(groups), pa.string())))
    categories = dict(zip(known["image_id"].to_pylist(), known["category"].to_pylist(), strict=True))
    shared = members({image: group for image, group in groups.items() if image in categories})
    return [{image: categories[image] for image in images} for images in shared.values()]
