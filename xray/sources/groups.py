"""The setting `groups`: which photographs belong together, from a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.tabular import read_heading, read_table
from xray.core.uri import join, to_uri
from xray.sources.base import Candidate, counted_note, join_names
from xray.sources.image_names import ImageNames, path_of
from xray.sources.labels.tables import IMAGE_COLUMNS, find_column

_GROUP_COLUMNS = ("group", "group_id", "groupid", "groups", "burst", "burst_id", "scene", "scene_id", "cluster")


@settings
class Groups:
    """A table that names the photographs that belong together: bursts, scenes, near-duplicates.

    Args:
        file: path or URI of a CSV, TSV or Parquet table with a heading; also relative to the source's root. One row per
            photograph: its name, path or `image_id`, and the name of its group; empty: it is alone.
        image_column: column of the photographs; None: found by its name.
        group_column: column of the groups; None: found by its name.
    """

    file: str
    image_column: str | None = None
    group_column: str | None = None

    def __post_init__(self) -> None:
        if not self.file:
            raise ConfigError("`groups` names a table of photographs and their groups, such as groups.csv")


def groups_of(value: Any) -> Any:
    """Convert a file name to the settings of `groups`."""
    return Groups(file=value) if isinstance(value, str) else value


def name_groups(
    groups: Groups, photographs: Sequence[Candidate], ids: Sequence[str], root: str | None = None
) -> tuple[list[Candidate], list[str]]:
    """Return the photographs with the groups that the table names, and notes on what fits none.

    Args:
        groups: the setting.
        photographs: all of the source.
        ids: their `image_id`, which the table may have for names.
        root: URI of the source's folder, if it has one.

    Raises:
        ConfigError: the table cannot be read, names none of the photographs, puts one into two groups (under one name,
            or by its `image_id` and its path), or has a name that several photographs match.
    """
    named = _read(groups, root)
    known = set(ids)
    others = [name for name in named if name not in known]
    matches = _match(groups, photographs, others)
    found = [
        [name for name in (image, None if match is None else others[match]) if name in named]
        for image, match in zip(ids, matches, strict=True)
    ]
    used = {name for names in found for name in names}
    if not used:
        raise ConfigError(
            f"{groups.file!r} names no photograph of the source: it has {join_names(named, 3)}; the photographs are "
            f"called {join_names((unquote(one.key) for one in photographs), 3)}",
            ("groups",),
        )
    grouped = [replace(one, group=_group(groups, named, names)) for one, names in zip(photographs, found, strict=True)]
    unused = [name for name in named if name not in used]
    one, many = "is no photograph of the categories", "are no photographs of the categories"
    return grouped, counted_note(unused, f"name of {groups.file} {one}", f"names of {groups.file} {many}")


def _group(groups: Groups, named: Mapping[str, str | None], names: Sequence[str]) -> str | None:
    """Return the group of a photograph that the table has under these names: its `image_id`, its path, or both."""
    if len({named[name] for name in names}) > 1:
        rows = " and ".join(f"{name!r} in {'no group' if named[name] is None else repr(named[name])}" for name in names)
        raise ConfigError(f"{groups.file!r} names one photograph twice: {rows}; give both rows one group", ("groups",))
    return named[names[0]] if names else None


def _match(groups: Groups, photographs: Sequence[Candidate], names: Sequence[str]) -> list[int | None]:
    """Return the index of each photograph's name."""
    if not names:
        return [None] * len(photographs)
    matches = ImageNames([path_of(name) for name in names]).match(photographs)
    times = Counter(match for match in matches if match is not None)
    if shared := [index for index, count in times.items() if count > 1]:
        keys = (unquote(one.key) for one, match in zip(photographs, matches, strict=True) if match == shared[0])
        raise ConfigError(
            f"{names[shared[0]]!r} of {groups.file!r} may be several photographs: {join_names(keys, 3)}; write their "
            "paths below the root, or their image_id",
            ("groups",),
        )
    return matches


def _read(groups: Groups, root: str | None) -> dict[str, str | None]:
    """Return the group by the name of the photograph, as written; None if it is alone."""
    location = groups.file
    if root is not None and "://" not in location and not files.exists(to_uri(location)):
        location = join(root, location) if files.exists(join(root, location)) else location
    image, group = _columns(groups, read_heading(location))
    table = read_table(location, [image, group], [])
    named: dict[str, str | None] = {}
    for name, text in zip(map(_text, table[image]), map(_text, table[group]), strict=True):
        if not name:
            continue
        if named.setdefault(name, text) != text:
            raise ConfigError(f"{groups.file!r} has {name!r} in the groups {named[name]!r} and {text!r}", ("groups",))
    return named


def _columns(groups: Groups, names: Sequence[str]) -> tuple[str, str]:
    """Find the columns of photographs and groups."""
    group = find_column(names, groups.group_column, _GROUP_COLUMNS)
    image = find_column([name for name in names if name != group], groups.image_column, IMAGE_COLUMNS)
    if image is None or group is None:
        lacking, setting = ("a photograph", "image_column") if image is None else ("a group", "group_column")
        raise ConfigError(
            f"no column of {groups.file!r} is called like {lacking}; it has {', '.join(map(repr, names))}: the first "
            f"line names the columns, such as image,group; or write `groups: {{file: {groups.file}, {setting}: …}}`",
            ("groups",),
        )
    return image, group


def _text(value: Any) -> str | None:
    """Return a cell as text; None if it is empty. A whole number has no point, however it is stored."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return text.strip() or None
