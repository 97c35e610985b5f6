"""Masks, boxes and points of an annotation in pixels of the upright photograph, whatever they were drawn on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from xray.core.errors import Rejected
from xray.core.images import FLIPS, Decoded, Header, upright
from xray.masks.base import Annotations, Mask
from xray.sources.base import RELATIVE, Box, Point, join_names

Size = tuple[int, int]
Position = Literal["upright", "stored"]
_ASPECT_TOLERANCE = 0.02
_FAR = 1.1
_POSITIONS: tuple[Position, ...] = ("upright", "stored")
_ROTATED = "mask_rotated_by_exif"


def same_shape(one: Size, other: Size) -> bool:
    """Return whether two sizes are those of one image at two scales, up to rounding to whole pixels.

    >>> same_shape((120, 90), (241, 181)), same_shape((120, 90), (240, 240))
    (True, False)
    """
    return abs(one[0] * other[1] - one[1] * other[0]) < max(sum(one), sum(other))


def read_mask(annotations: Annotations, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
    """Read a mask and fit it to its photograph: turned as `drawn_on` says, scaled if that is allowed.

    Returns:
        The mask, of the shape of the photograph, and the reason codes of conversions.

    Raises:
        Rejected: as `Annotations.read`; mask_wrong_size, with both sizes.
    """
    mask, notes = annotations.read(data, decoded)
    if data is None:  # the mask of the alpha channel is upright
        return mask, notes
    if annotations.drawn_on == "stored" and _ROTATED not in notes and _size_hides(decoded.orientation, _size(mask)):
        mask, notes = upright(mask.view(np.uint8), decoded.orientation).view(np.bool_), (*notes, _ROTATED)
    height, width = decoded.image.shape[:2]
    if mask.shape == (height, width):
        return mask, notes
    if not annotations.resize:
        sizes = f"mask {mask.shape[1]}×{mask.shape[0]}, image {width}×{height}"
        raise Rejected("mask_wrong_size", f"{sizes}; of the same shape: `resize: true` scales it")
    scaled = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return scaled.view(np.bool_), (*notes, "mask_resized")


def fit_to_photo(
    boxes: Sequence[Box], points: Sequence[Point], drawn_on: Size | None, header: Header
) -> tuple[list[Box], list[Point]]:
    """Convert boxes and points to pixels of the upright photograph.

    Args:
        boxes: x0, y0, x1, y1, exclusive ends.
        points: x, y, and True on the object.
        drawn_on: width and height of the image that they were drawn on, as their file says; None: the upright photo.
        header: of the photograph.

    Raises:
        Rejected: mask_wrong_size, if that image has another shape, or boxes without a size do not fit the photograph.
    """
    if drawn_on is None:
        _check_fits(boxes, header)
        return list(boxes), list(points)
    return _moved(boxes, points, _placing(drawn_on, header))


def _check_fits(boxes: Sequence[Box], header: Header) -> None:
    """Refuse boxes that are shares of width and height, or reach far beyond the photograph (`_FAR`)."""
    for x0, y0, x1, y1 in boxes:
        relative = max(x1, y1) <= 1 and min(header.width, header.height) > 2
        if relative or x1 > _FAR * header.width or y1 > _FAR * header.height:
            raise Rejected(
                "mask_wrong_size",
                f"a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}), image {header.width}×{header.height} pixels",
            )


def turn_hints(
    boxes: Sequence[Box], points: Sequence[Point], photo: Size, orientation: int, *, relative: bool = False
) -> tuple[list[Box], list[Point]]:
    """Turn boxes and points of stored pixels, whose size does not tell it, with their photograph.

    `relative`: they were shares of width and height, and are scaled to those of the upright photograph.
    """
    stored = (photo[1], photo[0]) if orientation >= 5 and not relative else photo
    return _moved(boxes, points, _turning(stored, photo, orientation))


def _moved(
    boxes: Sequence[Box], points: Sequence[Point], move: Callable[[float, float], tuple[float, float]]
) -> tuple[list[Box], list[Point]]:
    moved = [(*move(x0, y0), *move(x1, y1)) for x0, y0, x1, y1 in boxes]
    ordered = [(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)) for x0, y0, x1, y1 in moved]
    return ordered, [(*move(x, y), inside) for x, y, inside in points]


def _placing(drawn_on: Size, header: Header) -> Callable[[float, float], tuple[float, float]]:
    """Return the function from drawn to upright coordinates."""
    photo = (header.width, header.height)
    if drawn_on == RELATIVE or _similar(drawn_on, photo):
        return _turning(drawn_on, photo, 1)
    if header.orientation >= 5 and _similar((drawn_on[1], drawn_on[0]), photo):
        return _turning(drawn_on, photo, header.orientation)
    width, height = drawn_on
    raise Rejected("mask_wrong_size", f"drawn on {width}×{height}, image {photo[0]}×{photo[1]}")


def _turning(drawn_on: Size, photo: Size, orientation: int) -> Callable[[float, float], tuple[float, float]]:
    """Return the function that scales coordinates to a photograph and undoes its EXIF orientation."""
    flips, (width, height) = FLIPS[orientation], drawn_on

    def turn(x: float, y: float) -> tuple[float, float]:
        if orientation >= 5:
            x, y = y * photo[0] / height, x * photo[1] / width
        else:
            x, y = x * photo[0] / width, y * photo[1] / height
        return photo[0] - x if 1 in flips else x, photo[1] - y if 0 in flips else y

    return turn


def _similar(one: Size, other: Size) -> bool:
    """Return whether two sizes have the same aspect ratio, up to rounding."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= _ASPECT_TOLERANCE


