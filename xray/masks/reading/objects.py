"""Annotated objects, and the choice of those that a photograph is of."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator

from xray.core.errors import Rejected, unknown
from xray.masks.mask_files import normal_name
from xray.sources.base import Box, Candidate, Point, join_names
from xray.sources.categories.reading import index_in, read_label


def _as_list(value: Any) -> Any:
    """Return a single text of a recipe as a list of one."""
    if isinstance(value, dict):
        return {name: _as_list(one) for name, one in value.items()}
    if not isinstance(value, str | list | tuple):
        raise ValueError(f"expected a label, a list of labels, or a mapping of categories to labels, not {value!r}")
    return (value,) if isinstance(value, str) else value


Labels = Annotated[tuple[str, ...] | dict[str, tuple[str, ...]], BeforeValidator(_as_list)]
"""Labels of the object; or those of each category, such as `{"red fox": ["fox"]}`."""

MAX_OBJECTS = 20_000
"""Of one photograph. A grid of cells has hundreds, an aerial photograph thousands."""
MAX_PAINTED = 5_000_000_000
"""Pixels of the masks of one photograph together: 400 of 12 megapixels."""
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Object:
    """An annotated object.

    Args:
        label: its class, as the file writes it; empty if it has none.
        outline: as the format's `read` fills it; None if the object has no area.
        box: x0, y0, x1, y1, exclusive ends.
        points: x, y, and True on the object.
        crowd: true for a region of several objects, which counts only if a photograph has nothing else.
        left_out: true if a part of its outline cannot be used.
        numbers: the four numbers of its box as the file writes them, if it may write others than its format says.
    """

    label: str
    outline: Any = None
    box: Box | None = None
    points: tuple[Point, ...] = ()
    crowd: bool = False
    left_out: bool = False
    numbers: Box | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    """The annotation of one image.

    Args:
        size: width and height of the image that it was drawn on, in pixels; `RELATIVE`, if coordinates are shares of
            them; None: unknown.
        objects: all objects, of any label.
        problems: what is wrong with parts that are left out.
        uri: of the annotation's own file, if `read` takes it as it is.
    """

    size: tuple[int, int] | None
    objects: tuple[Object, ...]
    problems: tuple[str, ...] = ()
    uri: str | None = None


def too_many(count: int, kind: str) -> Rejected:
    """Return the rejection of a photograph with more objects than can be drawn; `kind`: name of the format."""
    return Rejected("corrupt_mask", f"{kind}: {count:,} objects in one photograph, at most {MAX_OBJECTS:,}")


def too_large(count: int, size: tuple[int, int], kind: str) -> Rejected:
    """Return the rejection of a photograph whose masks, of this number and size, would take minutes to read."""
    return Rejected("corrupt_mask", f"{kind}: {count:,} masks of {size[0]}×{size[1]} pixels")


class Selection:
    """The choice of objects by label: of the recipe, else the photograph's category, else of no other category.

    A label says the category if it is called like it, else if ImageNet's classes of both are the same (`Vulpes vulpes`,
    `n02119022` and `red fox`).

    Args:
        labels: of the recipe; empty: no choice.
        known: all labels in the annotations.
        kind: name of the format, for messages.
        setting: name of the setting with the labels, for messages.
        categories: of all photographs.

    Raises:
        ConfigError: a label of the recipe is in no annotation.
    """

    def __init__(
        self, labels: Labels, known: Collection[str], kind: str, setting: str, categories: Collection[str] = ()
    ) -> None:
        self._setting = setting
        self._texts, self._categories = known, categories
        self._named = functools.cache(self._labels_of)
        self._known = {normal_name(label) for label in known}
        by_category = labels if isinstance(labels, dict) else {}
        always = () if isinstance(labels, dict) else labels
        for label in (*always, *(label for some in by_category.values() for label in some)):
            if self._known and normal_name(label) not in self._known:
                raise unknown(f"label of {kind} annotations", label, known)
        self._always = {*map(normal_name, always)}
        self._by_category = {normal_name(name): {*map(normal_name, some)} for name, some in by_category.items()}
        self._unused = list(by_category)
        self._without = list[str]()
        self._united = Counter[str]()
        self._example = ""

    def choose(self, candidate: Candidate, objects: Sequence[Object]) -> list[Object]:
        """Return the objects that show the photograph's object."""
        category = normal_name(candidate.category)
        self._unused = [name for name in self._unused if normal_name(name) != category]
        labels = self._always or self._by_category.get(category) or self._named(candidate.category)
        others = set[str]() if labels else self._of_others(category)
        chosen = [
            one for one in objects if (name := normal_name(one.label)) in labels or (not labels and name not in others)
        ]
        single = [one for one in chosen if not one.crowd] or chosen
        if objects and not single:
            self._without.append(f"{candidate.key} ({join_names(sorted({one.label for one in objects}), 3)})")
        if not labels and single and len(self._known) > 1:
            self._united.update({one.label for one in single})
            self._example = self._example or candidate.key
        return single

    def _labels_of(self, category: str) -> set[str]:
        """Return the labels that say a category."""
        if (name := normal_name(category)) in self._known:
            return {name}
        classes = _classes(category)
        return {normal_name(label) for label in self._texts if _classes(label) == classes} if classes else set()

    def _of_others(self, category: str) -> set[str]:
        """Return the labels that say another category than this one."""
        return {label for one in self._categories if normal_name(one) != category for label in self._named(one)}

    def notes(self) -> list[str]:
        """Return what the choice left out or united."""
        notes = []
        if self._without:
            notes.append(
                f"{len(self._without):,} photographs have annotations, but none with the label of their object: "
                f"{join_names(self._without, _SHOWN)}"
            )
        if self._unused:
            notes.append(f"`{self._setting}` names what is no category of a photograph: {join_names(self._unused)}")
        if self._united:
            seen = [f"{label or 'no label'} ({count:,})" for label, count in self._united.most_common()]
            notes.append(
                f"no label says the category, so all objects without that of another count: {join_names(seen)}; "
                f"the first photograph is {self._example}. To choose, write `{self._setting}: {{CATEGORY: [LABEL]}}`"
            )
        return notes


@functools.cache
def _classes(label: str) -> tuple[int, ...]:
    """Return the classes of ImageNet that a label says; a number may count the labels of its file, so it says none."""
    return () if index_in(label) else read_label(label, choices=False).classes
