"""Folders of labels: one file, or one mask of colours, for each photograph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import write
from support.labelled_photos import CATEGORIES, EXPECTED, labelled, source

from xray.core.errors import XrayError
from xray.core.images import encode
from xray.sources.imagefolder import ImageFolder
from xray.sources.labels.colours import voc_colour


@pytest.mark.parametrize("suffix", ["xml", "json", "txt"])
def test_folders_say_categories(photos: Path, suffix: str) -> None:
    for index, (key, label) in enumerate(EXPECTED.items()):
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
        drawing = {
            "imagePath": key,
            "shapes": [{"label": label, "points": [[0, 0], [9, 9]], "shape_type": "rectangle"}],
        }
        content = {
            "xml": f"<annotation><object><name>{label}</name>{box}</object></annotation>",
            "json": json.dumps(drawing),
            "txt": f"{index} .5 .5 .1 .1\n{index} .1 .1 .2 .2 .3 .3\n",
        }[suffix]
        write(photos.parent / f"labels/{key[0]}.{suffix}", content.encode())
    write(photos.parent / "data.yaml", b"nc: 2\nnames: [red fox, cello]\n")
    assert labelled(photos, str(photos.parent / "labels")) == EXPECTED
    if suffix == "txt":
        assert labelled(photos, str(photos.parent / "data.yaml")) == EXPECTED


@pytest.mark.parametrize("suffix", ["xml", "json", "txt"])
def test_a_damaged_file_of_a_folder_is_named(photos: Path, suffix: str) -> None:
    write(photos.parent / f"labels/1.{suffix}", b'{"shapes": [1]}' if suffix == "json" else b"<a x")
    folder = str(photos.parent / "labels")
    with pytest.raises(XrayError, match=rf"1\.{suffix}"):
        labelled(photos, folder)
    good = {
        "xml": "<annotation><object><name>cello</name></object></annotation>",
        "json": '{"shapes": [], "flags": {"cello": true}}',
        "txt": "0 .5 .5 .1 .1",
    }
    write(photos.parent / f"labels/2.{suffix}", good[suffix].encode())
    write(photos.parent / "classes.txt", b"cello\n")
    assert labelled(photos, folder) == {"2.jpg": "cello"}
    assert any(f"1.{suffix}" in note for note in source(photos, folder).notes(CATEGORIES))


def test_xml_is_read_in_the_encoding_that_it_declares(photos: Path) -> None:
    xml = "<annotation><owner>é</owner><object><name>cello</name></object></annotation>"
    write(photos.parent / "labels/1.xml", f"<?xml version='1.0' encoding='latin-1'?>{xml}".encode("latin-1"))
    write(photos.parent / "labels/2.xml", xml.encode("utf-16"))
    assert labelled(photos, str(photos.parent / "labels")) == {"1.jpg": "cello", "2.jpg": "cello"}


def test_a_shape_without_label_says_nothing(photos: Path) -> None:
    shapes = [{"label": None, "points": [[0, 0], [9, 9]]}, {"label": "cello", "points": [[0, 0], [1, 1]]}]
    write(photos.parent / "labels/1.json", json.dumps({"shapes": shapes}).encode())
    assert labelled(photos, str(photos.parent / "labels")) == {"1.jpg": "cello"}


@pytest.mark.parametrize("file", ["SegmentationClass", "labelmap.txt"])
def test_colours_of_class_masks_say_the_category_of_the_largest_area(tmp_path: Path, jpeg: bytes, file: str) -> None:
    mask = np.zeros((20, 30, 3), np.uint8)
    mask[2:9, 2:9], mask[10:18, 2:20], mask[0] = (1, 2, 3), (4, 5, 6), (224, 224, 192)
    for name, colours in (("1", mask), ("2", mask[:10]), ("3", mask[:2])):
        write(tmp_path / f"voc/JPEGImages/{name}.jpg", jpeg)
        write(tmp_path / f"voc/SegmentationClass/{name}.png", encode(colours, "png"))
    write(tmp_path / "voc/labelmap.txt", b"# label:color_rgb\nbackground:0,0,0::\ncello:1,2,3::\nred fox:4,5,6::\n")
    write(tmp_path / "voc/SegmentationClass/4.png", encode(mask + 9, "png"))
    assert labelled(tmp_path / "voc", file) == {"JPEGImages/1.jpg": "red fox", "JPEGImages/2.jpg": "cello"}
    notes = source(tmp_path / "voc", file).notes(CATEGORIES)
    assert any("4.png" in note and "(9, 9, 9)" in note for note in notes)


def test_class_masks_without_a_labelmap_have_the_colours_of_voc(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "voc/JPEGImages/1.jpg", jpeg)
    write(tmp_path / "voc/SegmentationClass/1.png", encode(np.full((4, 4, 3), voc_colour(12), np.uint8), "png"))
    found = ImageFolder(root=str(tmp_path / "voc"), labels="SegmentationClass")  # type: ignore[arg-type]
    assert found.label_counts() == {"dog": 1}
    write(tmp_path / "voc/SegmentationClass/1.png", b"not an image")
    damaged = ImageFolder(root=str(tmp_path / "voc"), labels="SegmentationClass")  # type: ignore[arg-type]
    with pytest.raises(XrayError, match=r"1\.png"):
        damaged.label_counts()


def test_roboflow_yolo_has_one_name_in_several_splits(tmp_path: Path, jpeg: bytes) -> None:
    for split, label in (("train", 0), ("valid", 1)):
        write(tmp_path / f"set/{split}/images/1_jpg.rf.00ff.jpg", jpeg)
        write(tmp_path / f"set/{split}/labels/1_jpg.rf.00ff.txt", f"{label} 0.5 0.5 0.2 0.2\n".encode())
    write(tmp_path / "set/data.yaml", b"names: [red fox, cello]\n")
    assert [*labelled(tmp_path / "set", str(tmp_path / "set/data.yaml")).values()] == ["red fox", "cello"]
