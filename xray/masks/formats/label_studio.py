"""Exports of Label Studio: JSON and JSON-MIN, with polygons, brush strokes, ellipses, rectangles and keypoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from xray.core.errors import MALFORMED, Rejected, problem_of
from xray.core.plugins import settings
from xray.core.text import load_json
from xray.masks.reading.annotation_files import Images
from xray.masks.reading.boxes import finite
from xray.masks.reading.brush import decode_brush
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import MAX_PAINTED, Drawing, Labels, Object, too_large
from xray.masks.reading.outlines import box_around, ellipse, encode_runs, rectangle
from xray.sources.base import Candidate
from xray.sources.labels.label_studio import Result, labels_of_result, tasks_of

_MAX_PIXELS, _MAX_STROKE = 1 << 28, 100_000_000
"""Pixels of an image, and of one with brush strokes, which take four bytes each."""


def parse_label_studio(data: bytes) -> Images:
    """Return the images of an export, and notes.

    Raises:
        ValueError: it is no export of Label Studio.
    """
    tasks = load_json(data)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"expected a list of tasks, not a {type(tasks).__name__}")
    images, notes, several, without = list[tuple[str, Drawing | Rejected]](), list[str](), 0, 0
    for task in tasks_of(tasks):
        if not task.image:
            without += 1
            continue
        several += task.annotations > 1
        images.append((task.image, _drawing(task.results)))
    if tasks and not images:
        raise ValueError(f"no task has an image: the first has {', '.join(tasks[0])}")
    if several:
        notes.append(f"{several:,} tasks have several annotations: the ground truth counts, else the last")
    if without:
        notes.append(f"{without:,} tasks have no image and are left out")
    return images, notes


def _drawing(results: Sequence[Result]) -> Drawing | Rejected:
    by_region = {str(one["id"]): label for one in results if "id" in one and (label := _label(one))}
    objects, problems, sizes = list[Object](), list[str](), set[tuple[int, int]]()
    strokes = sum("rle" in one for one in results)
    for one in results:
        if not {"x", "points", "rle"} & one.keys():  # choices, texts, relations
            continue
        label = _label(one) or by_region.get(str(one.get("id")), "")
        try:
            size = _size(one)
            sizes.add(size)
            if strokes * size[0] * size[1] > MAX_PAINTED:
                return too_large(strokes, size, "label_studio")
            objects.append(_object(one, label, size))
        except MALFORMED as error:
            problems.append(f"a region that lacks {error}" if isinstance(error, KeyError) else problem_of(error))
            objects.append(Object(label, left_out=True))
    if len(sizes) > 1:
        return Rejected("corrupt_mask", f"label_studio: regions of images of several sizes: {sorted(sizes)}")
    return Drawing(next(iter(sizes), None), tuple(objects), tuple(problems))


def _label(one: Result) -> str:
    named = {name: value for name, value in one.items() if name != "choices"}  # which say what a region is like
    return next(iter(labels_of_result(named)), "")


def _size(one: Result) -> tuple[int, int]:
    width, height = int(one.get("original_width") or 0), int(one.get("original_height") or 0)
    if min(width, height) <= 0 or width * height > _MAX_PIXELS:
        raise ValueError(f"a region of an image of {width}×{height}: original_width and original_height are needed")
    if one.get("image_rotation"):
        raise ValueError(f"a region of an image that was turned by {one['image_rotation']}° in Label Studio")
    return width, height


def _object(one: Result, label: str, size: tuple[int, int]) -> Object:
    """Return the object of a region, whose coordinates are percent of width and height."""
    width, height = size
    x_scale, y_scale = width / 100, height / 100
    if "rle" in one:
        if width * height > _MAX_STROKE:
            raise ValueError(f"a brush stroke of {width}×{height} pixels, at most {_MAX_STROKE:,}")
        return Object(label, encode_runs(decode_brush(bytes([*one["rle"]]), width, height)))
    if "points" in one:
        polygon = [
            finite(value) * scale
            for point in one["points"]
            for value, scale in zip(point, (x_scale, y_scale), strict=True)
        ]
        if len(polygon) < 6:
            raise ValueError(f"a polygon of {len(polygon) // 2} points")
        return Object(label, [polygon])
    x, y, degrees = finite(one["x"]) * x_scale, finite(one["y"]) * y_scale, finite(one.get("rotation") or 0)
    if "radiusX" in one:
        radii = finite(one["radiusX"]) * x_scale, finite(one["radiusY"]) * y_scale
        return Object(label, [ellipse(x, y, *radii, degrees)])
    if "height" in one:
        box = x, y, x + finite(one["width"]) * x_scale, y + finite(one["height"]) * y_scale
        if box[2] <= x or box[3] <= y:
            raise ValueError("a rectangle without area")
        return Object(label, box=box_around(rectangle(box, degrees, (x, y))) if degrees else box)
    return Object(label, points=((x, y, not one.get("is_negative", False)),))


@settings
class LabelStudio(Drawings):
    """A JSON or JSON-MIN export of Label Studio: polygons, brush strokes and ellipses are masks.

    Rectangles and keypoints are for a refiner. Names of images may have the prefix of an upload. Predictions of a model
    and cancelled annotations do not count.

    Args:
        file: the JSON file, a path or URI; or several, or a pattern with `*`.
        labels: labels of the object, or those of each category (`{red fox: [fox]}`); by default that of the
            photograph's category, if the file has it, else all.
    """

    name: ClassVar[str] = "label_studio"
    summary: ClassVar[str] = "a Label Studio export (JSON or JSON-MIN)"

    file: str | tuple[str, ...]
    labels: Labels = ()

    def attach(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """See `Annotations.attach`."""
        return self.attach_images(candidates, self.file, parse_label_studio, self.labels)
