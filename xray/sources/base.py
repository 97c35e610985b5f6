"""What a source is: it says which photographs there are; their bytes are read later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from xray.sources.categories.base import Category

Split = Literal["train", "val", "test", "unknown"]
Box = tuple[float, float, float, float]
Point = tuple[float, float, bool]


@dataclass(frozen=True)
class Candidate:
    """A photograph that a source offers.

    Args:
        key: identity inside the source, stable between machines: a relative path or an id.
        category: name of its category.
        uri: where its bytes are, percent-encoded (see `xray.core.files`).
        mask_uri: where its mask is, if the source knows.
        boxes: one an object, each x0, y0, x1, y1 in upright pixels, x1 and y1 exclusive.
        points: each x, y in upright pixels, and 1 on the object or 0 beside it.
        place: what its background is, if known: a donor never shows the same place.
        split: whether pretrained models have seen it.
        licence: of the photograph.
        problem: a reason code if it is known to be unusable, such as `duplicate_id`.
    """

    key: str
    category: str
    uri: str
    mask_uri: str | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    place: str | None = None
    split: Split = "unknown"
    licence: str = "unknown"
    problem: str = ""


class Source:
    """Base of all sources; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    stand_in: ClassVar[str] = ""
    """What the photographs are if they are not photographs as taken; said in the report."""

    def categories(self) -> Sequence[Category]:
        """The categories if the recipe names none.

        Raises:
            XrayError: they cannot be told from the source.
        """
        raise NotImplementedError

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """The photographs of these categories, in an order that does not depend on the machine.

        Raises:
            XrayError: the source is not there, or nothing in it fits the categories.
        """
        raise NotImplementedError

    def remarks(self, categories: Sequence[Category]) -> list[str]:
        """What people must know of what the source leaves out, one sentence each; said before a run and in its report.

        Raises:
            XrayError: the source is not there.
        """
        return []


def some(names: Iterable[str], most: int = 10) -> str:
    """Names for a message, the first of them if they are many.

    >>> some(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return (", ".join(listed[:most]) or "none") + more


def remark(names: Iterable[str], one: str, many: str) -> list[str]:
    """A sentence on some things, or none if there are none.

    >>> remark(["a", "b"], "folder is empty", "folders are empty")
    ['2 folders are empty: a, b']
    """
    listed = list(names)
    return [f"{len(listed)} {one if len(listed) == 1 else many}: {some(listed)}"] if listed else []


def without_duplicates(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Mark every candidate whose key was seen before with the problem `duplicate_id`."""
    seen: set[str] = set()
    for candidate in candidates:
        yield replace(candidate, problem="duplicate_id") if candidate.key in seen else candidate
        seen.add(candidate.key)
