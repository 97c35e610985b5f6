"""From labels to photographs: by file name, in several splits, and beside folders of masks."""

from __future__ import annotations

import json
from pathlib import Path

from support.drawn_photos import write
from support.labelled_photos import CATEGORIES, labelled, source


def test_file_names_say_categories(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("red_fox_001.jpg", "a/n02119022_7.JPEG", "cello-2.jpg", "9.jpg"):
        write(tmp_path / name, jpeg)
    found = source(tmp_path, {"pattern": "{label}_*"})
    assert [one.key for one in found.candidates(CATEGORIES)] == ["a/n02119022_7.JPEG", "red_fox_001.jpg"]
    assert any("2 photographs have no label" in note for note in found.notes(CATEGORIES))


def test_files_of_several_splits(tmp_path: Path, jpeg: bytes) -> None:
    for split in ("train", "valid"):  # one name in both
        write(tmp_path / split / "1.jpg", jpeg)
        label = "red fox" if split == "train" else "cello"
        content = {
            "images": [{"id": 0, "file_name": "1.jpg"}],
            "annotations": [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 1, 1]}],
            "categories": [{"id": 1, "name": label}],
        }
        write(tmp_path / split / "_annotations.coco.json", json.dumps(content).encode())
    assert labelled(tmp_path, "*/_annotations.coco.json") == {"train/1.jpg": "red fox", "valid/1.jpg": "cello"}


def test_a_label_file_of_one_split_says_nothing_of_another(tmp_path: Path, jpeg: bytes) -> None:
    for split in ("train", "valid"):
        write(tmp_path / f"photos/{split}/1.jpg", jpeg)
    write(tmp_path / "photos/train/labels.csv", b"1.jpg,red fox\n")
    file = str(tmp_path / "photos/train/labels.csv")
    assert labelled(tmp_path / "photos", file) == {"train/1.jpg": "red fox"}
    assert "1 photograph has no label: valid/1.jpg" in source(tmp_path / "photos", file).notes(CATEGORIES)


def test_a_label_that_two_photographs_match_belongs_to_neither(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("a/1.jpg", "b/1.jpg", "a/2.jpg"):
        write(tmp_path / "photos" / name, jpeg)
    write(tmp_path / "labels.csv", b"1.jpg,red fox\n2.jpg,cello\n")
    assert labelled(tmp_path / "photos", str(tmp_path / "labels.csv")) == {"a/2.jpg": "cello"}
    assert any("a/1.jpg, b/1.jpg" in one for one in source(tmp_path / "photos", "../labels.csv").notes(CATEGORIES))


def test_images_in_folders_of_masks_are_no_photographs(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("JPEGImages/1.jpg", "SegmentationClass/1.png", "SegmentationObject/1.png"):
        write(tmp_path / "voc" / name, jpeg)
    write(tmp_path / "voc/labels.csv", b"1.JPEG,red fox\n")
    assert labelled(tmp_path / "voc", "labels.csv") == {"JPEGImages/1.jpg": "red fox"}
    assert any(
        one.startswith("2 images in folders of masks")
        for one in source(tmp_path / "voc", "labels.csv").notes(CATEGORIES)
    )
