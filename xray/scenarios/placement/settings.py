"""The settings of placements: how large the object is, where it is, and how it is turned; each with a shorthand."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import ArgsKwargs

from xray.core.compositing import random_below
from xray.core.hashing import digest
from xray.core.plugins import settings

Where = Literal["random", "centre", "corner", "side", "cell"]


def rng_of(seed: int, purpose: str) -> random.Random:
    """Return the generator for one purpose, so that the draws for position and angle do not depend on each other."""
    return random.Random(digest("placement", purpose, seed, bits=63))


def _rate(value: Any) -> Any:
    if value != "fit" and not (_is_number(value) and 0 < value <= 1):
        raise ValueError("the size is a share of the image, above 0 and at most 1 (10 % is 0.1), or `fit`")
    return value


def _angle(value: Any) -> Any:
    ends = value if isinstance(value, list | tuple) else [value, value]
    if value is not None and not (len(ends) == 2 and all(map(_is_angle, ends)) and ends[0] <= ends[1]):
        raise ValueError(
            "the angle is a number of degrees, -360 … 360, or a range [from, to]; write a list to draw from as `angles`"
        )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_angle(value: Any) -> bool:
    return _is_number(value) and -360 <= value <= 360


Share = Annotated[float, Field(gt=0, le=1)]
Degrees = Annotated[float, Field(ge=-360, le=360)]


def _shorthand(key: str) -> Callable[[Any], Any]:
    """Return a validator that reads a plain value as the value of one setting."""

    def read(value: Any) -> Any:
        if isinstance(value, ArgsKwargs):
            return value if value.args else dict(value.kwargs or {})
        return {key: value} if isinstance(value, int | float | str | list | tuple) else value

    return read


@settings
class Size:
    """How large the object is: a share of the image's pixels, all parts of the object together.

    The object is scaled about its own centre by √(rate / present share), in one step. A number or `fit` is short for
    `{rate: …}`. ImageNet-E (Li et al., CVPR 2023) uses 0.1, 0.08 and 0.05.

    Args:
        rate: share of the image's pixels, above 0 and at most 1; or `fit`: as large as the image allows. An object that
            has the size already, within 2 % of it, is not scaled (`already_there`).
        about: the point that stays where it is: the centre of the object's `bbox`, or its `centroid`.
        keep_inside: move the object, scaled and turned, as little as necessary for the whole of it to be in the image.
            A `position` does so anyway.
        min_visible: smallest share of the object that must be in the image; otherwise `object_leaves_frame`.
        enlarge: also enlarge objects that are smaller; otherwise they are refused as `object_does_not_fit`.
        stretch: with `fit`, stretch the object's bounding box to the whole image; the aspect ratio is not kept.

    >>> Size(rate=0.1).keep_inside
    True
    """

    rate: Annotated[Share | Literal["fit"], BeforeValidator(_rate)]
    about: Literal["bbox", "centroid"] = "bbox"
    keep_inside: bool = True
    min_visible: Share = 0.95
    enlarge: bool = True
    stretch: bool = False

    _read = model_validator(mode="before")(_shorthand("rate"))

    @model_validator(mode="after")
    def _stretches_to_fit(self) -> Size:
        if self.stretch and self.rate != "fit":
            raise ValueError("`stretch` stretches the object to the whole image: write `rate: fit`")
        return self


@settings
class Position:
    """Where the object is; it is moved by whole pixels, so that its own pixels stay exactly as they are.

    The whole object is always inside the image; where it cannot be, it is refused as `object_does_not_fit`. A word is
    short for `{where: …}`, and `{cell: [0, 2]}` for `{where: cell, cell: [0, 2]}`.

    Args:
        where: `random`: uniform over all positions; `centre` of the image; `corner`: in one of the corners; `side`: at
            the middle of one of the sides; `cell`: centred in a cell of a grid, or as near to that as the image allows
            with the object's centre in the cell (in the outer cells of a grid of 3, objects of up to two thirds of the
            image's width and height fit). The seed decides among the possible corners or sides.
        cell: row and column of the cell, from 0 at the top left.
        grid: number of rows and of columns of the grid.
        cut: objects that the edge of the photograph cuts, on one or more sides. `slide`: keep them there and move them
            only along that side; `allow`: move them anywhere, which shows the cut edge; `skip`: refuse them.

    >>> Position(cell=(0, 2)).where
    'cell'
    """

    where: Where = "random"
    cell: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = None
    grid: Annotated[int, Field(ge=2, le=100)] = 3
    cut: Literal["slide", "allow", "skip"] = "slide"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, list | tuple):
            raise ValueError("a position is a word such as `random`, or `{cell: [row, column]}`")
        fields = _shorthand("where")(value)
        if isinstance(fields, Mapping) and fields.get("cell") is not None:
            return {"where": "cell", **fields}
        return fields

    @model_validator(mode="after")
    def _has_a_cell_of_the_grid(self) -> Position:
        if (self.where == "cell") != (self.cell is not None):
            raise ValueError("`where: cell` and `cell: [row, column]` belong together")
        if self.cell is not None and max(self.cell) >= self.grid:
            raise ValueError(f"`cell` {list(self.cell)} is not in a grid of {self.grid} × {self.grid}, counted from 0")
        return self


@settings
class Direction:
    """How the object is turned, counter-clockwise, in degrees. A number or a range is short for `{angle: …}`.

    Give either `angle` or `angles`. ImageNet-E (Li et al., CVPR 2023) turns by -45 … 45; SI-SCORE (Djolonga et al.,
    CVPR 2021) by 1, 21, …, 341, so that all of them are interpolated alike.

    Args:
        angle: a number, -360 … 360; or a range [from, to], of which the seed draws a tenth of a degree, uniformly.
        angles: the numbers of which the seed draws one, uniformly.
        about: the point that stays where it is: the centre of the `object`, that is of its bounding box, or the centre
            of the `image`, which moves the object on an arc.
        min_visible: smallest share of the object that must be in the image; otherwise `object_leaves_frame`.

    >>> Direction(angle=(-45, 45)).draw(seed=1)
    20.3
    """

    angle: Annotated[Degrees | tuple[Degrees, Degrees] | None, BeforeValidator(_angle)] = None
    angles: tuple[Degrees, ...] = ()
    about: Literal["object", "image"] = "object"
    min_visible: Share = 0.95

    _read = model_validator(mode="before")(_shorthand("angle"))

    @model_validator(mode="after")
    def _has_one_source_of_angles(self) -> Direction:
        if (self.angle is None) != bool(self.angles):
            raise ValueError("a direction needs either `angle` or `angles`")
        return self

    def draw(self, seed: int) -> float:
        """Return the angle in degrees that the seed decides."""
        rng = rng_of(seed, "angle")
        if self.angles:
            return self.angles[random_below(rng, len(self.angles))]
        if not isinstance(self.angle, tuple):
            return self.angle or 0.0
        low, high = self.angle
        return round(low + random_below(rng, math.floor((high - low) * 10 + 1e-6) + 1) / 10, 6)
