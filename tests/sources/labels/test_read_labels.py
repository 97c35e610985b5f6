from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.io import savemat
from support.drawn_photos import write

from xray.core.errors import XrayError
from xray.core.images import encode
from xray.core.plugins import build
from xray.sources.base import Candidate, Source
from xray.sources.categories import load_categories
from xray.sources.imagefolder import ImageFolder
from xray.sources.labels.colours import voc_colour

CATEGORIES = load_categories(
    {"red fox": {"indices": [277], "wnids": ["n02119022"]}, "cello": {"indices": [486], "wnids": ["n02992211"]}}
)
EXPECTED = {"1.jpg": "red fox", "2.jpg": "cello"}


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    for name in EXPECTED:
        write(tmp_path / "photos" / name, jpeg)
    return tmp_path / "photos"


def source(photos: Path, labels: object) -> Source:
    return build("source", Source, {"kind": "imagefolder", "root": str(photos), "labels": labels})


def labelled(photos: Path, labels: object) -> dict[str, str]:
    return {one.key: one.category for one in source(photos, labels).candidates(CATEGORIES)}


def coco(photos: Path) -> str:
    images = [{"id": index, "file_name": name, "width": 64, "height": 48} for index, name in enumerate(EXPECTED)]
    names = [{"id": index, "name": name} for index, name in enumerate(EXPECTED.values())]
    things = [{"id": index, "image_id": index, "category_id": index, "bbox": [0, 0, 9, 9]} for index in range(2)]
    return json.dumps({"images": images, "annotations": things, "categories": names})


def createml(photos: Path) -> str:
    box = {"x": 1, "y": 1, "width": 2, "height": 2}
    return json.dumps([{"image": k, "annotations": [{"label": v, "coordinates": box}]} for k, v in EXPECTED.items()])


def label_studio(photos: Path) -> str:
    return json.dumps(
        [
            {"data": {"image": f"/data/upload/4/8a7bcdef-{key}"}, "annotations": [{"result": [{"value": value}]}]}
            for key, value in (
                ("1.jpg", {"choices": ["red fox"]}),
                ("2.jpg", {"rectanglelabels": ["cello"], "x": 1, "y": 1, "width": 5, "height": 5}),
            )
        ]
    )


def cvat(photos: Path) -> str:
    shapes = ('<box label="red fox" xtl="1" ytl="1" xbr="9" ybr="9"/>', '<polygon label="cello" points="0,0;9,0;9,9"/>')
    images = [f'<image name="{name}">{shape}</image>' for name, shape in zip(EXPECTED, shapes, strict=True)]
    return f"<annotations>{''.join(images)}</annotations>"


def records(photos: Path) -> str:
    return "\n".join(json.dumps({"file_name": key, "label": label}) for key, label in EXPECTED.items())


FILES: dict[str, Callable[[Path], str] | str] = {
    "instances.json": coco,
    "createml.json": createml,
    "label_studio.json": label_studio,
    "cvat.xml": cvat,
    "metadata.jsonl": records,
    "by_image.json": '{"1.jpg": "red fox", "2.jpg": ["cello"]}',
    "heading.csv": "id,filename,class\n1,1.jpg,red fox\n2,2.jpg,cello\n",
    "no_suffix.csv": "image,label\n1,red fox\n2,cello\n",
    "semicolons.csv": "\ufeffFile Name;Category\nphotos\\1.jpg;red fox\nphotos\\2.jpg;cello\n",
    "tabs.tsv": "1.jpg\tred fox\n2.jpg\tcello\n",
    "lines.txt": "1.jpg red fox\n2.jpg cello\n",
    "short_row.csv": "image,label\n1.jpg,red fox\n2.jpg,cello\n3.jpg\n",
    "unknown_heading.csv": "Datei,Art\n1.jpg,red fox\n2.jpg,cello\n",
    "flags.csv": "filename,red fox,cello\n1.jpg,1,0\n2.jpg,0,1\n",
    "wnids.csv": "ImageId,PredictionString\n1,n02119022 1 2 3 4 n02119022 5 6 7 8\n2,cello\n",
}


@pytest.mark.parametrize("name", FILES)
def test_files_say_categories(photos: Path, name: str) -> None:
    content = FILES[name]
    write(photos / name, (content if isinstance(content, str) else content(photos)).encode())
    assert labelled(photos, name) == EXPECTED
    notes = source(photos, name).notes(CATEGORIES)
    assert len(notes) == 1
    assert name in notes[0]


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


NUMBERS = "1.jpg,1\n2.jpg,0\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("classes.txt", "cello\nred fox\n"),
        ("names.txt", "0: cello\n1: red fox\n"),
        ("synset_words.txt", "n02992211 cello\nn02119022 red fox, Vulpes vulpes\n"),
        ("imagenet_class_index.json", '{"0": ["n02992211", "cello"], "1": ["n02119022", "red_fox"]}'),
        ("dataset.yaml", "names:\n  0: cello\n  1: red fox\n"),
    ],
)
def test_numbers_have_the_names_that_lie_beside(photos: Path, name: str, content: str) -> None:
    write(photos / "l.csv", NUMBERS.encode())
    write(photos.parent / name, content.encode())
    assert labelled(photos, "l.csv") == EXPECTED


