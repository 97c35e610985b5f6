"""Annotation files, label files, tables and recipes for the fuzzer: what they look like, how they are changed and read."""

from __future__ import annotations

import base64
import io
import json
import re
import tempfile
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from support.brush import encode_brush

from chaos.mutations import Draw, fill_run, flip_bits, remove_or_repeat, truncate
from xray.core.errors import Rejected, XrayError
from xray.core.files import read_bytes
from xray.core.images import Decoded
from xray.core.plugins import build
from xray.core.tabular import read_heading, read_table
from xray.masks.base import Annotations
from xray.masks.reading.outlines import encode_runs
from xray.models.weights.checkpoint import read_weights
from xray.runs.recipe import load_recipe
from xray.sources.base import Candidate
from xray.sources.categories.base import Category
from xray.sources.labels.reading import read_labels
from xray.sources.labels.settings import Labels
from xray.sources.parquet import Parquet

SIDE = 24
_FOX = Category(name="red fox", indices=(277,))
_ODD = (
    None, True, False, [], {}, "", "x", -1, 0, 1, 0.5, 1e308, -1e308, float("nan"), float("inf"), 2**31, 2**63, 2**64,
    10**30, 10**350, "@digits", "9" * 5000, "\ud800", "\0", "a" * 100_000, "../../etc/passwd", [[]], [None], {"x": {}},
    [0] * 1000, json.loads("[" * 300 + "]" * 300),
)  # fmt: skip
_TEXTS = (
    "", "x", "-1", "0", "1e308", "nan", "inf", "9" * 5000, "1_0", "٣", "\x00", "1,2", "1;2", "a" * 100_000, "red fox",
    "&lt;", "<a/>", "<!ENTITY x 'y'>", '"', "'", "[" * 2000, "{a: " * 30, "1:59:59", "*a", "&a", "!!x", "\ufffe", "\t", "\n",
)  # fmt: skip
_ENCODINGS = ("utf-16", "utf-32", "utf-8-sig", "latin-1", "cp037")


def _png(pixels: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "PNG")
    return sink.getvalue()