def _size(mask: Mask) -> Size:
    return mask.shape[1], mask.shape[0]


def _size_hides(orientation: int, size: Size) -> bool:
    """Return whether an orientation leaves a size as it is, so that the size does not tell what was drawn on."""
    return orientation in (2, 3, 4) or (orientation >= 5 and size[0] == size[1])


@dataclass(frozen=True)
class TurnedPhoto:
    """A photograph with an EXIF orientation other than 1, and the size of its annotation.

    Args:
        name: for messages.
        orientation: 2–8.
        photo: width and height, upright.
        drawn_on: width and height of its annotation, or `RELATIVE`; None: unknown.
    """

    name: str
    orientation: int
    photo: Size
    drawn_on: Size | None

    @property
    def undecided(self) -> bool:
        """True if the size cannot tell whether the annotation is upright."""
        return self.drawn_on in (None, RELATIVE) or _size_hides(self.orientation, self.photo)

    @property
    def position(self) -> Position | None:
        """What the size of the annotation tells."""
        if self.undecided or self.drawn_on is None:
            return None
        width, height = self.drawn_on
        if same_shape((width, height), self.photo):
            return "upright"
        return "stored" if same_shape((height, width), self.photo) else None


def decide_position(turned: Iterable[TurnedPhoto]) -> tuple[Position | None, list[str]]:
    """Decide what annotations of photographs were drawn on where the size does not tell, from those where it does.

    Returns:
        The position, None if nothing tells it, and notes for the user.

    >>> lying = TurnedPhoto("a.jpg", 6, (180, 240), (240, 180))
    >>> decide_position([lying, TurnedPhoto("b.jpg", 3, (240, 180), (240, 180))])[0]
    'stored'
    """
    photos = list(turned)
    undecided = [photo.name for photo in photos if photo.undecided]
    seen = {position: [photo.name for photo in photos if photo.position == position] for position in _POSITIONS}
    if not undecided:
        return None, []
    which = (
        f"{len(undecided):,} photographs whose EXIF orientation leaves the size as it is ({join_names(undecided, 5)})"
    )
    if seen["stored"] and not seen["upright"]:
        like = f"like {seen['stored'][0]}, whose annotation is of the stored pixels"
        return "stored", [f"annotations of {which} are turned with them, {like}; if not, write `drawn_on: upright`"]
    if seen["upright"] and not seen["stored"]:
        return "upright", []
    why = f"{seen['stored'][0]} is of stored pixels, {seen['upright'][0]} is not" if seen["stored"] else "nothing tells"
    return None, [
        f"annotations of {which} are taken as drawn on the upright photographs ({why}); if the tool that made them "
        "ignores EXIF, write `drawn_on: stored` beside the `kind` of the annotations"
    ]
