"""From labels to categories: numbers with names elsewhere, and photographs of several categories."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from support.drawn_photos import write
from support.labelled_photos import CATEGORIES, EXPECTED, labelled, source

from xray.core.errors import XrayError
from xray.sources.base import Candidate
from xray.sources.categories import load_categories
from xray.sources.imagefolder import ImageFolder

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


def test_categories_come_from_the_labels(photos: Path) -> None:
    write(photos / "l.txt", b"1.jpg n02119022\n2.jpg cello\n")
    found = ImageFolder(root=str(photos), labels="l.txt")  # type: ignore[arg-type]
    assert {one.indices for one in found.categories()} == {(277,), (486,)}


def test_labels_that_are_no_categories_are_left_out_and_named(photos: Path) -> None:
    write(photos / "l.csv", b"1.jpg,red fox\n1.jpg,person\n2.jpg,person\nother.jpg,cello\n")
    assert labelled(photos, "l.csv") == {"1.jpg": "red fox"}
    notes = " ".join(source(photos, "l.csv").notes(CATEGORIES))
    assert all(word in notes for word in ("person", "other.jpg", "cello"))


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
