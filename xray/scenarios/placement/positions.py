"""Choose the position of an object's bounding box, in whole pixels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from xray.core.compositing import random_below
from xray.core.errors import Rejected
from xray.scenarios.placement.geometry import Motion, Outline
from xray.scenarios.placement.settings import Position, rng_of


class Spot(NamedTuple):
    """A position of the bounding box: its left and top edge, and its name, such as `top_left` or `cell_0_2`."""

    left: int
    top: int
    name: str


class _Span(NamedTuple):
    """The possible positions of an edge: low … high."""

    low: int
    high: int

    def nearest(self, value: int) -> int:
        return min(max(value, self.low), self.high)


def choose_spot(position: Position, size: tuple[int, int], outline: Outline, motion: Motion, seed: int) -> Spot:
    """Return the spot for a bounding box of a size (width, height) that the seed decides.

    Raises:
        Rejected: object_does_not_fit.
    """
    across, down = _possible(position, size, outline, motion)
    rng = rng_of(seed, "position")
    if position.where == "random":
        columns = across.high - across.low + 1
        positions = columns * (down.high - down.low + 1)
        if positions == 1:
            raise _no_room(f"{_sizes(size, outline)} leave it a single position", outline)
        row, column = divmod(random_below(rng, positions), columns)
        return Spot(across.low + column, down.low + row, "random")
    spots: dict[tuple[int, int], Spot] = {}
    for spot in _named(position, size, outline.frame, across, down):
        if across.nearest(spot.left) == spot.left and down.nearest(spot.top) == spot.top:
            spots.setdefault((spot.left, spot.top), spot)
    if not spots:
        place = f"cell {list(position.cell)}" if position.cell else position.where
        raise _no_room(f"{_sizes(size, outline)} do not allow {place}", outline)
    return list(spots.values())[random_below(rng, len(spots))]


def _possible(position: Position, size: tuple[int, int], outline: Outline, motion: Motion) -> tuple[_Span, _Span]:
    """Return the possible left and top edges of the bounding box."""
    across, down = (_Span(0, frame - length) for frame, length in zip(outline.frame, size, strict=True))
    if across.high < 0 or down.high < 0:
        raise _no_room(f"{_sizes(size, outline)}: it is larger", outline)
    if position.cut == "allow":
        return across, down
    if position.cut == "skip" and outline.cut_sides:
        raise _no_room("`cut: skip` refuses objects that are cut", outline)
    sides = {motion.side(side) for side in outline.cut_sides}
    if None in sides:
        raise _no_room("turned, its cut edge is at no side of the image", outline)
    across = _slide(across, "left" in sides, "right" in sides, outline)
    return across, _slide(down, "top" in sides, "bottom" in sides, outline)


def _slide(span: _Span, at_start: bool, at_end: bool, outline: Outline) -> _Span:
    """Return the positions at which cut edges stay at the sides of the image."""
    if at_start and at_end and span.high > 0:
        raise _no_room("scaled, it does not reach both sides that cut it", outline)
    if at_start:
        return _Span(0, 0)
    return _Span(span.high, span.high) if at_end else span


def _named(
    position: Position, size: tuple[int, int], frame: tuple[int, int], across: _Span, down: _Span
) -> Iterator[Spot]:
    """Yield the spots with a name, whether possible or not."""
    right, bottom = frame[0] - size[0], frame[1] - size[1]
    if position.where == "centre":
        yield Spot(right // 2, bottom // 2, "centre")
    elif position.where == "corner":
        yield from (Spot(0, 0, "top_left"), Spot(right, 0, "top_right"))
        yield from (Spot(0, bottom, "bottom_left"), Spot(right, bottom, "bottom_right"))
    elif position.where == "side":
        yield from (Spot(right // 2, 0, "top"), Spot(right, bottom // 2, "right"))
        yield from (Spot(right // 2, bottom, "bottom"), Spot(0, bottom // 2, "left"))
    elif position.cell:
        row, column = position.cell
        left, inside_column = _in_cell(column, position.grid, size[0], frame[0], across)
        top, inside_row = _in_cell(row, position.grid, size[1], frame[1], down)
        if inside_column and inside_row:
            yield Spot(left, top, f"cell_{row}_{column}")


def _in_cell(index: int, grid: int, size: int, frame: int, span: _Span) -> tuple[int, bool]:
    """Return the possible edge that is nearest to the cell's centre, and whether the object's centre is in the cell."""
    start = span.nearest(round(((2 * index + 1) * frame - grid * size) / (2 * grid)))
    doubled_centre = (2 * start + size) * grid
    return start, 2 * index * frame <= doubled_centre <= 2 * (index + 1) * frame


def _sizes(size: tuple[int, int], outline: Outline) -> str:
    return f"{size[0]} × {size[1]} pixels in {outline.frame[0]} × {outline.frame[1]}"


def _no_room(detail: str, outline: Outline) -> Rejected:
    cut = f"; the photograph cuts it at the {' and '.join(outline.cut_sides)}" if outline.cut_sides else ""
    return Rejected("object_does_not_fit", detail + cut)
