"""Read what the setting `labels` names."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import unquote, urlsplit

from xray.core import files
from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.text import decode_text
from xray.core.uri import base_name, join, location, short_name, to_uri
from xray.sources.base import join_names
from xray.sources.labels import colours
from xray.sources.labels.base import Entry, LabelFile, unreadable
from xray.sources.labels.colours import read_class_masks
from xray.sources.labels.folders import read_folder
from xray.sources.labels.json_files import read_json
from xray.sources.labels.names import find_names, read_names
from xray.sources.labels.settings import Labels
from xray.sources.labels.tables import GROUND_TRUTH, read_table
from xray.sources.labels.xml_files import read_xml

_NUMBER = re.compile(r"[0-9]{1,9}")
_MAX_BYTES = 600_000_000
"""Of a label file: COCO's largest annotations have 0.5 GB."""
_IMAGENET = re.compile(r"ILSVRC2012_val_\d{8}")


def read_labels(labels: Labels, root: str, keys: Sequence[str]) -> LabelFile:
    """Read what the labels say, with numbers replaced by names where a file has them.

    Args:
        labels: the setting.
        root: URI of the folder of photographs.
        keys: of the photographs.

    Raises:
        ConfigError: no such file, not a format that is known, or numbers that no name fits.
    """
    if labels.pattern is not None:
        return LabelFile(f"file names ({labels.pattern})", _from_names(labels.pattern, keys))
    assert labels.file is not None
    uris = _matching(labels.file)
    if not uris and "://" not in labels.file:
        uris = _matching(f"{root}/{labels.file}")
    if not uris:
        folder = location(root)
        raise ConfigError(f"no labels {labels.file!r}: neither here nor in {folder!r}", ("labels",))
    parts = [_named(_read(labels, uri), labels, uri) for uri in uris]
    formats = ", ".join(dict.fromkeys(part.format for part in parts))
    folders = map(_folder, uris)
    entries = [
        entry._replace(folder=folder)
        for folder, part in zip(folders, parts, strict=True)
        for entry in part.entries
        if entry.label
    ]
    problems = tuple(problem for part in parts for problem in part.problems)
    return LabelFile(f"{formats} in {join_names(map(short_name, uris), 3)}", entries, problems=problems)


def _folder(uri: str) -> str:
    """Return the path of a folder of label files, or of the folder of one."""
    return unquote(urlsplit(uri if files.is_folder(uri) else posixpath.dirname(uri)).path)


def _matching(location: str) -> list[str]:
    """Return the URIs of the file or folder at a location, or of all files if it contains `*`."""
    if "*" not in location:
        return [uri] if files.exists(uri := to_uri(location)) else []
    return files.matching_files(location)


def _read(labels: Labels, uri: str) -> LabelFile:
    """Read a file or folder, whose format is recognized by its content."""
    name, columns = base_name(uri), (labels.image_column, labels.label_column)
    if files.is_folder(uri):
        return read_class_masks(uri) if name == colours.FOLDER else read_folder(uri)
    if name == colours.LABELMAP:
        return read_class_masks(join(posixpath.dirname(uri), colours.FOLDER))
    try:
        text = decode_text(files.read_bytes(uri, _MAX_BYTES))
    except MALFORMED as error:
        raise unreadable(name, "labels", problem_of(error)) from error
    if name.lower().endswith((".yaml", ".yml")):  # YOLO's data.yaml lies above the labels
        return replace(read_folder(posixpath.dirname(uri), "txt"), names=read_names(uri))
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return read_json(text, name, columns)
    return read_xml(text, name) if start == "<" else read_table(text, name, columns)


def _named(part: LabelFile, labels: Labels, uri: str) -> LabelFile:
    """Replace the numbers of classes by their names.

    Numbers without names stay: the recipe's categories may be called like that.
    """
    labels_given = {entry.label for entry in part.entries}
    numbers = sorted(int(label) for label in labels_given if _NUMBER.fullmatch(label))
    if not numbers or len(numbers) < len(labels_given):
        return part
    location = labels.names or _names_beside(part, uri)
    if location is None and part.names is None:
        return part
    names = read_names(location) if location else part.names
    source = "imagenet1k" if location == "imagenet1k" else base_name(to_uri(location or uri))
    assert names is not None
    if unknown := [number for number in numbers if number not in names]:
        raise ConfigError(
            f"{base_name(uri)!r} has the label {unknown[0]}, {source} names {min(names)} to {max(names)}; "
            "write another file of names, with `number name` in each line, as `labels: {names: …}`",
            ("labels", "names"),
        )
    entries = [entry._replace(label=names[int(entry.label)]) for entry in part.entries]
    example = f"{numbers[0]} is {names[numbers[0]]!r}"
    return LabelFile(f"{part.format} (numbers named by {source}: {example})", entries, problems=part.problems)


def _names_beside(part: LabelFile, uri: str) -> str | None:
    """Return where the names of numbers are, from what lies beside the labels; None if nothing is certain."""
    beside = find_names(uri if files.is_folder(uri) else posixpath.dirname(uri))
    if part.format == GROUND_TRUTH and (beside is None or not beside.endswith(".mat")):
        raise ConfigError(
            f"the numbers in {base_name(uri)!r} are ILSVRC2012 ids, in another order than the class indices: write "
            "`labels: {file: …, names: meta.mat}`, with meta.mat of ImageNet's development kit",
            ("labels", "names"),
        )
    if part.names is not None:
        return None
    return beside or ("imagenet1k" if all(_IMAGENET.search(entry.image) for entry in part.entries) else None)


def _from_names(pattern: str, keys: Sequence[str]) -> list[Entry]:
    """Return the labels in file names, or in paths if the pattern has a slash."""
    meaning = {"{label}": "(?P<label>.+)", "*": "[^/]*"}
    parts = re.split(r"(\{label\}|\*)", pattern)
    compiled = re.compile("".join(meaning.get(part, re.escape(part)) for part in parts))
    stems = {key: posixpath.splitext(unquote(key))[0] for key in keys}
    matches = {
        key: compiled.fullmatch(stem if "/" in pattern else posixpath.basename(stem)) for key, stem in stems.items()
    }
    return [Entry(key, match["label"]) for key, match in matches.items() if match]
