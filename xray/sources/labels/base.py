"""What label files say: which label an image has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from xray.core.errors import MALFORMED, ConfigError, problem_of


class Entry(NamedTuple):
    """One statement of a label file.

    Args:
        image: name or path of the image, as written.
        label: as written; digits if the file numbers its classes.
        area: of the object, in a unit that is the same within an image; None if the file tells none.
        folder: path of the folder that the name is relative to; empty if unknown.
    """

    image: str
    label: str
    area: float | None = None
    folder: str = ""


@dataclass(frozen=True)
class LabelFile:
    """The content of a label file or folder.

    Args:
        format: its name, for people.
        entries: what it says.
        names: names of numbers, where the file has them.
        problems: parts that cannot be read, for people.
    """

    format: str
    entries: Sequence[Entry]
    names: Mapping[int, str] | None = None
    problems: tuple[str, ...] = ()


def read_parts(file: str, format_name: str, parts: Iterable[Any], read: Callable[[Any], Iterable[Entry]]) -> LabelFile:
    """Read the parts of a file; one that cannot be read costs only itself.

    Raises:
        ConfigError: none can be read.
    """
    entries, problems = list[Entry](), list[str]()
    for number, part in enumerate(parts, 1):
        try:
            entries += read(part)
        except MALFORMED as error:
            problems.append(f"{file}, entry {number}: {problem_of(error)}")
    if problems and not entries:
        raise unreadable(file, format_name, problems[0].removeprefix(f"{file}, "))
    return LabelFile(format_name, entries, problems=tuple(problems))


def box_area(points: Iterable[Iterable[Any]], scale: float = 1) -> float | None:
    """Return the area of the box around points, whose coordinates are scaled; None if they are no numbers.

    >>> box_area([(0, 0), (2, 3)])
    6.0
    """
    try:
        xs, ys = zip(*((float(x), float(y)) for x, y in points), strict=True)
    except MALFORMED:
        return None
    area = scale * (max(xs) - min(xs)) * scale * (max(ys) - min(ys))
    return area if math.isfinite(area) else None


def side_area(width: Any, height: Any) -> float | None:
    """Return the area of a box by its sides; None if they are no numbers."""
    return box_area([(0, 0), (width, height)])


def unreadable(file: str, format_name: str, problem: object) -> ConfigError:
    """Return the error of a label file that is not what it seems to be."""
    return ConfigError(f"cannot read {file!r} as {format_name}: {problem}", ("labels",))
