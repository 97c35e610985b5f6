"""Recognize the format of a file with annotations or labels by its beginning."""

from __future__ import annotations

import contextlib
import re
from typing import Any, NamedTuple

from xray.core import files
from xray.core.errors import MALFORMED
from xray.core.text import decode_text, load_json
from xray.core.uri import local_path

_HEAD, _WHOLE = 1 << 16, 1 << 22
_NOT_ASCII = bytes(range(128, 256))
_IMAGES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{},]', re.DOTALL)


class Format(NamedTuple):
    """A format of annotations.

    Args:
        name: for people.
        kind: in a recipe; a sentence on what to do if xray does not read it.
    """

    name: str
    kind: str


_XML = {"annotations": Format("CVAT XML", "cvat"), "annotation": Format("Pascal VOC XML", "voc")}
_SAM = Format("masks of Segment Anything", "segment_anything")
_PANOPTIC = Format("COCO panoptic", "write one mask per photograph from its PNG files and use `kind: png`")


def read_head(uri: str) -> bytes:
    """Read what is enough of a file to recognize it; a character is not cut.

    Raises:
        Rejected, OSError: it cannot be read.
    """
    local = local_path(uri)
    if local is None:
        data = files.read_bytes(uri)[:_HEAD]
    elif not local.is_file():
        raise OSError(f"{str(local)!r} is no file")  # to open a pipe would wait for ever
    else:
        with local.open("rb") as stream:
            data = stream.read(_HEAD)
    return data if len(data) < _HEAD else data.rstrip(_NOT_ASCII)


def advice(data: bytes, kind: str) -> str:
    """Return a clause on what a file that is not of a kind looks like, with the recipe's line; empty if unknown.

    >>> advice(b'[{"data": {"image": "a.jpg"}, "annotations": []}]', "coco")
    '; this looks like a Label Studio export: write `kind: label_studio`'
    """
    seen = recognize(data)
    if seen is None or seen.kind == kind:
        return ""
    return f"; this looks like {seen.name}: " + (f"write `kind: {seen.kind}`" if " " not in seen.kind else seen.kind)


def recognize(data: bytes) -> Format | None:
    """Return the format of a file, from its bytes or at least the first of them; None if it looks like none."""
    if data.startswith(_IMAGES):
        return Format("an image", "png")
    try:
        text = decode_text(data).lstrip()
    except ValueError:
        return None
    if text.startswith("<"):
        root = re.search(r"<(?![?!])\s*([\w:.-]+)", text)
        return _XML.get(root[1]) if root else None
    if text.startswith(("{", "[")):
        with contextlib.suppress(*MALFORMED):
            return _recognize_json(_load(text))
        return None
    if re.match(r"\d+([ \t]+[\d.eE+-]+){4,}[ \t\r]*(\n|$)", text):
        return Format("YOLO labels", "yolo")
    return None


def _load(text: str) -> Any:
    """Parse JSON, or what its beginning holds."""
    if len(text) <= _WHOLE:
        with contextlib.suppress(ValueError):
            return load_json(text)
    return load_json(_closed(text[:_HEAD]))


def _closed(text: str) -> str:
    """Return the beginning of a JSON document without its last member, which is cut off, and with all brackets closed.

    >>> _closed('{"images": [{"id": 1}, {"id": 2, "file_na')
    '{"images": [{"id": 1}, {"id": 2}]}'
    """
    end, stack = 0, list[str]()
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            stack.append("}" if token[0] == "{" else "]")
        elif token[0] in ("}", "]"):
            if not stack:
                break
            stack.pop()
        elif token[0] != ",":
            continue
        end = token.start() if token[0] == "," else token.end()
    return text[:end] + "".join(reversed(stack))


def _recognize_json(content: Any) -> Format | None:
    if isinstance(content, list):
        return _recognize_item(content[0]) if content and isinstance(content[0], dict) else None
    if "shapes" in content:
        return Format("labelme or X-AnyLabeling JSON", "labelme")
    if "image" in content and "annotations" in content:
        return _SAM
    if any(isinstance(content.get(name), list) for name in ("images", "annotations")):
        entries = content.get("annotations")
        first = entries[0] if isinstance(entries, list) and entries else None
        return _PANOPTIC if isinstance(first, dict) and "segments_info" in first else Format("COCO", "coco")
    if "_via_img_metadata" in content or any(isinstance(one, dict) and "regions" in one for one in content.values()):
        return Format("a project of the VGG Image Annotator", "export it as COCO and write `kind: coco`")
    if "samples" in content:
        export = "export it as COCO (fiftyone.types.COCODetectionDataset) and write `kind: coco`"
        return Format("a FiftyOne data set", export)
    if content.get("type") == "FeatureCollection":
        return Format("GeoJSON", "convert it to COCO and write `kind: coco`")
    if "segmentation" in content or "data" in content:
        return _recognize_item(content)
    return None


def _recognize_item(first: dict[str, Any]) -> Format | None:
    """Recognize a list by its first item."""
    if "predicted_iou" in first or "stability_score" in first:
        return _SAM
    if {"image_id", "category_id"} <= first.keys():
        return Format("results of a COCO detector without their images", 'put them into a COCO file as "annotations"')
    if "Label" in first or "data_row" in first:
        return Format("a Labelbox export", "export it as COCO and write `kind: coco`")
    if "image" in first and "annotations" in first:
        return Format("CreateML", "export it as COCO and write `kind: coco`")
    has_regions = "image" in first and not isinstance(first.get("label"), str)
    if has_regions or (isinstance(first.get("data"), dict) and "annotations" in first):
        return Format("a Label Studio export", "label_studio")
    return None
