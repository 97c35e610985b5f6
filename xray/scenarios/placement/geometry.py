"""The geometry of placements: outlines, affine motions, and which share of an object is in the frame.

Coordinates are (x, y) in pixels and refer to the edges of pixels: the pixel in row i and column j covers j … j + 1 and
i … i + 1, and its centre is (j + ½, i + ½).
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.types import Mask, Photo

Floats = NDArray[np.float64]
Side = Literal["left", "top", "right", "bottom"]

NORMALS: dict[Side, tuple[int, int]] = {"left": (-1, 0), "top": (0, -1), "right": (1, 0), "bottom": (0, 1)}
"""The directions that point out of the frame at each side."""
TOLERANCE = 1e-6
"""In pixels; far below what interpolation resolves, and above what rounding in float64 adds up to."""


@dataclass(frozen=True)
class Box:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    @property
    def centre(self) -> Floats:
        """The point in the middle."""
        return np.array([self.left + self.right, self.top + self.bottom]) / 2

    def shift_inside(self, frame: tuple[int, int]) -> Floats:
        """Return the shortest shift that brings it into the frame (width, height); where larger, it covers the frame.

        >>> Box(-2, 5, 8, 9).shift_inside((20, 8)).tolist()
        [2.0, -1.0]
        """
        shifts = []
        for start, size, end in zip((self.left, self.top), self.size, frame, strict=True):
            slack = end - size
            shifts.append(min(max(start, min(0.0, slack)), max(0.0, slack)) - start)
        return np.array(shifts)

    def inside(self, frame: tuple[int, int]) -> bool:
        """Return whether it is within the frame (width, height)."""
        return bool(np.abs(self.shift_inside(frame)).max() < TOLERANCE) and self.fits(frame)

    def fits(self, frame: tuple[int, int]) -> bool:
        """Return whether it is no larger than the frame (width, height)."""
        return all(size < end + TOLERANCE for size, end in zip(self.size, frame, strict=True))


@dataclass(frozen=True, eq=False)
class Outline:
    """What placing needs to know of an object.

    Args:
        frame: width and height of the photograph.
        corners: those corners of pixels that are corners of the object's convex hull, float64, shape (N, 2).
        box: the bounding box.
        centroid: the mean of the pixels' centres.
        pixels: number of pixels.
        parts: number of components, counting pixels that touch at a corner as connected.
        cut_sides: the sides of the frame that the object touches: there, the photograph cuts it.
    """

    frame: tuple[int, int]
    corners: Floats
    box: Box
    centroid: Floats
    pixels: int
    parts: int
    cut_sides: tuple[Side, ...]

    @property
    def rate(self) -> float:
        """Share of the photograph's pixels."""
        return self.pixels / (self.frame[0] * self.frame[1])


def outline_of(photo: Photo) -> Outline:
    """Return the outline of an object, which is measured once; the mask must mark at least one pixel."""
    kept = vars(photo)  # where `functools.cached_property` keeps values: the edits of a photograph share its outline
    if "outline" not in kept:
        kept["outline"] = _measured(photo)
    outline: Outline = kept["outline"]
    return outline


def _measured(photo: Photo) -> Outline:
    height, width = photo.mask.shape
    left, top, across, down = cv2.boundingRect(photo.inside)
    window = photo.mask[top : top + down, left : left + across]
    rows = np.flatnonzero(window.any(axis=1))
    spans = window[rows]
    first, last = spans.argmax(axis=1), across - spans[:, ::-1].argmax(axis=1)
    corners = np.concatenate([np.column_stack((x + left, y + top)) for x in (first, last) for y in (rows, rows + 1)])
    touched = {"left": left == 0, "top": top == 0, "right": left + across == width, "bottom": top + down == height}
    ones = window.view(np.uint8)
    by_column, by_row = (cv2.reduce(ones, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel() for axis in (0, 1))
    pixels = int(by_row.sum())
    sums = [np.arange(left, left + across) @ by_column, np.arange(top, top + down) @ by_row]
    return Outline(
        frame=(width, height),
        corners=cv2.convexHull(corners.astype(np.int32))[:, 0].astype(np.float64),
        box=Box(float(left), float(top), float(left + across), float(top + down)),
        centroid=np.array(sums) / pixels + 0.5,
        pixels=pixels,
        parts=cv2.connectedComponents(ones, connectivity=8)[0] - 1,
        cut_sides=tuple(side for side in NORMALS if touched[side]),
    )


@dataclass(frozen=True, eq=False)
class Motion:
    """The affine map x' = linear · x + shift."""

    linear: Floats = field(default_factory=lambda: np.eye(2))
    shift: Floats = field(default_factory=lambda: np.zeros(2))

    @functools.cached_property
    def exact(self) -> bool:
        """Whether it only flips and turns by multiples of 90°, so that pixels can stay exactly as they are.

        >>> Motion(rotation(90)).exact, Motion(np.array([[1, 1], [-1, 1]])).exact  # the latter turns by 45°, enlarged
        (True, False)
        """
        return all(sorted(column) == [0, 1] for column in np.abs(self.linear).T.tolist())

    def apply(self, points: Floats) -> Floats:
        """Return where points are mapped to; shape (N, 2), or (2,) for one point."""
        return points @ self.linear.T + self.shift

    def then(self, linear: Floats, about: Floats) -> Motion:
        """Return the motion followed by a linear map about a point."""
        return Motion(linear @ self.linear, linear @ (self.shift - about) + about)

    def then_shift(self, shift: Floats) -> Motion:
        """Return the motion followed by a shift."""
        return Motion(self.linear, self.shift + shift)

    def box(self, outline: Outline) -> Box:
        """Return the bounding box of the moved object."""
        return _bounds(self, outline)

    def side(self, side: Side) -> Side | None:
        """Return the side that a side of the frame is turned to; None if it is turned askew.

        >>> Motion(np.diag([-0.5, 0.5])).side("left")
        'right'
        """
        turned = self.linear @ NORMALS[side]
        turned /= math.hypot(*turned)
        return next((name for name, normal in NORMALS.items() if np.abs(turned - normal).max() < TOLERANCE), None)


def rotation(degrees: float) -> Floats:
    """Return the rotation matrix, counter-clockwise as images are seen (y points down); exact at multiples of 90°.

    >>> rotation(90).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    angle = math.radians(degrees)
    cosine, sine = round(math.cos(angle), 12) + 0.0, round(math.sin(angle), 12) + 0.0
    return np.array([[cosine, sine], [-sine + 0.0, cosine]])


def visible_share(mask: Mask, motion: Motion, frame: tuple[int, int]) -> float:
    """Return the share of the object's pixels whose centres are mapped into the frame (width, height), 0 … 1."""
    height, width = mask.shape
    x, y = np.arange(width) + 0.5, np.arange(height)[:, None] + 0.5
    inside = mask.copy()
    for (across, down), shift, end in zip(motion.linear, motion.shift, frame, strict=True):
        position = across * x + (down * y + shift)
        inside &= (position > -TOLERANCE) & (position < end + TOLERANCE)
    return int(np.count_nonzero(inside)) / int(np.count_nonzero(mask))


@functools.lru_cache(maxsize=4)
def _bounds(motion: Motion, outline: Outline) -> Box:
    """Return the bounding box of a moved object, which is asked for several times in a row."""
    points = motion.apply(outline.corners)
    return Box(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
