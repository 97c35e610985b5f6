"""Labels in a folder with a file per image: Pascal VOC XML, labelme JSON, YOLO text."""

from __future__ import annotations

import functools
import json
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from xray.core import files
from xray.core.errors import ConfigError, Rejected
from xray.core.text import decode_text
from xray.core.uri import base_name
from xray.sources.labels.base import Entry, LabelFile, unreadable
from xray.sources.labels.json_files import box_area, labelme_entries
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
    read = _yolo if suffix == "txt" else functools.partial(_entries, suffix)
    entries, problems = list[Entry](), list[str]()
    for file in chosen:
        try:
            entries += read(file, uri)
        except ConfigError as error:
            problems.append(str(error))
    if len(problems) == len(chosen):
        raise ConfigError(problems[0], ("labels",))
    return LabelFile(_FORMATS[suffix], entries, problems=tuple(problems))


def _path(file: str, folder: str) -> str:
    """Return the path of a label file without its suffix, as that of its image."""
    start = len(folder.partition("?")[0].rstrip("/")) + 1
    return posixpath.splitext(file.partition("?")[0][start:])[0]


def _entries(suffix: str, file: str, folder: str) -> Sequence[Entry]:
    name = base_name(file)
    try:
        text = _text(file)
        if suffix == "xml":
            return read_xml(text, name, _path(file, folder)).entries
        drawing = json.loads(text)
        if not isinstance(drawing, dict) or not isinstance(drawing.get("shapes"), list):
            return []  # settings of a tool
        return list(labelme_entries(drawing, _path(file, folder)))
    except ConfigError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise unreadable(name, _FORMATS[suffix], error) from error


def _text(file: str) -> str:
    try:
        return decode_text(files.read_bytes(file))
    except (Rejected, ValueError) as error:
        raise unreadable(base_name(file), "text", error) from error


def _yolo(file: str, folder: str) -> Iterator[Entry]:
    for number, line in enumerate(_text(file).splitlines(), 1):
        cells = line.split()
        if not cells:
            continue
        try:
            label, *numbers = int(float(cells[0])), *map(float, cells[1:])
        except ValueError as error:
            raise unreadable(base_name(file), "YOLO", f"line {number} is {line[:60]!r}") from error
        if len(numbers) in (4, 5):
            area = numbers[2] * numbers[3]
        else:
            area = box_area(zip(numbers[0::2], numbers[1::2], strict=False))
        yield Entry(_path(file, folder), str(label), area)
