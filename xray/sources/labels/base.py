"""What label files say: which label an image has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xray.core.errors import ConfigError


class Entry(NamedTuple):
    """One statement of a label file.

    Args:
        image: name or path of the image, as written.
        label: as written; digits if the file numbers its classes.
        area: of the object, in a unit that is the same within an image; None if the file tells none.
    """

    image: str
    label: str
    area: float | None = None


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


def unreadable(file: str, format_name: str, problem: object) -> ConfigError:
    """Return the error of a label file that is not what it seems to be."""
    return ConfigError(f"cannot read {file!r} as {format_name}: {problem}", ("labels",))
