"""Recognize the annotation format of a file by its first keys, for messages about a wrong `kind`."""

from __future__ import annotations

import re
from typing import Any

from xray.core.text import decode_text, load_json

_XML = {"annotations": ("CVAT XML", "cvat"), "annotation": ("Pascal VOC XML", "voc")}
_PANOPTIC = "write one mask per photograph from its PNG files and use `kind: png`"
_IMAGES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"II*\0", b"MM\0*", b"RIFF")


def advice(data: bytes, kind: str) -> str:
    """Return a clause on what a file that is not of a kind looks like, with the recipe's line; empty if unknown.

    >>> advice(b'[{"data": {"image": "a.jpg"}, "annotations": []}]', "coco")
    '; this looks like a Label Studio export: write `kind: label_studio`'
    """
    seen = recognize(data)
    if seen is None or seen[1] == kind:
        return ""
    name, other = seen
    return f"; this looks like {name}: " + (f"write `kind: {other}`" if " " not in other else other)


def recognize(data: bytes) -> tuple[str, str] | None:
    """Return a format's name, and its `kind` or what to do about it; None if the file looks like none of them."""
    if data.startswith(_IMAGES):
        return "an image", "png"
    try:
        text = decode_text(data).lstrip()
    except ValueError:
        return None
    if text.startswith("<"):
        root = re.search(r"<(?![?!])\s*([\w:.-]+)", text)
        return _XML.get(root[1]) if root else None
    if text.startswith(("{", "[")):
        try:
            return _recognize_json(load_json(text))
        except ValueError:
            return None
    if re.match(r"\d+([ \t]+[\d.eE+-]+){4,}[ \t\r]*(\n|$)", text):
        return "YOLO labels", "yolo"
    return None


def _recognize_json(content: Any) -> tuple[str, str] | None:
    if isinstance(content, list):
        return _recognize_item(content[0]) if content and isinstance(content[0], dict) else None
    if {"images", "annotations"} <= content.keys():
        entries = content["annotations"]
        first = entries[0] if isinstance(entries, list) and entries else None
        panoptic = isinstance(first, dict) and "segments_info" in first
        return ("COCO panoptic", _PANOPTIC) if panoptic else ("COCO", "coco")
    if "shapes" in content:
        return "labelme or X-AnyLabeling JSON", "labelme"
    if "image" in content and "annotations" in content:
        return "masks of Segment Anything", "segment_anything"
    if "_via_img_metadata" in content or any(isinstance(one, dict) and "regions" in one for one in content.values()):
        return "a project of the VGG Image Annotator", "export it as COCO and write `kind: coco`"
    if "samples" in content:
        return "a FiftyOne data set", "export it as COCO (fiftyone.types.COCODetectionDataset) and write `kind: coco`"
    if content.get("type") == "FeatureCollection":
        return "GeoJSON", "convert it to COCO and write `kind: coco`"
    if "segmentation" in content or "data" in content:
        return _recognize_item(content)
    return None


def _recognize_item(first: dict[str, Any]) -> tuple[str, str] | None:
    """Recognize a list by its first item."""
    if "predicted_iou" in first or "stability_score" in first:
        return "masks of Segment Anything", "segment_anything"
    if {"image_id", "category_id"} <= first.keys():
        return "results of a COCO detector without their images", 'put them into a COCO file as "annotations"'
    if "Label" in first or "data_row" in first:
        return "a Labelbox export", "export it as COCO and write `kind: coco`"
    if "image" in first or (isinstance(first.get("data"), dict) and "annotations" in first):
        return "a Label Studio export", "label_studio"
    return None
