"""Instance files of COCO for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.mask_inputs import HEIGHT, WIDTH, candidate
from xray.masks.formats.coco import Coco
from xray.sources.base import Candidate

L_POLYGON = [10.0, 5.0, 20.0, 5.0, 20.0, 25.0, 40.0, 25.0, 40.0, 30.0, 10.0, 30.0]


def annotation(segmentation: Any = None, **more: Any) -> dict[str, Any]:
    return {"image_id": 1, "category_id": 1, "segmentation": segmentation, **more}


def dataset(folder: Path, annotations: list[Any], **more: Any) -> str:
    content = {
        "images": [{"id": 1, "file_name": "val/fox.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "fox"}, {"id": 2, "name": "grass"}],
    } | more
    (folder / "instances.json").write_text(json.dumps(content))
    return str(folder / "instances.json")


def attach(coco: Coco, key: str = "val/fox.jpg", **more: Any) -> Candidate:
    (result,) = coco.attach([candidate(key, **more)])
    return result
