"""Exports of Label Studio: JSON and JSON-MIN, with polygons, brush strokes, ellipses, rectangles and keypoints."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from xray.core.errors import Rejected
from xray.core.plugins import settings
from xray.core.text import decode_text
from xray.masks.reading.annotation_files import Images
from xray.masks.reading.brush import decode_brush
from xray.masks.reading.drawings import Drawings
from xray.masks.reading.objects import Drawing, Labels, Object
from xray.masks.reading.outlines import box_around, ellipse, encode_runs, rectangle
from xray.sources.base import Candidate

_IMAGE = re.compile(r"\.(jpe?g|png|webp|gif|bmp|tiff?|avif|hei[cf])(\?|$)|^https?://|\?d=", re.IGNORECASE)
_MAX_PIXELS = 1 << 28
Values = Mapping[str, Any]


def parse_label_studio(data: bytes) -> Images:
    """Return the images of an export, and notes.

    Raises:
        ValueError: it is no export of Label Studio.
    """
    tasks = json.loads(decode_text(data))
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"expected a list of tasks, not a {type(tasks).__name__}")
    images, notes, several, without = list[tuple[str, Drawing | Rejected]](), list[str](), 0, 0
    for task in tasks:
        name, results, count = _task(task)
        if not name:
            without += 1
            continue
        several += count > 1
        images.append((name, _drawing(results)))
    if tasks and not images:
        raise ValueError(f"no task has an image: the first has {', '.join(tasks[0])}")
    if several:
        notes.append(f"{several:,} tasks have several annotations: the ground truth counts, else the last")
    if without:
        notes.append(f"{without:,} tasks have no image and are left out")
    return images, notes


def _task(task: dict[str, Any]) -> tuple[str, list[Values], int]:
    """Return the image of a task, the results of one annotation, and how many annotations there are."""
    data = task.get("data")
    if not isinstance(data, dict):  # JSON-MIN: results are lists beside the image
        lists = [some for some in task.values() if isinstance(some, list)]
        return _image(task), [one for some in lists for one in some if isinstance(one, dict)], 1
    annotations = [
        one for one in task.get("annotations") or () if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    chosen = next((one for one in annotations if one.get("ground_truth")), annotations[-1] if annotations else {})
    name = _image(data) or str(task.get("file_upload") or "")
    return name, [_flat(one) for one in chosen.get("result") or () if isinstance(one, dict)], len(annotations)


def _image(data: Values) -> str:
    return next((text for text in data.values() if isinstance(text, str) and _IMAGE.search(text)), "")


def _flat(result: Values) -> Values:
    """Return a result as JSON-MIN has it."""
    value = result.get("value")
    return {**result, **value} if isinstance(value, dict) else result


def _drawing(results: Sequence[Values]) -> Drawing | Rejected:
    by_region = {one["id"]: label for one in results if "id" in one and (label := _label(one))}
    objects, problems, sizes = list[Object](), list[str](), set[tuple[int, int]]()
    for one in results:
        if not {"x", "points", "rle"} & one.keys():  # choices, texts, relations
            continue
        label = _label(one) or by_region.get(one.get("id"), "")
        try:
            size = _size(one)
            sizes.add(size)
            objects.append(_object(one, label, size))
        except (ValueError, TypeError, KeyError) as error:
            problems.append(str(error) if isinstance(error, ValueError) else f"a region that lacks {error}")
            objects.append(Object(label, left_out=True))
    if len(sizes) > 1:
        return Rejected("corrupt_mask", f"label_studio: regions of images of several sizes: {sorted(sizes)}")
    return Drawing(next(iter(sizes), None), tuple(objects), tuple(problems))


def _label(one: Values) -> str:
    labels = [value for key, value in one.items() if key.endswith("labels") and isinstance(value, list) and value]
    return str(labels[0][0]) if labels else ""


def _size(one: Values) -> tuple[int, int]:
    width, height = int(one.get("original_width") or 0), int(one.get("original_height") or 0)
    if min(width, height) <= 0 or width * height > _MAX_PIXELS:
        raise ValueError(f"a region of an image of {width}×{height}: original_width and original_height are needed")
    if one.get("image_rotation"):
        raise ValueError(f"a region of an image that was turned by {one['image_rotation']}° in Label Studio")
    return width, height


def _object(one: Values, label: str, size: tuple[int, int]) -> Object:
    """Return the object of a region, whose coordinates are percent of width and height."""
    width, height = size
    x_scale, y_scale = width / 100, height / 100
    if "rle" in one:
        return Object(label, encode_runs(decode_brush(bytes(one["rle"]), width, height)))
    if "points" in one:
        polygon = [
            float(value) * scale
            for point in one["points"]
            for value, scale in zip(point, (x_scale, y_scale), strict=True)
        ]
        if len(polygon) < 6:
            raise ValueError(f"a polygon of {len(polygon) // 2} points")
        return Object(label, [polygon])
    x, y, degrees = float(one["x"]) * x_scale, float(one["y"]) * y_scale, float(one.get("rotation") or 0)
    if "radiusX" in one:
        radii = float(one["radiusX"]) * x_scale, float(one["radiusY"]) * y_scale
        return Object(label, [ellipse(x, y, *radii, degrees)])
    if "height" in one:
        box = x, y, x + float(one["width"]) * x_scale, y + float(one["height"]) * y_scale
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
