"""Masks drawn with labelme: one JSON file per image."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveInt, ValidationError

from xray.core.errors import MALFORMED, Rejected, problem_of, rejecting
from xray.core.images import Decoded, load, open_image, pixels_of
from xray.core.plugins import settings
from xray.masks.base import Mask
from xray.masks.mask_files import (
    apply_orientation,
    first_problem,
    normal_name,
    orientation_of_mask,
    parse_json,
)
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import MAX_OBJECTS, Drawing, Labels, Object, too_many
from xray.masks.reading.pairing import Pairing
from xray.sources.base import Candidate

Coordinate = Annotated[float, Field(ge=-1e5, le=1e5, allow_inf_nan=False)]
Area = Literal["polygon", "rectangle", "rotation", "oriented_rectangle", "circle", "mask"]
_POINTS = ("point", "points")
_MAX_EFFORT = 1_000_000_000
"""Squares of the points of each shape: one polygon of 31,000 points, or a thousand of a thousand."""
_MAX_OVERLAP = 500
"""Area of all shapes, in images."""
_MAX_SCALE, _MAX_MASK, _MAX_MASKS = 4, 64_000_000, 2_000_000_000
"""Pixels of a shape's mask to those of the image; of one that is larger than the image; of all of an image."""
_WITHOUT_AREA = (*_POINTS, "line", "linestrip")


class _Shape(BaseModel):
    label: str | None = None
    points: list[tuple[Coordinate, Coordinate]]
    flags: dict[str, bool] | None = None
    shape_type: Area | Literal["point", "points", "line", "linestrip"] | None = None
    mask: str | None = None

    @property
    def kind(self) -> str:
        return self.shape_type or "polygon"


class _Drawing(BaseModel):
    width: PositiveInt = Field(alias="imageWidth")
    height: PositiveInt = Field(alias="imageHeight")
    shapes: list[Any]


def _draw(canvas: NDArray[np.uint8], shape: _Shape, max_pixels: int) -> int:
    """Fill a shape with ones, including the pixels on its outline; return how many pixels its own mask has."""
    points = np.array(shape.points, np.float64).reshape(-1, 2)
    area = range(3, len(points) + 1)
    expected = {"rectangle": (2, 4), "circle": (2,), "mask": (2,)}.get(shape.kind, area)
    if len(points) not in expected:
        raise ValueError(f"a {shape.kind} with {len(points)} points")
    if shape.kind == "mask":
        return _paste(canvas, shape.mask, points[0], max_pixels)
    if shape.kind == "circle":
        centre, radius = np.rint(points[0]).astype(int), float(np.hypot(*(points[1] - points[0])))
        cv2.circle(canvas, (int(centre[0]), int(centre[1])), round(radius), 1, thickness=cv2.FILLED)
        return 0
    if shape.kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
    cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 1)
    return 0


def _paste(canvas: NDArray[np.uint8], encoded: str | None, corner: NDArray[np.float64], max_pixels: int) -> int:
    """Set the pixels of a mask in base64, as labelme's AI tools store it, with its upper left corner at a point."""
    data = base64.b64decode(encoded or "", validate=True)
    image = open_image(data)
    pixels = image.width * image.height
    if pixels > min(max_pixels, max(canvas.size, min(_MAX_SCALE * canvas.size, _MAX_MASK))):
        raise ValueError(f"a mask of {image.width}×{image.height} pixels")
    mask = pixels_of(load(image, data), "L")
    x, y = (int(value) for value in np.rint(corner))
    below, right = (slice(max(0, -start), None) for start in (y, x))
    target = canvas[max(0, y) :, max(0, x) :]
    if not min(target.shape) or not min(mask[below, right].shape):
        raise ValueError("a mask that is not inside the image")
    height, width = (min(sizes) for sizes in zip(mask[below, right].shape, target.shape, strict=True))
    target[:height, :width] |= (mask[below, right][:height, :width] > 0).view(np.uint8)
    return pixels


