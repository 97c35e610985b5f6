"""Labels in a folder with a file per image: Pascal VOC XML, labelme JSON, YOLO text."""

from __future__ import annotations

import functools
import posixpath
from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, Rejected, problem_of
from xray.core.text import decode_text, load_json
from xray.core.uri import base_name
from xray.sources.labels.base import Entry, LabelFile, box_area, read_parts, side_area, unreadable
from xray.sources.labels.json_files import read_labelme
from xray.sources.labels.names import BESIDE
from xray.sources.labels.xml_files import read_xml

_FORMATS = {"xml": "Pascal VOC", "json": "labelme", "txt": "YOLO"}


def read_folder(uri: str, suffix: str | None = None) -> LabelFile:
    """Read a folder of label files; YOLO's labels stay numbers.

    Args:
        uri: the folder.
        suffix: of the label files; None: that of the format that most files have.

    Raises:
        ConfigError: there are no such files, or all are damaged.
    """
    listed = [file for file in files.list_files(uri) if base_name(file) not in BESIDE]
    counts = Counter(base_name(file).rpartition(".")[2].lower() for file in listed)
    suffix = suffix or max(_FORMATS, key=lambda one: counts[one])
    if not counts[suffix]:
        seen = ", ".join(f"{count} .{one}" for one, count in counts.most_common(3)) or "no files"
        raise ConfigError(
            f"no label files in {unquote(uri)!r} ({seen}): expected Pascal VOC .xml, labelme .json or YOLO .txt",
            ("labels",),
        )
    chosen = [file for file in listed if base_name(file).lower().endswith(f".{suffix}")]
    read = _yolo if suffix == "txt" else functools.partial(_drawn, suffix)
    entries, problems, damaged = list[Entry](), list[str](), 0
    for file in chosen:
        try:
            part = read(file, uri)
            entries += part.entries
            problems += part.problems
        except ConfigError as error:
            problems.append(str(error))
            damaged += 1
    if damaged == len(chosen):
        raise ConfigError(problems[0], ("labels",))
    return LabelFile(_FORMATS[suffix], entries, problems=tuple(problems))


def _path(file: str, folder: str) -> str:
    """Return the path of a label file without its suffix, as that of its image."""
    start = len(folder.partition("?")[0].rstrip("/")) + 1
    return posixpath.splitext(file.partition("?")[0][start:])[0]


def _drawn(suffix: str, file: str, folder: str) -> LabelFile:
    name, image, data = base_name(file), _path(file, folder), _data(file)
    if suffix == "xml":
        return read_xml(data, name, image)
    try:
        drawing = load_json(data)
    except MALFORMED as error:
        raise unreadable(name, _FORMATS[suffix], problem_of(error)) from error
    if not isinstance(drawing, dict) or not isinstance(drawing.get("shapes"), list):
        return LabelFile(_FORMATS[suffix], [])  # settings of a tool
    return read_labelme(drawing, image, name)


def _data(file: str) -> bytes:
    try:
        return files.read_bytes(file)
    except Rejected as error:
        raise unreadable(base_name(file), "labels", error) from error


def _yolo(file: str, folder: str) -> LabelFile:
    data = _data(file)
    try:
        lines = [line for line in decode_text(data).splitlines() if line.strip()]
    except ValueError as error:
        raise unreadable(base_name(file), "text", error) from error
    return read_parts(base_name(file), "YOLO", lines, functools.partial(_yolo_object, _path(file, folder)))


def _yolo_object(image: str, line: str) -> Sequence[Entry]:
    try:
        label, *numbers = (float(cell) for cell in line.split())
        whole = int(label)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{line[:60]!r} is no line of numbers") from error
    points = zip(numbers[0::2], numbers[1::2], strict=False)
    return [Entry(image, str(whole), side_area(*numbers[2:4]) if len(numbers) in (4, 5) else box_area(points))]
