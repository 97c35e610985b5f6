"""Names of classes that a label file numbers."""

from __future__ import annotations

import io
import posixpath
import re
import zlib
from collections.abc import Mapping
from typing import Any, Literal

from xray.core import files, yaml
from xray.core.errors import MALFORMED, ConfigError, problem_of
from xray.core.text import decode_text, load_json
from xray.core.uri import base_name, to_uri
from xray.sources.categories.imagenet1k import imagenet1k_classes
from xray.sources.labels.base import unreadable

BESIDE = (
    *("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names", "names.txt", "class_names.txt"),
    "_darknet.labels",
    *("LOC_synset_mapping.txt", "synset_words.txt", "synsets.txt", "imagenet_class_index.json", "meta.mat"),
)
"""Names of files with names of classes that are recognized beside a label file, the first one first."""
_NUMBERED = re.compile(r"(\d{1,9})\s*[\s,:;=]\s*(\S.*)$")
_MAX_BYTES, _MAX_MATLAB = 64_000_000, 16_000_000
"""Of a file of names, and of `meta.mat` when unpacked."""
_COMPRESSED = 15
_WNID = re.compile(r"(n\d{8})\b")


def find_names(folder: str) -> str | None:
    """Return the URI of a file with class names in a folder or the three above it, None if there is none."""
    for _ in range(4):
        if not folder.partition("://")[2].strip("/") or not files.is_folder(folder):
            return None
        present = {base_name(uri): uri for uri in files.list_files(folder, recursive=False)}
        for name in BESIDE:
            if name in present:
                return present[name]
        folder = posixpath.dirname(folder.rstrip("/"))
    return None


def read_names(location: str) -> dict[int, str]:
    """Return the names of classes by number.

    Args:
        location: `imagenet1k`, or a path or URI: lines of names (numbered from 0) or of `number name`, YOLO's
            `data.yaml`, JSON by number, or ImageNet's `meta.mat`.

    Raises:
        ConfigError: there is no such file, or it holds no names.
    """
    if location == "imagenet1k":
        return {index: one.wnids[0] for index, one in enumerate(imagenet1k_classes())}
    uri = location if "://" in location else to_uri(location)
    name = base_name(uri)
    try:
        data = files.read_bytes(uri, _MAX_BYTES)
        if name.endswith(".mat"):
            return _meta(data)
        text = decode_text(data)
        if name.endswith((".yaml", ".yml")):
            return _listed(_yaml_names(text, name))
        if name.endswith(".json"):
            return _listed(load_json(text))
    except ConfigError:
        raise
    except MALFORMED as error:
        raise unreadable(location, "names of classes", problem_of(error)) from error
    return _lines([line.strip() for line in text.splitlines() if line.strip()], location)


def _yaml_names(text: str, file: str) -> Any:
    """Return `names` of a data.yaml."""
    value, _ = yaml.load(text, file)
    if not isinstance(value, dict) or not isinstance(value.get("names"), list | dict):
        raise ConfigError(f"{file!r} has no `names` of classes", ("labels",))
    return value["names"]


def _listed(value: Any) -> dict[int, str]:
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {int(number): str(name[0] if isinstance(name, list) else name) for number, name in pairs}


def _lines(lines: list[str], file: str) -> dict[int, str]:
    numbered = [_NUMBERED.match(line) for line in lines]
    names = {int(match[1]): match[2] for match in numbered if match}
    if len(names) != len(lines):
        names = dict(enumerate(lines))
    if not names:
        raise ConfigError(f"{file!r} has no names of classes", ("labels",))
    return {number: wnid[1] if (wnid := _WNID.match(name)) else name for number, name in names.items()}


def _meta(data: bytes) -> dict[int, str]:
    """Return the WordNet ids of ImageNet's ILSVRC2012 ids, which are in another order than the class indices."""
    from scipy.io import loadmat  # slow to import

    _check_unpacked(data)
    synsets = loadmat(io.BytesIO(data), squeeze_me=True)["synsets"]
    return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in synsets}


def _check_unpacked(data: bytes) -> None:
    """Refuse a file of MATLAB whose variables, of which each may be compressed, unpack to too much.

    Raises:
        ValueError: they do.
    """
    order: Literal["big", "little"] = "big" if data[126:128] == b"MI" else "little"
    start, size = 128, len(data)
    while start + 8 <= len(data) and size <= _MAX_MATLAB:
        kind, length = (int.from_bytes(data[at : at + 4], order) for at in (start, start + 4))
        start += 8 + length
        if kind == _COMPRESSED:
            size += len(zlib.decompressobj().decompress(data[start - length : start], _MAX_MATLAB))
    if size > _MAX_MATLAB:
        raise ValueError(f"it unpacks to more than {_MAX_MATLAB // 1_000_000} MB")