@settings
class Labelme(Drawings):
    """JSON files of labelme and X-AnyLabeling: the union of all areas (polygons, rectangles, circles, masks).

    Lines have no area. Points are prompts for a refiner. A point is on the object unless its flag `negative` is set.
    A shape that cannot be read is left out.

    Args:
        root: the folder of the JSON files, a path or URI; by default each is beside its photo.
        labels: use only shapes with these labels, or those of each category (`{red fox: [fox]}`); by default those of
            the photograph's category, if some file has them, else all.
    """

    name: ClassVar[str] = "labelme"
    summary: ClassVar[str] = "labelme JSON, beside the photos or in a folder"

    root: str | None = None
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        return self.attach_files(candidates, Pairing(self.root, ".json"), _objects, self.labels)

    def read_drawing(self, uri: str | None, parse: Callable[[bytes], Drawing]) -> Drawing | Rejected | None:
        """See `Drawings.read_drawing`; `read` also takes the file itself."""
        drawing = super().read_drawing(uri, parse)
        return replace(drawing, uri=uri) if isinstance(drawing, Drawing) else drawing

    def document(self, drawing: Drawing, chosen: Sequence[Object]) -> dict[str, Any]:
        """Return a labelme drawing with the chosen shapes."""
        assert drawing.size is not None
        width, height = drawing.size
        return {"imageWidth": width, "imageHeight": height, "shapes": [one.outline for one in chosen]}

    def read(self, data: bytes | None, decoded: Decoded) -> tuple[Mask, tuple[str, ...]]:
        """See `Annotations.read`; a drawing that has only points is a missing mask."""
        if data is None:
            raise Rejected("missing_mask", "the photograph has no drawing, or one without an area of its label")
        with rejecting("corrupt_mask", "labelme"):
            drawing = parse_json(_Drawing, data)
            shapes, problems = _shapes(drawing)
            _check_effort(shapes, drawing)
        orientation = orientation_of_mask(drawing.width, drawing.height, decoded)
        always = () if isinstance(self.labels, dict) else self.labels
        shapes = [shape for shape in shapes if not always or normal_name(shape.label or "") in map(normal_name, always)]
        if shapes and all(shape.kind in _POINTS for shape in shapes):
            raise Rejected("missing_mask", "labelme: only points: use a refiner that starts from points (sam)")
        canvas = np.zeros((drawing.height, drawing.width), np.uint8)
        drawn = pixels = 0
        for shape in shapes:
            if shape.kind in _WITHOUT_AREA:
                continue
            try:
                pixels += _draw(canvas, shape, _MAX_MASKS - pixels)
                drawn += 1
            except MALFORMED as error:
                problems.append(problem_of(error))
        if problems and not drawn:
            raise Rejected("corrupt_mask", f"labelme: {problems[0]}")
        mask, notes = apply_orientation(canvas.view(np.bool_), orientation)
        return mask, ("mask_parts_left_out", *notes) if problems else notes


def _check_effort(shapes: Sequence[_Shape], drawing: _Drawing) -> None:
    """Refuse a drawing that would take minutes: OpenCV's time grows with the square of a polygon's points."""
    effort, area = 0, 0.0
    for shape in shapes:
        sides = np.ptp(np.array(shape.points or [(0, 0)], np.float64), axis=0)
        effort += len(shape.points) ** 2
        area += float(np.minimum(2 * sides, (drawing.width, drawing.height)).prod())  # a circle has two points
    if len(shapes) > MAX_OBJECTS:
        raise too_many(len(shapes), "labelme")
    if effort > _MAX_EFFORT or area > _MAX_OVERLAP * drawing.width * drawing.height:
        points = sum(len(shape.points) for shape in shapes)
        raise Rejected("corrupt_mask", f"labelme: {len(shapes):,} shapes of {points:,} points take too long to draw")


def _shapes(drawing: _Drawing) -> tuple[list[_Shape], list[str]]:
    """Return the shapes of a drawing, and what is wrong with those that cannot be read."""
    shapes, problems = [], list[str]()
    for number, content in enumerate(drawing.shapes):
        try:
            shapes.append(_Shape.model_validate(content))
        except ValidationError as error:
            problems.append(f"shapes.{number}.{first_problem(error)}")
    return shapes, problems


def _objects(data: bytes) -> Drawing:
    """Return the objects of a labelme file; their outlines are its shapes, which `Labelme.read` draws."""
    drawing = parse_json(_Drawing, data)
    shapes, problems = _shapes(drawing)
    if problems and not shapes:
        raise ValueError(problems[0])
    _check_effort(shapes, drawing)
    objects = []
    for shape in shapes:
        on_object = not (shape.flags or {}).get("negative", False)
        points = tuple((x, y, on_object) for x, y in shape.points) if shape.kind in _POINTS else ()
        outline = shape.model_dump(exclude_none=True)
        objects.append(Object(shape.label or "", outline, points=points))
    return Drawing((drawing.width, drawing.height), tuple(objects), tuple(problems))
