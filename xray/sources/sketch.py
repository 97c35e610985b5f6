"""A canvas for objects with exact outlines: layers of shaded polygons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
Points = Sequence[tuple[float, float]]

_SHIFT = 4  # sub-pixel bits of OpenCV's polygons
_LIGHT = np.array((-0.45, -0.62, 0.64), np.float32)  # from the upper left, towards the viewer


class Sketch:
    """A square canvas, its side in pixels, with coordinates from -1 to 1, y downwards."""

    def __init__(self, pixels: int) -> None:
        self._pixels = pixels
        self.rgb: Floats = np.zeros((pixels, pixels, 3), np.float32)
        self.alpha: Floats = np.zeros((pixels, pixels), np.float32)
        axis = (np.arange(pixels, dtype=np.float32) + 0.5) / pixels * 2 - 1
        self.x, self.y = np.meshgrid(axis, axis)

    def fill(self, outline: Points, colour: Colour | Floats, plump: float = 0.0) -> None:
        """Fill a polygon with a colour, RGB 0–1, or one per pixel; `plump` shades it, 0 (flat) to 1 (convex)."""
        corners = (np.asarray(outline, np.float64) + 1) / 2 * self._pixels - 0.5
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
        right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 3
        window = np.s_[top:bottom, left:right]
        cover = _cover(corners - (left, top), self.alpha[window].shape)
        paint = np.broadcast_to(np.asarray(colour, np.float32), self.rgb.shape)[window]
        if plump:
            paint = _lit(paint, cover, plump)
        self.rgb[window] += (paint - self.rgb[window]) * cover[:, :, None]
        self.alpha[window] += (1 - self.alpha[window]) * cover

    def line(self, path: Points, width: float, colour: Colour, plump: float = 0.0) -> None:
        """Draw a path with round ends."""
        for start, end in pairwise(path):
            angle = math.atan2(end[1] - start[1], end[0] - start[0])
            caps = arc(start, width / 2, angle + math.pi / 2) + arc(end, width / 2, angle - math.pi / 2)
            self.fill(caps, colour, plump)

    def write(self, text: str, centre: tuple[float, float], width: float, colour: Colour) -> None:
        """Write text on the drawing, in a given width."""
        font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, self._pixels // 45)
        scale = width * self._pixels / 2 / cv2.getTextSize(text, font, 1.0, 1)[0][0]
        ink = np.zeros(self.alpha.shape, np.uint8)
        cv2.putText(ink, text, (0, self._pixels // 2), font, scale, (255,), thickness, cv2.LINE_AA)
        rows, columns = np.nonzero(ink)
        middle = ((rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2)
        to = ((centre[1] + 1) / 2 * self._pixels, (centre[0] + 1) / 2 * self._pixels)
        moved = np.roll(ink, [round(there - here) for here, there in zip(middle, to, strict=True)], axis=(0, 1))
        cover = moved.astype(np.float32)[:, :, None] / 255
        self.rgb += (np.asarray(colour, np.float32) - self.rgb) * cover


def _cover(corners: NDArray[np.float64], shape: tuple[int, ...]) -> Floats:
    """Return the share of each pixel that a polygon covers, 0–1."""
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [np.rint(corners * 2**_SHIFT).astype(np.int32)], (255,), cv2.LINE_AA, _SHIFT)
    return cover.astype(np.float32) / np.float32(255)


def _lit(paint: Floats, cover: Floats, plump: float) -> Floats:
    """Shade a shape as a cushion whose height grows with the distance to the edge."""
    depth = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    radius = max(float(depth.max()), 1.0)
    rise = np.sqrt((1 - (1 - (depth / radius).clip(0, 1)) ** 2).clip(0, 1)) * radius
    rise = cv2.GaussianBlur(rise, (0, 0), max(1.0, radius / 8))
    down, right = np.gradient(rise)
    length = np.sqrt(down**2 + right**2 + 1)
    towards = (-right * _LIGHT[0] - down * _LIGHT[1] + _LIGHT[2]) / length
    shade = 1 + plump * (towards - _LIGHT[2]) * 0.75
    glint = ((towards - 0.93) / 0.07).clip(0, 1) ** 2 * 0.45 * plump
    lit: Floats = (paint * shade[:, :, None]).astype(np.float32)
    lit += (1 - lit) * glint[:, :, None]
    np.clip(lit, 0, 1, out=lit)
    return lit


def arc(
    centre: tuple[float, float], radius: float, start: float, turn: float = math.pi, steps: int = 8
) -> list[tuple[float, float]]:
    """Return points of an arc; angles in radians from the right, clockwise because y points down."""
    angles = (start + turn * step / steps for step in range(steps + 1))
    return [(centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)) for angle in angles]


def ellipse(x: float, y: float, across: float, down: float, steps: int = 72) -> list[tuple[float, float]]:
    """Return points of an ellipse with half axes `across` and `down`."""
    angles = (math.tau * step / steps for step in range(steps))
    return [(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles]


def smooth(corners: Points, steps: int = 10) -> list[tuple[float, float]]:
    """Return a closed Catmull-Rom curve through points."""
    p = np.asarray(corners, np.float64)
    a, b, c, d = (np.roll(p, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    t = (np.arange(steps) / steps)[None, :, None]
    curve = b + (c - a) * t / 2 + (a - 2.5 * b + 2 * c - d / 2) * t**2 + (1.5 * (b - c) + (d - a) / 2) * t**3
    return [(float(x), float(y)) for x, y in curve.reshape(-1, 2)]


def mirrored(right: Points) -> list[tuple[float, float]]:
    """Return a closed outline from its right half, top to bottom."""
    return [*right, *((-x, y) for x, y in reversed(right) if x)]


def stripes(share: Floats, colours: Iterable[Colour], count: int) -> Floats:
    """Return alternating colours along a share 0–1."""
    palette: Floats = np.asarray(list(colours), np.float32)
    index: NDArray[np.intp] = np.floor(share.clip(0, 0.9999) * count).astype(np.intp)
    return palette[index % len(palette)]


def rounded(corners: Points, radius: float) -> list[tuple[float, float]]:
    """Replace each corner of a polygon by a quadratic curve."""
    outline = []
    for before, corner, after in zip([corners[-1], *corners[:-1]], corners, [*corners[1:], corners[0]], strict=True):
        p, q, r = (np.asarray(point) for point in (before, corner, after))
        start = q + (p - q) / np.linalg.norm(p - q) * radius
        end = q + (r - q) / np.linalg.norm(r - q) * radius
        for t in np.linspace(0, 1, 8):
            x, y = (1 - t) ** 2 * start + 2 * t * (1 - t) * q + t**2 * end
            outline.append((float(x), float(y)))
    return outline
