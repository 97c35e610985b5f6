"""Labels of YOLO data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.exports import (
    attach,
    read,
    save,
)
from support.mask_inputs import candidate

from xray.core.errors import ConfigError
from xray.core.images import Decoded
from xray.masks.formats.yolo import Yolo


@pytest.mark.parametrize(
    ("line", "boxes", "masks"),
    [
        ("0 0.5 0.5 0.2 0.4", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("0 0.5 0.5 0.2 0.4 0.93", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("0 0.1 0.1 0.5 0.2 0.4 0.6 0 0.5", [(0, 0.1, 0.5, 0.6)], 0),
        ("0 0.1 0.1 0.5 0.2 0.4 0.6", [], 1),
        ("0 0.5 0.5 0.2 0.4 0.45 0.5 2 0.5 0.5 1", [(0.4, 0.3, 0.6, 0.7)], 0),
        ("", [], 0),
    ],
)
def test_yolo_lines_are_boxes_oriented_boxes_polygons_or_keypoints(
    line: str, boxes: list[Any], masks: int, tmp_path: Path
) -> None:
    save(tmp_path / "data.yaml", "names: [c]\nkpt_shape: [2, 3]")
    save(tmp_path / "labels/x.txt", line)
    one = attach(Yolo(root=str(tmp_path / "labels")), "c")
    assert (one.problem, one.mask_uri is not None) == ("", bool(masks))
    assert np.allclose(one.boxes, boxes)
    assert one.drawn_on == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        "0 320 240 50 60",
        "0 a b c d",
        "0 .1 .2 .3",
        "0.5 .1 .1 .1 .1",
        "0 .5 .5 0 .1",
        "x",
        "0 nan nan nan nan",
        "inf .1 .1 .1 .1",
    ],
)
def test_bad_yolo_lines_are_problems_of_their_file_only(line: str, tmp_path: Path, photo: Decoded) -> None:
    save(tmp_path / "x.txt", line)
    yolo = Yolo(root=str(tmp_path))
    assert attach(yolo, "c").problem.startswith("corrupt_mask: yolo: line 1")
    save(tmp_path / "x.txt", f"{line}\n3 0 0 1 0 1 1\n")
    one = attach(yolo, "c")
    assert read(yolo, one, photo)[0].any()
    assert any("line 1" in note for note in yolo.notes())
    save(tmp_path / "classes.txt", "fox\ncello\n")
    attach(yolo, "c")
    assert any("class 3" in note and "cello" in note for note in yolo.notes())


def test_yolo_labels_lie_beside_images_or_photographs(tmp_path: Path) -> None:
    save(tmp_path / "data.yaml", "names: [c]")
    for split in ("train", "valid"):
        save(tmp_path / f"{split}/labels/x.txt", "0 0.5 0.5 0.2 0.4")
    save(tmp_path / "other/x.txt", "0 0.5 0.5 0.2 0.4")
    folders = ("train/images", "valid/images", "test/images", "other")
    photos = [candidate(f"{folder}/x.jpg", uri=(tmp_path / folder / "x.jpg").as_uri()) for folder in folders]
    (tmp_path / "test/images").mkdir(parents=True)
    assert [len(one.boxes) for one in Yolo().attach(photos)] == [1, 1, 0, 1]
    for bad in ("- 1", "names: 3", "a: [", "names: {a: b}"):
        with pytest.raises(ConfigError, match=r"n\.yaml"):
            list(Yolo(names=save(tmp_path / "n.yaml", bad)).attach(photos))


def test_class_names_that_are_an_alias_bomb_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "x.txt", "0 .5 .5 .1 .1")
    save(tmp_path / "data.yaml", "a: &a [x, x]\nnames: [*a, *a]\n")
    with pytest.raises(ConfigError, match="aliases"):
        attach(Yolo(root=str(tmp_path)), "c")
