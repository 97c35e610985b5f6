"""The base class of sources, which list photographs; their bytes are read later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from xray.sources.categories.base import Category

Split = Literal["train", "val", "test", "unknown"]
Box = tuple[float, float, float, float]
Point = tuple[float, float, bool]

RELATIVE = (1, 1)
"""`drawn_on` of boxes and points whose coordinates are shares of the width and height, 0–1."""


@dataclass(frozen=True)
class Candidate:
    """A photograph that a source lists.

    Args:
        key: unique in the source and the same on all machines: a relative path or an id.
        category: name of its category.
        uri: URI of its bytes, percent-encoded (see `xray.core.files`).
        mask_uri: URI of its mask, if the source has one.
        boxes: one per object, x0, y0, x1, y1 in upright pixels, exclusive ends.
        points: x, y in upright pixels, and True on the object.
        drawn_on: width and height of the image that boxes and points were drawn on, or `RELATIVE`; None: the upright
            photograph.
        place: its background, if known; a donor never has the same place.
        split: train, val or test: the part that it had in the training of pretrained models.
        licence: of the photograph.
        credit: its author and where it comes from, which its licence may ask to name.
        problem: a reason code if it is unusable, and what was seen: `duplicate_id`, `corrupt_mask: not UTF-8`.
        group: name of the photographs that it belongs to (a burst, a scene), if it is named.
    """

    key: str
    category: str
    uri: str
    mask_uri: str | None = None
    boxes: tuple[Box, ...] = ()
    points: tuple[Point, ...] = ()
    drawn_on: tuple[int, int] | None = None
    place: str | None = None
    split: Split = "unknown"
    licence: str = "unknown"
    problem: str = ""
    group: str | None = None
    credit: str | None = None


class Source:
    """The base class of sources; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    caveat: ClassVar[str] = ""
    """A warning for the report if the images are not plain photographs."""

    def categories(self) -> Sequence[Category]:
        """Return the categories for a recipe that names none.

        Raises:
            ConfigError: the source does not determine its categories.
        """
        raise NotImplementedError

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Yield the photographs of these categories, in the same order on all machines.

        Raises:
            XrayError: the source is missing, or has no photograph of these categories.
        """
        raise NotImplementedError

    def notes(self, categories: Sequence[Category]) -> list[str]:
        """Return notes on what the source leaves out, one sentence each, for the terminal and the report.

        Raises:
            XrayError: the source is missing.
        """
        return []


def join_names(names: Iterable[str], limit: int = 10) -> str:
    """Join names for a message, at most `limit` of them.

    >>> join_names(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return (", ".join(listed[:limit]) or "none") + more


def counted_note(names: Iterable[str], one: str, many: str) -> list[str]:
    """Return one sentence with the number and the names, or no sentence if there are no names.

    >>> counted_note(["a", "b"], "folder is empty", "folders are empty")
    ['2 folders are empty: a, b']
    """
    listed = list(names)
    return [f"{len(listed)} {one if len(listed) == 1 else many}: {join_names(listed)}"] if listed else []


def mark_duplicates(candidates: Iterable[Candidate]) -> Iterator[Candidate]:
    """Set the problem `duplicate_id` of every candidate with a repeated key."""
    seen: set[str] = set()
    for candidate in candidates:
        yield replace(candidate, problem="duplicate_id") if candidate.key in seen else candidate
        seen.add(candidate.key)
