from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.coco_files import L_POLYGON, annotation, attach, dataset
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core import files
from xray.core.errors import ConfigError
from xray.core.images import Decoded
from xray.masks import Mask
from xray.masks.formats.coco import Coco


@pytest.mark.parametrize("key", [1.0, "1", 1])
def test_ids_may_be_numbers_of_any_type_or_text(key: Any, tmp_path: Path) -> None:
    file = dataset(tmp_path, [annotation([L_POLYGON], image_id=key, category_id=str(key))])
    assert attach(Coco(file=file)).mask_uri


BAD_ENTRIES = [
    None, 5, "x", [], {}, {"image_id": None, "segmentation": []}, {"image_id": [1], "bbox": [1]},
    {"image_id": {"a": []}, "segmentation": [L_POLYGON]}, {"image_id": True, "bbox": [0, 0, 1, 1]},
    {"image_id": 1, "segmentation": {"a": json.loads("[" * 500 + "]" * 500)}},
    {"image_id": 1, "segmentation": "\ud800"}, {"image_id": 1, "bbox": [float("nan")] * 4},
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_ENTRIES)
def test_an_annotation_of_another_form_costs_only_itself(bad: Any, tmp_path: Path, mask: Mask, photo: Decoded) -> None:
    coco = Coco(file=dataset(tmp_path, [annotation([L_POLYGON]), bad, annotation([L_POLYGON])]))
    one = attach(coco)
    assert (coco.read(files.read_bytes(one.mask_uri or ""), photo)[0] == mask).all()
    assert one.problem == ""


@pytest.mark.parametrize(
    "bad",
    [{"width": 0}, {"width": None}, {"width": [60]}, {"width": 1e400}, {"file_name": None}, {"file_name": {"a": 1}},
     {"id": None}, {"id": [1]}],
)  # fmt: skip
def test_a_bad_image_costs_only_itself(bad: Any, tmp_path: Path) -> None:
    good = {"id": 1, "file_name": "val/fox.jpg", "width": WIDTH, "height": HEIGHT}
    images = [good, {**good, "id": 2, "file_name": "val/dog.jpg", **bad}]
    annotations = [annotation([L_POLYGON]), annotation([L_POLYGON], image_id=2)]
    coco = Coco(file=dataset(tmp_path, annotations, images=images))
    fox, dog = coco.attach([candidate("val/fox.jpg"), candidate("val/dog.jpg")])
    assert fox.mask_uri
    assert dog.mask_uri is None
    assert dog.problem.startswith("corrupt_mask") == ("width" in bad)
    assert coco.notes() or dog.problem


def test_a_number_of_thousands_of_digits_costs_only_its_annotation(tmp_path: Path) -> None:
    path = Path(dataset(tmp_path, [annotation([L_POLYGON]), annotation(None, bbox=[1, 2, 3, 424242])]))
    path.write_text(path.read_text().replace("424242", "9" * 5000))
    assert attach(Coco(file=str(path))).mask_uri


def test_an_image_of_too_many_objects_costs_only_itself(tmp_path: Path) -> None:
    images = [{"id": key, "file_name": f"val/{key}.jpg", "width": WIDTH, "height": HEIGHT} for key in (1, 2)]
    annotations = [annotation([L_POLYGON])] * 20_001 + [annotation([L_POLYGON], image_id=2)]
    coco = Coco(file=dataset(tmp_path, annotations, images=images))
    first, second = coco.attach([candidate("val/1.jpg"), candidate("val/2.jpg")])
    assert first.problem.startswith("corrupt_mask: coco: 20,001 objects")
    assert second.mask_uri
    assert not second.problem


@pytest.mark.parametrize(
    "text", ['{"images":' + "[" * 100_000, "[" * 300_000, '{"images": [], "annotations": {}}', "\0" * 99]
)
def test_files_that_are_no_coco_are_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.json") as caught:
        list(Coco(file=str(tmp_path / "c.json")).attach([candidate("a.jpg")]))
    assert "\n" not in str(caught.value)


def test_an_outline_that_cannot_be_stored_costs_only_its_photograph(tmp_path: Path) -> None:
    inner = {"image_id": 1, "bbox": [0, 0, 1, 1]}
    one = attach(Coco(file=dataset(tmp_path, [annotation({"size": [HEIGHT, WIDTH], "counts": [inner]})])))
    assert one.problem.startswith("corrupt_mask: coco: ")


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ConfigError):
        attach(Coco(file=str(tmp_path / "a.json")))


def test_a_box_without_end_costs_its_photograph(tmp_path: Path) -> None:
    one = attach(Coco(file=dataset(tmp_path, [annotation(None, bbox=[-1.7e308, 1, 1.7e308, 1.7e308])])))
    assert one.boxes == ()
    assert one.problem.startswith("corrupt_mask")
