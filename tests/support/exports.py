"""Small exports of annotation tools: a red fox and a person in a photograph `x.jpg`, as each tool writes them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as pycoco

from support.brush import encode_brush
from support.mask_inputs import HEIGHT, WIDTH, candidate
from xray.core import files
from xray.core.images import Decoded
from xray.masks import Annotations, Mask
from xray.masks.fitting import read_mask
from xray.masks.formats.coco import Coco
from xray.masks.formats.cvat import Cvat
from xray.masks.formats.label_studio import LabelStudio
from xray.masks.formats.labelme import Labelme
from xray.masks.formats.voc import Voc
from xray.masks.formats.voc_masks import VocMasks
from xray.masks.formats.yolo import Yolo
from xray.sources.base import Candidate

FOX, PERSON = (5, 5, 25, 35), (30, 10, 50, 30)  # x0, y0, x1, y1


SHAPES = {"Red_Fox": FOX, "person": PERSON}


def corners(box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    x0, y0, x1, y1 = box
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def polygon(box: tuple[int, int, int, int]) -> list[tuple[float, float]]:
    """Return the box with a fifth point, so that it is no oriented box."""
    return [*corners(box), (box[0], (box[1] + box[3]) / 2)]


def area(box: tuple[int, int, int, int], width: int = WIDTH, height: int = HEIGHT) -> Mask:
    mask = np.zeros((height, width), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def runs(mask: Mask) -> dict[str, Any]:
    rle = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": rle["size"], "counts": rle["counts"].decode()}


def save(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else json.dumps(content)).encode()
    )
    path.write_bytes(data)
    return str(path)


def coco(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    content = {
        "images": [{"id": "7", "coco_url": "http://host/val/x.jpg?token=1", "width": width, "height": height}],
        "annotations": [
            {"image_id": 7, "category_id": str(number), "segmentation": [[v for p in polygon(box) for v in p]]}
            for number, box in enumerate(SHAPES.values())
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(SHAPES)],
    }
    return Coco(file=save(folder / "labels.json", content))


def yolo(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    save(folder / "data.yaml", "names: {0: Red_Fox, 1: person}\nnc: 2\n")
    lines = [
        f"{number} " + " ".join(f"{x / width} {y / height}" for x, y in polygon(box))
        for number, box in enumerate(SHAPES.values())
    ]
    save(folder / "train/labels/x.txt", "\n".join([*lines, ""]))
    return Yolo(root=str(folder / "train/labels"))


def percent(box: tuple[int, int, int, int], width: int, height: int) -> list[list[float]]:
    return [[100 * x / width, 100 * y / height] for x, y in polygon(box)]


def label_studio(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    fox = {"points": percent(FOX, width, height), "polygonlabels": ["Red_Fox"]}
    brush = {"format": "rle", "rle": list(encode_brush(area(PERSON, width, height))), "brushlabels": ["person"]}
    old = {"result": [{**size, "value": {"points": [[0, 0], [9, 0], [9, 9]], "polygonlabels": ["Red_Fox"]}}]}
    new = {"result": [{**size, "type": "polygonlabels", "value": fox}, {**size, "type": "brushlabels", "value": brush}]}
    cancelled = {"was_cancelled": True, "result": []}
    task = {"data": {"text": "hello", "image": "/data/upload/4/8a7bcdef-x.jpg"}, "annotations": [old, new, cancelled]}
    return LabelStudio(file=save(folder / "export.json", [task]))


def label_studio_min(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    size = {"original_width": width, "original_height": height}
    boxes = [{**size, "points": percent(box, width, height), "polygonlabels": [name]} for name, box in SHAPES.items()]
    return LabelStudio(
        file=save(folder / "min.json", [{"image": "/data/local-files/?d=a/x.jpg", "label": boxes, "id": 1}])
    )


def cvat(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    points = ";".join(f"{x},{y}" for x, y in polygon(FOX))
    x0, y0, x1, y1 = PERSON
    mask = f'<mask label="person" rle="0, {(x1 - x0) * (y1 - y0)}" left="{x0}" top="{y0}" width="{x1 - x0}" height="{y1 - y0}"/>'
    text = f"""<?xml version="1.0"?><annotations><version>1.1</version>
    <image id="0" name="images/x.jpg" width="{width}" height="{height}"><tag label="night"/>
    <polygon label="Red_Fox" points="{points}"/>{mask}<polyline label="person" points="1,1;2,2"/></image></annotations>"""
    return Cvat(file=save(folder / "annotations.xml", text))


def labelme(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    """As X-AnyLabeling writes it; labelme fills the outline, too."""
    shapes = [
        {
            "label": name,
            "points": [[x0, y0], [x1 - 1, y1 - 1]],
            "shape_type": "rectangle",
            "flags": None,
            "group_id": None,
        }
        | {"description": None, "difficult": False, "mask": None, "attributes": {}}
        for name, (x0, y0, x1, y1) in SHAPES.items()
    ]
    content = {
        "imageWidth": width,
        "imageHeight": height,
        "imagePath": "..\\x.jpg",
        "imageData": None,
        "shapes": shapes,
    }
    save(folder / "x.json", content)
    return Labelme(root=str(folder))


def voc(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    objects = ""
    for name, box in SHAPES.items():
        points = "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, (x, y) in enumerate(polygon(box), 1))
        objects += f"<object><name>{name}</name><polygon>{points}</polygon></object>"
    size = f"<size><width>{width}</width><height>{height}</height></size>"
    save(folder / "x.xml", f"<annotation>{size}{objects}</annotation>")
    return Voc(root=str(folder))


def voc_masks(folder: Path, width: int = WIDTH, height: int = HEIGHT) -> Annotations:
    save(
        folder / "labelmap.txt",
        "# label:color_rgb:parts:actions\nRed_Fox:250,50,83::\nperson:0,0,9::\nbackground:0,0,0::\n",
    )
    image = np.zeros((height, width, 3), np.uint8)
    image[area(FOX, width, height)] = (250, 50, 83)
    image[area(PERSON, width, height)] = (0, 0, 9)
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    save(folder / "SegmentationClass/x.png", stream.getvalue())
    return VocMasks(root=str(folder))


TOOLS = [coco, yolo, label_studio, label_studio_min, cvat, labelme, voc, voc_masks]


Tool = Callable[..., Annotations]


def attach(annotations: Annotations, category: str = "red fox", **more: Any) -> Candidate:
    (one,) = annotations.attach([replace(candidate("fox/x.jpg", **more), category=category)])
    return one


def read(annotations: Annotations, one: Candidate, photo: Decoded) -> tuple[Mask, tuple[str, ...]]:
    return read_mask(annotations, files.read_bytes(one.mask_uri) if one.mask_uri else None, photo)


WRONG = [
    (Coco, label_studio, "label_studio"), (Coco, cvat, "cvat"), (LabelStudio, coco, "coco"), (Cvat, coco, "coco"),
    (LabelStudio, label_studio, ""), (Cvat, label_studio_min, "label_studio"),
]  # fmt: skip