def test_numbers_without_names_are_refused_unless_categories_are_called_so(photos: Path) -> None:
    write(photos / "l.csv", NUMBERS.encode())
    with pytest.raises(XrayError, match="names"):
        source(photos, "l.csv").categories()
    own = load_categories({"0": [486], "1": [277]})
    assert [one.category for one in source(photos, "l.csv").candidates(own)] == ["1", "0"]
    write(photos / "m.csv", b"1.jpg,277\n2.jpg,486\n")
    classes = source(photos, {"file": "m.csv", "names": "imagenet1k"}).categories()
    assert sorted(one.indices for one in classes) == [(277,), (486,)]
    write(photos.parent / "classes.txt", b"only one\n")
    with pytest.raises(XrayError, match="0 to 0"):
        labelled(photos, "l.csv")


def test_the_ground_truth_of_imagenet(tmp_path: Path, jpeg: bytes) -> None:
    for number in (1, 2):
        write(tmp_path / f"val/ILSVRC2012_val_{number:08d}.JPEG", jpeg)
    write(tmp_path / "val.txt", b"ILSVRC2012_val_00000001.JPEG 277\nILSVRC2012_val_00000002.JPEG 486\n")
    found = source(tmp_path / "val", str(tmp_path / "val.txt"))
    assert next(iter(found.candidates(CATEGORIES))).category == "red fox"
    write(tmp_path / "ILSVRC2012_validation_ground_truth.txt", b"1\n2\n")
    truth = source(tmp_path / "val", str(tmp_path / "ILSVRC2012_validation_ground_truth.txt"))
    with pytest.raises(XrayError, match=r"meta\.mat"):
        list(truth.candidates(CATEGORIES))
    synsets = np.array([(1, "n02119022"), (2, "n02992211")], dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    savemat(tmp_path / "meta.mat", {"synsets": synsets})
    assert [one.category for one in truth.candidates(CATEGORIES)] == ["red fox", "cello"]


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


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "empty"),
        ("fox\ncello\n", "one value per line"),
        ("1.jpg,fox,red,old\n", "heading"),
        ("image,colour\n1.jpg,red\n", "label_column"),
        ("colour,label\nred,fox\n", "image_column"),
        ("{", "JSON"),
        ("[1, 2]", "neither COCO"),
        (
            '[{"data": {"image": "1.jpg"}, "annotations": [], "predictions": [{"result": []}]}]',
            "predictions of a model",
        ),
        ('{"images": [], "annotations": [1]}', "COCO annotations: entry 1"),
        (
            '{"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 1, "category_id": 0}], '
            '"categories": [{"id": 1, "name": "red fox"}]}',
            "0–0, its categories are 1–1",
        ),
        ("<a/>", "neither VOC"),
        ("<a", "XML"),
        ("other.jpg,fox\n", "no photograph has a label"),
        ("[" * 99999, "nested"),
        ('1.jpg,"red fox\n' + "x" * 200_000, "quotation mark"),
        ('<annotations><track label="red fox"/></annotations>', "video"),
        (f"1.jpg,{'9' * 5000}\n", "no photograph has a label|no category"),
    ],
)
def test_what_is_not_understood_is_refused_in_words(photos: Path, content: str, words: str) -> None:
    write(photos / "labels.dat", content.encode())
    with pytest.raises(XrayError, match=words):
        labelled(photos, "labels.dat")


def test_a_missing_file_and_contradictory_settings_are_named(photos: Path) -> None:
    with pytest.raises(XrayError, match=r"gone\.csv"):
        labelled(photos, "gone.csv")
    for labels in ({}, {"file": "a", "pattern": "{label}"}, {"pattern": "*"}, {"pattern": "{label}/{label}"}):
        with pytest.raises(ValidationError, match=r"labels|pattern"):
            source(photos, labels)


def test_columns_can_be_named(photos: Path) -> None:
    write(photos / "l.csv", b"a,b\n1,red fox\n2,cello\n")
    assert labelled(photos, {"file": "l.csv", "image_column": "a", "label_column": "b"}) == EXPECTED


def several(photos: Path, areas: tuple[float, float] | None, policy: str) -> tuple[Candidate, list[str]]:
    """Return a photograph with both categories, and the notes."""
    rows = [["1.jpg", label, area] for label, area in zip(("red fox", "cello"), areas or (1, 1), strict=True)]
    value = [{"image": row[0], "annotations": [_thing(row[1], row[2] if areas else None)]} for row in rows]
    write(photos / "l.json", json.dumps(value).encode())
    found = source(photos, {"file": "l.json", "several": policy})
    return next(iter(found.candidates(CATEGORIES))), found.notes(CATEGORIES)


def _thing(label: object, width: object) -> dict[str, object]:
    return {"label": label} if width is None else {"label": label, "coordinates": {"width": width, "height": 1}}


