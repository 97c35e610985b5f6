"""The tasks of a Label Studio export: their image, and the results of the annotation that counts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from xray.core.uri import IMAGE_SUFFIXES

_IMAGE = re.compile(rf"\.({'|'.join(IMAGE_SUFFIXES)})(\?|$)|^https?://|\?d=", re.IGNORECASE)
Result = Mapping[str, Any]


class Task(NamedTuple):
    """An image of an export.

    Args:
        image: its name, as written; empty if the task has none.
        results: of one annotation, as JSON-MIN has them: the ground truth, else the last; cancelled ones and
            predictions do not count.
        annotations: how many there are.
    """

    image: str
    results: Sequence[Result]
    annotations: int


def is_label_studio(records: Sequence[Any]) -> bool:
    """Return whether a list of JSON records is an export, as JSON (`data`) or JSON-MIN (lists of regions)."""
    return any(isinstance(one, dict) and (isinstance(one.get("data"), dict) or _regions(one)) for one in records)


def tasks_of(records: Sequence[Mapping[str, Any]]) -> list[Task]:
    """Return the tasks, one per image: JSON-MIN has a record per annotation, of which the last counts."""
    by_image: dict[str, Task] = {}
    without = list[Task]()
    for record in records:
        task = read_task(record)
        if not task.image:
            without.append(task)
        elif (other := by_image.get(task.image)) is not None and other.annotations:
            counts = other.annotations + task.annotations
            by_image[task.image] = (task if task.annotations else other)._replace(annotations=counts)
        else:
            by_image[task.image] = task
    return [*by_image.values(), *without]


def read_task(record: Mapping[str, Any]) -> Task:
    """Return a task of an export, or a record of JSON-MIN."""
    data = record.get("data")
    if not isinstance(data, dict):
        return Task(_image(record), list(_regions(record)), 1)
    annotations = [
        one for one in record.get("annotations") or () if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    chosen = next((one for one in annotations if one.get("ground_truth")), annotations[-1] if annotations else {})
    name = _image(data) or str(record.get("file_upload") or "")
    results = [_flat(one) for one in chosen.get("result") or () if isinstance(one, dict)]
    return Task(name, results, len(annotations))


def _image(data: Result) -> str:
    return next((text for text in data.values() if isinstance(text, str) and _IMAGE.search(text)), "")


def _flat(result: Result) -> Result:
    """Return a result as JSON-MIN has it."""
    value = result.get("value")
    return {**result, **value} if isinstance(value, dict) else result


def _regions(record: Mapping[str, Any]) -> list[Result]:
    """Return the regions of a JSON-MIN record, which are in lists beside the image."""
    lists = [some for some in record.values() if isinstance(some, list)]
    return [one for some in lists for one in some if isinstance(one, dict) and "original_width" in one]


def labels_of_result(result: Result) -> Iterator[str]:
    """Yield the labels and choices of a result."""
    for key, value in result.items():
        if key == "choices" or key.endswith("labels"):
            yield from map(str, value if isinstance(value, list) else [value])