@cache
def seeds() -> dict[str, bytes]:
    """Return a sound file of every kind, by name; the part before the dot says how it is read."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[6:18, 6:18] = True
    square = [6.0, 6.0, 18.0, 6.0, 18.0, 18.0, 6.0, 18.0]
    points = [[6, 6], [18, 6], [18, 18]]
    sized = {"width": SIDE, "height": SIDE}
    coco = {
        "images": [{"id": number, "file_name": f"{number}.png", **sized} for number in range(3)],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [square], "bbox": [6, 6, 12, 12], "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": encode_runs(mask)},
            {"id": 3, "image_id": 2, "category_id": 1, "segmentation": {"size": [SIDE, SIDE], "counts": [0, 9, 567]}},
        ],
        "categories": [{"id": 1, "name": "red fox"}],
    }
    label = base64.b64encode(_png(mask[6:18, 6:18].astype(np.uint8) * 255)).decode()
    shapes = [
        {"label": "red fox", "points": points, "shape_type": "polygon", "flags": {}},
        {"label": "red fox", "points": [[9, 9], [12, 12]], "shape_type": "circle"},
        {"label": "red fox", "points": [[6, 6], [18, 18]], "shape_type": "mask", "mask": label},
    ]
    value = {"original_width": SIDE, "original_height": SIDE, "image_rotation": 0}
    region = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 10, "rectanglelabels": ["red fox"]}
    stroke = {"format": "rle", "rle": [*encode_brush(mask, 2)], "brushlabels": ["red fox"]}
    drawn = {"points": [[25, 25], [75, 25], [75, 75]], "polygonlabels": ["red fox"]}
    results = [{**value, "id": "r", "type": "x", "value": one} for one in (region, stroke, drawn)]
    studio = [{"id": 1, "data": {"image": "0.png"}, "annotations": [{"result": results, "ground_truth": False}]}]
    segment = [{"segmentation": encode_runs(mask), "bbox": [6, 6, 12, 12], "predicted_iou": 0.9, "area": 144}]
    box = "<bndbox><xmin>6</xmin><ymin>6</ymin><xmax>18</xmax><ymax>18</ymax></bndbox>"
    corners = "<polygon><x1>6</x1><y1>6</y1><x2>18</x2><y2>6</y2><x3>9</x3><y3>18</y3></polygon>"
    voc = (
        '<?xml version="1.0" encoding="utf-8"?><annotation><filename>0.png</filename><size><width>24</width><height>24'
        f"</height></size><object><name>red fox</name>{box}{corners}</object></annotation>"
    )
    cvat = (
        '<?xml version="1.0" encoding="utf-8"?><annotations><image id="0" name="0.png" width="24" height="24">'
        '<polygon label="red fox" points="6,6;18,6;18,18"/><box label="red fox" xtl="6" ytl="6" xbr="18" ybr="18" '
        'rotation="5"/><mask label="red fox" rle="0,4" left="6" top="6" width="2" height="2"/><ellipse label="red fox" '
        'cx="9" cy="9" rx="3" ry="4"/></image></annotations>'
    )
    recipe = (
        "source: {kind: imagefolder, root: photos}\nmasks: {annotations: {kind: coco, file: a.json}}\nseed: 7\n"
        "scenarios: [original, {kind: blur_background, sigma: 3}]\ncategories:\n  red fox: {indices: [277]}\n"
    )
    table = "model,scenario,top1,size\n" + "".join(f'm{row % 2},s{row % 3},{row % 2},"{row},5"\n' for row in range(9))
    texts = {
        "coco.json": json.dumps(coco), "labelme.json": json.dumps({"imageWidth": SIDE, "imageHeight": SIDE, "shapes": shapes}),
        "label_studio.json": json.dumps(studio), "segment_anything.json": json.dumps(segment),
        "voc.xml": voc, "cvat.xml": cvat, "yolo.txt": "0 .5 .5 .5 .5\n0 .2 .2 .8 .2 .5 .9\n",
        "names.yaml": "names: [red fox, dog]\nkpt_shape: [17, 3]\n", "recipe.yaml": recipe,
        "labels.csv": "image,label\n0.png,red fox\n1.png,277\n", "labels_coco.json": json.dumps(coco),
        "labels_studio.json": json.dumps(studio), "labels_voc.xml": voc, "labels_cvat.xml": cvat,
        "labels_records.json": json.dumps([{"file_name": "0.png", "label": "red fox"}, {"file_name": "1.png", "label": 3}]),
        "table.csv": table,
    }  # fmt: skip
    files = {name: text.encode() for name, text in texts.items()}
    return {
        **files,
        "photographs.parquet": _photographs(),
        "table.parquet": _table(),
        "weights.safetensors": _tensors(),
    }


def _photographs() -> bytes:
    image = _png(np.zeros((SIDE, SIDE, 3), np.uint8))
    images = pa.array([{"bytes": image, "path": "0.png"}, {"bytes": None, "path": "1.png"}] * 3)
    objects = pa.array([{"bbox": [[6.0, 6.0, 12.0, 12.0]], "category": ["red fox"]}] * 6)
    table = pa.table({"image": images, "label": ["red fox", "dog"] * 3, "objects": objects, "mask": [image] * 6})
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": '{"info": {"features": {}}}'}), sink, row_group_size=2)
    return sink.getvalue()


def _table() -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"model": ["a", "b"] * 3, "scenario": ["s"] * 6, "top1": [1, 0] * 3, "size": ["1,5"] * 6}), sink
    )
    return sink.getvalue()


def _tensors() -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(8)


def change(name: str, data: bytes, draw: Draw) -> bytes:
    """Change a document: its values, keeping its form, its bytes, or both."""
    if not name.endswith((".parquet", ".safetensors")) and draw.random() < 0.8:
        text = data.decode()
        for _ in range(int(draw.integers(1, 4))):
            text = _change_json(text, draw) if name.endswith(".json") else _change_text(text, draw)
        if draw.random() < 0.05:
            return text.encode(_ENCODINGS[int(draw.integers(len(_ENCODINGS)))], "replace")
        data = text.encode("utf-8", "replace")
        if draw.random() < 0.7:
            return data
    ways: tuple[Callable[[bytes, Draw], bytes], ...] = (flip_bits, fill_run, truncate, remove_or_repeat)
    return ways[int(draw.integers(len(ways)))](data, draw)


def _change_json(text: str, draw: Draw) -> str:
    """Change one value of a JSON document: another type, a number at an edge, absent, or many times."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    places = list(_places(document))
    if not places:
        return text
    holder, key = places[int(draw.integers(len(places)))]
    way = draw.random()
    if way < 0.15:
        del holder[key]
    elif way < 0.25 and isinstance(holder, list):
        holder *= int(draw.choice([0, 2, 50]))
    elif way < 0.4:
        other, name = places[int(draw.integers(len(places)))]
        holder[key] = json.loads(json.dumps(other[name]))
    else:
        holder[key] = _ODD[int(draw.integers(len(_ODD)))]
    try:
        return json.dumps(document).replace('"@digits"', "9" * 5000)
    except ValueError:
        return text


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the containers of a document, each with each of its keys, the upper ones first."""
    level = [value]
    while level:
        holders, level = level, []
        for holder in holders:
            for key in [*holder] if isinstance(holder, dict) else range(min(len(holder), 20)):
                yield holder, key
                if isinstance(holder[key], dict | list):
                    level.append(holder[key])


def _change_text(text: str, draw: Draw) -> str:
    """Change one word or number of a text, or the lines around it."""
    words = [*re.finditer(r"[\w.+-]+|[<>{}\[\]:,;=\"/]", text)]
    if not words:
        return text
    word, way = words[int(draw.integers(len(words)))], draw.random()
    if way < 0.6:
        return text[: word.start()] + _TEXTS[int(draw.integers(len(_TEXTS)))] + text[word.end() :]
    other = words[int(draw.integers(len(words)))]
    start, end = sorted((word.start(), other.end()))
    return text[:start] + text[start:end] * int(draw.choice([0, 2, 20])) + text[end:]


def read_changed(seed: int, number: int) -> tuple[str, list[tuple[str, str]]]:
    """Change a document, the one with this number, and read it."""
    draw = np.random.default_rng([seed, number])
    names = [*seeds()]
    name = names[int(draw.integers(len(names)))]
    outcome, problems = read_document(name, change(name, seeds()[name], draw))
    return f"{name.partition('.')[0]} {outcome}", problems


def read_document(name: str, data: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Read a document as `xray plan` does; return its outcome, and exceptions that are neither verdict nor message."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(
            folder, name if name.partition(".")[0] in ("recipe", "names", "weights") else f"0{Path(name).suffix}"
        )
        path.write_bytes(data)
        try:
            return _read(name, path) or "ok", []
        except Rejected as verdict:
            return verdict.reason, []
        except XrayError as error:
            is_line = len(str(error).splitlines()) <= 8 and len(str(error)) < 5000
            return "refused", [] if is_line else [(f"message of {len(str(error))} characters", name)]
        except Exception as error:  # noqa: BLE001 - what is looked for
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
            return "exception", [(f"{type(error).__name__} at {place}", f"{name}: {error}"[:200])]


def _read(name: str, path: Path) -> str | None:
    kind = name.partition(".")[0]
    if kind == "recipe":
        load_recipe(str(path))
    elif kind == "weights":
        read_weights(str(path))
    elif kind == "table":
        read_heading(str(path))
        read_table(str(path), ["model", "scenario"], ["top1", "size"])
    elif kind == "photographs":
        return _read_photographs(str(path))
    elif kind.startswith("labels"):
        read_labels(Labels(file=str(path)), path.parent.as_uri(), ["0.png", "1.png", "2.png"])
    else:
        return _read_annotations(kind, path)
    return None


def _read_photographs(path: str) -> str | None:
    settings = ({"mask": "mask"}, {"objects": "objects", "category": None})
    for source in (Parquet(uri=path, **one) for one in settings):
        source.notes([_FOX])
        for one in source.candidates([_FOX]):
            for uri in filter(None, (one.uri, one.mask_uri)):
                try:
                    read_bytes(uri)
                except Rejected:
                    continue
    return None


def _read_annotations(kind: str, path: Path) -> str | None:
    names = {"names": str(path)} if kind == "names" else {}
    if names:
        (path.parent / "0.txt").write_text("0 .5 .5 .5 .5\n")
        kind = "yolo"
    where = {"file": str(path)} if kind in ("coco", "cvat", "label_studio") else {"root": str(path.parent)}
    chosen = {"choose": "largest"} if kind == "segment_anything" else {}
    annotations = build("annotations", Annotations, {"kind": kind, **where, **chosen, **names})
    listed = [Candidate(f"{number}.png", "red fox", (path.parent / f"{number}.png").as_uri()) for number in range(3)]
    decoded = Decoded(np.zeros((SIDE, SIDE, 3), np.uint8), None, ())
    outcome = None
    for one in [*annotations.attach(listed)]:
        one.key.encode(), one.problem.encode(), (one.mask_uri or "").encode()
        outcome = outcome or one.problem.partition(":")[0]
        try:
            annotations.read(read_bytes(one.mask_uri) if one.mask_uri else None, decoded)
        except Rejected as verdict:
            outcome = outcome or verdict.reason
    "\n".join(annotations.notes()).encode()
    return outcome
