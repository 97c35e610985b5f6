"""Label files: tables, records, and annotations of many photographs in one file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.drawn_photos import write
from support.labelled_photos import CATEGORIES, EXPECTED, labelled, source

from xray.core.errors import XrayError


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


def test_columns_can_be_named(photos: Path) -> None:
    write(photos / "l.csv", b"a,b\n1,red fox\n2,cello\n")
    assert labelled(photos, {"file": "l.csv", "image_column": "a", "label_column": "b"}) == EXPECTED


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