@pytest.mark.parametrize(
    ("areas", "policy", "category", "refused"),
    [
        ((1, 2), "largest", "cello", False),
        ((2, 1), "largest", "red fox", False),
        ((2, 2), "largest", "cello", True),
        (None, "largest", "cello", True),
        ((1, 2), "refuse", "cello", True),
    ],
)
def test_photographs_of_several_categories(
    photos: Path, areas: tuple[float, float] | None, policy: str, category: str, *, refused: bool
) -> None:
    photograph, notes = several(photos, areas, policy)
    assert photograph.category == category
    assert photograph.problem.startswith("several_categories") == refused
    assert any("several categories" in note and "1.jpg" in note for note in notes)


def test_labels_that_are_no_categories_are_left_out_and_named(photos: Path) -> None:
    write(photos / "l.csv", b"1.jpg,red fox\n1.jpg,person\n2.jpg,person\nother.jpg,cello\n")
    assert labelled(photos, "l.csv") == {"1.jpg": "red fox"}
    notes = " ".join(source(photos, "l.csv").notes(CATEGORIES))
    assert all(word in notes for word in ("person", "other.jpg", "cello"))


def test_categories_come_from_the_labels(photos: Path) -> None:
    write(photos / "l.txt", b"1.jpg n02119022\n2.jpg cello\n")
    found = ImageFolder(root=str(photos), labels="l.txt")  # type: ignore[arg-type]
    assert {one.indices for one in found.categories()} == {(277,), (486,)}


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
    with pytest.raises(XrayError, match=r"1\.png"):
        found.label_counts()


def test_roboflow_yolo_has_one_name_in_several_splits(tmp_path: Path, jpeg: bytes) -> None:
    for split, label in (("train", 0), ("valid", 1)):
        write(tmp_path / f"set/{split}/images/1_jpg.rf.00ff.jpg", jpeg)
        write(tmp_path / f"set/{split}/labels/1_jpg.rf.00ff.txt", f"{label} 0.5 0.5 0.2 0.2\n".encode())
    write(tmp_path / "set/data.yaml", b"names: [red fox, cello]\n")
    assert [*labelled(tmp_path / "set", str(tmp_path / "set/data.yaml")).values()] == ["red fox", "cello"]


DAMAGED = {
    "coco.json": '{"images": [5, {"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}], "annotations": [7, '
    '{"image_id": "1", "category_id": "1", "bbox": ["a", 0, 1, 1]}, {"image_id": 2, "category_id": 2}], "categories": '
    '[null, {"id": 1, "name": "red fox"}, {"id": 2, "name": "cello"}]}',
    "createml.json": '[{"image": "3.jpg", "annotations": [{}]}, {"image": "1.jpg", "annotations": [{"label": "red fox", '
    '"coordinates": {"width": "x", "height": 1}}]}, {"image": "2.jpg", "annotations": [{"label": "cello"}]}]',
    "cvat.xml": '<annotations><image name="1.jpg"><polygon label="red fox" points="0,0;9,x;9,9"/></image>'
    '<image name="2.jpg"><ellipse label="cello" cx="5" cy="5" rx="a" ry="2"/></image></annotations>',
    "flags.csv": "filename,red fox,cello\n1.jpg,1,0\n2.jpg,0,1\n3.jpg\n",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_bad_part_costs_only_itself(photos: Path, name: str) -> None:
    write(photos / name, DAMAGED[name].encode())
    assert labelled(photos, name) == EXPECTED
    said = any("entry 1" in note for note in source(photos, name).notes(CATEGORIES))
    assert said == name.endswith("ml.json") or name == "coco.json"


LABEL_STUDIO = {
    "cancelled": '[{"data": {"text": "a", "image": "1.jpg"}, "annotations": [{"result": [{"value": {"choices": ["red fox"'
    ']}}]}, {"was_cancelled": true, "result": [{"value": {"choices": ["cello"]}}]}]}]',
    "min": '[{"image": "8a7bcdef-1.jpg", "label": [{"x": 1, "y": 1, "width": 5, "height": 5, "original_width": 9, '
    '"original_height": 9, "rectanglelabels": ["red fox"]}]}]',
    "min_choice": '[{"image": "8a7bcdef-1.jpg", "id": 7, "choice": "red fox"}]',
    "ellipses": '[{"data": {"image": "1.jpg"}, "annotations": [{"result": [{"value": {"x": 1, "radiusX": 4, "radiusY": 4, '
    '"ellipselabels": ["red fox"]}}, {"value": {"x": 1, "width": 3, "height": 3, "rectanglelabels": ["cello"]}}]}]}]',
}


@pytest.mark.parametrize("name", LABEL_STUDIO)
def test_labels_of_label_studio_are_those_of_the_annotation_that_counts(photos: Path, name: str) -> None:
    write(photos / "l.json", LABEL_STUDIO[name].encode())
    assert [(one.category, one.problem) for one in source(photos, "l.json").candidates(CATEGORIES)] == [("red fox", "")]
