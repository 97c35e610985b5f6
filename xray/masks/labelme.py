"""Masks drawn with labelme: one JSON file per image."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveInt

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import settings
from xray.masks.base import Annotations, Mask
from xray.masks.mask_files import apply_orientation, orientation_of_mask, parse_json, refuse_corrupt
from xray.masks.pairing import Pairing, read_hints
from xray.sources.base import Candidate, Point

Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Area = Literal["polygon", "rectangle", "rotation", "oriented_rectangle", "circle", "mask"]
_POINTS = ("point", "points")
_WITHOUT_AREA = (*_POINTS, "line", "linestrip")


class _Shape(BaseModel):
    label: str
    points: list[tuple[Coordinate, Coordinate]]
    flags: dict[str, bool] | None = None
    shape_type: Area | Literal["point", "points", "line", "linestrip"] = "polygon"
    mask: str | None = None


class _Drawing(BaseModel):
    width: PositiveInt = Field(alias="imageWidth")
    height: PositiveInt = Field(alias="imageHeight")
    shapes: list[_Shape]


def _draw(canvas: NDArray[np.uint8], shape: _Shape) -> None:
    """Fill a shape with ones, including the pixels on its outline."""
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    area = range(3, len(points) + 1)
    expected = {"rectangle": (2, 4), "circle": (2,), "mask": (2,)}.get(shape.shape_type, area)
    if len(points) not in expected:
        raise ValueError(f"a {shape.shape_type} with {len(points)} points")
    if shape.shape_type == "mask":
        _paste(canvas, shape.mask, points[0])
        return
    if shape.shape_type == "circle":
        centre, radius = np.rint(points[0]).astype(int), float(np.hypot(*(points[1] - points[0])))
        cv2.circle(canvas, (int(centre[0]), int(centre[1])), round(radius), 1, thickness=cv2.FILLED)
        return
    if shape.shape_type == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 1)


def _paste(canvas: NDArray[np.uint8], encoded: str | None, corner: NDArray[np.float64]) -> None:
    """Set the pixels of a mask in base64, as labelme's AI tools store it, with its upper left corner at a point."""
    data = np.frombuffer(base64.b64decode(encoded or "", validate=True), np.uint8)
    mask = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
    x, y = np.rint(corner).astype(int)
    if mask is None or min(x, y) < 0 or y + mask.shape[0] > canvas.shape[0] or x + mask.shape[1] > canvas.shape[1]:
        raise ValueError("a mask that is no image, or not inside the image")
    canvas[y : y + mask.shape[0], x : x + mask.shape[1]] |= (mask > 0).view(np.uint8)


@settings
class Labelme(Annotations):
    """labelme's JSON files: the union of all polygons, rectangles (also turned), circles and masks; lines have no area.

    Points are prompts for a refiner. A point is on the object unless its flag `negative` is set.

    Args:
        root: the folder of the JSON files, a path or URI; by default each is beside its photo.
        labels: use only shapes with these labels; by default all.
    """

    name: ClassVar[str] = "labelme"
    summary: ClassVar[str] = "labelme JSON, beside the photos or in a folder"

    root: str | None = None
    labels: tuple[str, ...] = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        pairing = Pairing(self.root, ".json")
        for candidate in candidates:
            uri = pairing.find(candidate)
            points, size, problem = read_hints(uri, self._points)
            problem = candidate.problem or problem
            yield replace(candidate, mask_uri=uri, points=points, drawn_on=size, problem=problem)

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`; a drawing that has only points is a missing mask."""
        if data is None:
            raise Rejected("missing_mask")
        drawing = self._parse(data)
        orientation = orientation_of_mask(drawing.width, drawing.height, decoded)
        if drawing.shapes and all(shape.shape_type in _POINTS for shape in drawing.shapes):
            raise Rejected("missing_mask", "labelme: only points: use a refiner that starts from points (sam)")
        canvas = np.zeros((drawing.height, drawing.width), np.uint8)
        with refuse_corrupt("labelme"):
            for shape in drawing.shapes:
                if shape.shape_type not in _WITHOUT_AREA:
                    _draw(canvas, shape)
        return apply_orientation(canvas.view(np.bool_), orientation)

    def _parse(self, data: bytes) -> _Drawing:
        """Return the drawing with the shapes that have one of the labels."""
        with refuse_corrupt("labelme"):
            drawing = parse_json(_Drawing, data)
        drawing.shapes = [shape for shape in drawing.shapes if not self.labels or shape.label in self.labels]
        return drawing

    def _points(self, data: bytes) -> tuple[tuple[Point, ...], tuple[int, int]]:
        """Return the points in a drawing, and the size of the image that it was drawn on."""
        drawing = self._parse(data)
        points = tuple(
            (x, y, not (shape.flags or {}).get("negative", False))
            for shape in drawing.shapes
            if shape.shape_type in _POINTS
            for x, y in shape.points
        )
        return points, (drawing.width, drawing.height)
