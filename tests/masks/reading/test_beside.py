from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.drawn_photos import drawn, write

from xray.core.images import encode
from xray.core.uri import to_uri
from xray.masks.reading.beside import propose
from xray.sources.base import Candidate

NAMES = ("ball/1.jpg", "ball/2.jpg", "cup/1.jpg")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        write(tmp_path / "photos" / name, encode(drawn(seed)[0]))
    return tmp_path / "photos"


def found(photos: Path) -> list[tuple[str, int, bool]]:
    candidates = [Candidate(name, name.partition("/")[0], to_uri(photos / name)) for name in NAMES]
    return [(one.settings["kind"], one.photographs, one.masks) for one in propose(photos, candidates)]


def coco(*names: str, **annotation: Any) -> bytes:
    images = [{"id": k, "file_name": name, "width": 200, "height": 200} for k, name in enumerate(names)]
    annotations = [{"id": k, "image_id": k, "category_id": 1, **annotation} for k in range(len(names))]
    return json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}).encode()


def test_nothing_beside_gives_no_proposal(photos: Path) -> None:
    write(photos.parent / "notes.json", b"{}")
    write(photos.parent / "masks/readme.txt", b"nothing")
    assert found(photos) == []


def test_a_folder_of_mask_images_is_counted(photos: Path) -> None:
    for name in NAMES[:2]:
        write(photos.parent / "masks" / Path(name).with_suffix(".png"), encode(np.eye(200, dtype=bool), "png"))
    assert found(photos) == [("png", 2, True)]


def test_coco_beside_the_folder_and_boxes(photos: Path) -> None:
    write(photos.parent / "annotations/a.json", coco(*NAMES, bbox=[10, 10, 50, 50]))
    assert found(photos) == [("coco", 3, False)]


def test_labelme_files_beside_the_photographs(photos: Path) -> None:
    shape = {"label": "ball", "shape_type": "polygon", "points": [[1, 1], [90, 1], [90, 90]]}
    content = {"shapes": [shape], "imagePath": "1.jpg", "imageWidth": 200, "imageHeight": 200}
    write(photos / "ball/1.json", json.dumps(content).encode())
    assert found(photos) == [("labelme", 1, True)]


def test_annotations_in_the_folder_come_before_those_of_other_data_sets_beside_it(photos: Path) -> None:
    for name in NAMES:
        shape = {"label": name.partition("/")[0], "shape_type": "polygon", "points": [[1, 1], [90, 1], [90, 90]]}
        write(photos.parent / "other_masks" / Path(name).with_suffix(".png"), encode(np.eye(200, dtype=bool), "png"))
        content = {"shapes": [shape], "imagePath": Path(name).name, "imageWidth": 200, "imageHeight": 200}
        if name != NAMES[0]:
            write(photos / Path(name).with_suffix(".json"), json.dumps(content).encode())
    write(photos.parent / "annotations/a.json", coco(*NAMES, bbox=[10, 10, 50, 50]))
    assert found(photos) == [("labelme", 2, True), ("png", 3, True), ("coco", 3, False)]


def test_damaged_files_are_not_proposed(photos: Path) -> None:
    write(photos.parent / "annotations/a.json", b'{"images": [')
    write(photos.parent / "masks/1.png", b"\x89PNG broken")
    assert "coco" not in {kind for kind, _, _ in found(photos)}


def test_transparent_photographs_are_cut_outs(tmp_path: Path) -> None:
    rgba = np.dstack([drawn(0)[0], np.full(drawn(0)[0].shape[:2], 9, np.uint8)])
    write(tmp_path / "photos/ball/1.png", encode(rgba, "png"))
    candidate = Candidate("ball/1.png", "ball", to_uri(tmp_path / "photos/ball/1.png"))
    (proposal,) = propose(tmp_path / "photos", [candidate])
    assert (proposal.settings, proposal.photographs) == ({"kind": "alpha"}, 1)


def test_splits_with_a_file_each_are_one_pattern(tmp_path: Path) -> None:
    names = ["train/1.jpg", "valid/1.jpg"]
    for seed, name in enumerate(names):
        write(tmp_path / "set" / name, encode(drawn(seed)[0]))
        polygon = coco("1.jpg", segmentation=[[1, 1, 90, 1, 90, 90]])
        write(tmp_path / "set" / Path(name).with_name("_annotations.coco.json"), polygon)
    candidates = [Candidate(name, "", to_uri(tmp_path / "set" / name)) for name in names]
    (proposal,) = propose(tmp_path / "set", candidates)
    assert proposal.settings == {"kind": "coco", "file": str(tmp_path / "set/*/_annotations.coco.json")}
    assert (proposal.photographs, proposal.masks) == (2, True)


def test_yolo_labels_in_splits(tmp_path: Path) -> None:
    names = ["train/images/1.jpg", "valid/images/1.jpg"]
    for seed, name in enumerate(names):
        write(tmp_path / "set" / name, encode(drawn(seed)[0]))
        write(tmp_path / "set" / Path(name).parents[1] / "labels/1.txt", b"0 .1 .1 .5 .1 .5 .5\n")
    candidates = [Candidate(name, "", to_uri(tmp_path / "set" / name)) for name in names]
    assert [(one.settings, one.photographs) for one in propose(tmp_path / "set", candidates)] == [({"kind": "yolo"}, 2)]


def test_folders_that_may_not_be_listed_are_passed_over(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        write((photos.parent / "masks" / name).with_suffix(".png"), encode(drawn(0)[1], "png"))
    (photos / "labels").mkdir()
    list_folder = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder.name == "labels":
            raise PermissionError(13, "Permission denied", str(folder))
        return list_folder(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert found(photos)
