from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import write

from xray.core.errors import XrayError
from xray.sources.imagefolder import ImageFolder
from xray.sources.layout import label_files

COCO = b'{"images": [], "annotations": []}'


@pytest.mark.parametrize(
    ("files", "root", "words"),
    [
        (["val/1.jpg"], "val", "labels: FILE"),
        (["val/1.jpg", "instances.json"], "val", "instances.json"),
        (["val/1.jpg", "instances.json"], ".", "instances.json"),
        (["val/1.jpg", "val/instances.json"], "val", "COCO"),
        (["train/1.jpg", "valid/1.jpg", "data.yaml"], ".", "data.yaml"),
        (["train/1.jpg", "test/1.jpg", "train/c.json", "test/c.json"], ".", r"\*/c\.json"),
        (["images/train/1.jpg", "labels/train/1.txt", "data.yaml"], ".", "data.yaml"),
        (["val/red fox/1.jpg", "val/cello/1.jpg"], ".", r"root: .*val.*cello, red fox"),
        (["val/1.jpg", "annotations/1.xml"], "val", "VOC"),
        (["val/1.jpg", "val/1.json"], "val", "labelme"),
        (["val/1.jpg", "labels.txt"], "val", "table"),
        (["data/train-0.parquet"], ".", "kind: parquet"),
        (
            ["JPEGImages/1.jpg", "SegmentationClass/1.png", "ImageSets/Main/a.txt", "labelmap.txt"],
            ".",
            "SegmentationClass .colours",
        ),
    ],
)
def test_folders_that_are_no_categories_are_refused_with_what_to_write(
    tmp_path: Path, files: list[str], root: str, words: str
) -> None:
    contents = {
        "instances.json": COCO,
        "c.json": COCO,
        "1.json": b'{"shapes": []}',
        "1.xml": b"<annotation></annotation>",
        "1.txt": b"0 .5 .5 .1 .1\n",
        "labels.txt": b"1.jpg fox\n",
        "labelmap.txt": b"# label:color_rgb:parts:actions\nfox:1,2,3::\n",
        "data.yaml": b"nc: 1\nnames: [fox]\n",
    }
    for name in files:
        write(tmp_path / name, contents.get(name.rpartition("/")[2], b""))
    with pytest.raises(XrayError, match=words):
        ImageFolder(root=str(tmp_path / root)).categories()


def test_folders_of_categories_are_no_problem(tmp_path: Path) -> None:
    for name in ("red fox/1.jpg", "images/1.jpg"):
        write(tmp_path / name, b"")
    with pytest.raises(XrayError, match="'images'"):  # one folder is a category: the other is unknown
        ImageFolder(root=str(tmp_path)).categories()
    (tmp_path / "images/1.jpg").unlink()
    (tmp_path / "images").rmdir()
    assert [one.name for one in ImageFolder(root=str(tmp_path)).categories()] == ["red fox"]


def test_recipes_and_readmes_are_no_labels(tmp_path: Path) -> None:
    for name in ("recipe.yaml", "README.txt", "notes.json"):
        write(tmp_path / name, b"names: x y\n")
    assert label_files(tmp_path.as_uri()) == []
