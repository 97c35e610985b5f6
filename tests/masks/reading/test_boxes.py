"""Boxes whose four numbers are others than their format says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mask_inputs import candidate

from xray.core.errors import ConfigError
from xray.masks.formats.voc import Voc
from xray.masks.formats.yolo import Yolo
from xray.masks.reading.boxes import BoxLayout, Layouts
from xray.masks.reading.objects import Drawing, Object
from xray.sources.base import RELATIVE, Candidate

WIDTH, HEIGHT = 320, 240
CORNERS = [(150, 90, 260, 200), (60, 120, 180, 230), (200, 30, 310, 150), (8, 20, 100, 90), (12, 10, 120, 60)]
LAYOUTS: tuple[BoxLayout, ...] = ("xyxy", "xywh", "cxcywh", "yxyx")


def written(corners: tuple[float, ...], layout: BoxLayout) -> tuple[float, ...]:
    x0, y0, x1, y1 = corners
    return {
        "xyxy": (x0, y0, x1, y1),
        "xywh": (x0, y0, x1 - x0, y1 - y0),
        "cxcywh": ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0),
        "yxyx": (y0, x0, y1, x1),
    }[layout]


def check(documented: BoxLayout, numbers: list[Any], outline: Any = None, size: Any = (WIDTH, HEIGHT)) -> list[str]:
    layouts = Layouts(documented)
    for number, four in enumerate(numbers):
        layouts.watch(f"{number}.jpg", Drawing(size, (Object("fox", outline, numbers=four),)))
    return layouts.check("coco")


@pytest.mark.parametrize("documented", ["xyxy", "xywh", "cxcywh"])
@pytest.mark.parametrize("actual", ["xyxy", "xywh", "cxcywh"])
def test_a_set_in_another_layout_is_refused_with_its_numbers(documented: BoxLayout, actual: BoxLayout) -> None:
    numbers = [written(corners, actual) for corners in CORNERS]
    if actual == documented:
        assert check(documented, numbers) == []
        return
    with pytest.raises(ConfigError, match=rf"of 5 boxes .*320×240.*`boxes: {actual}`"):
        check(documented, numbers)
    (note,) = check(documented, numbers, outline=[[0, 0, 9, 0, 9, 9]])  # the outlines are the masks
    assert f"`boxes: {actual}`" in note


@pytest.mark.parametrize("layout", LAYOUTS)
def test_y_first_is_known_where_a_box_leaves_a_wide_image(layout: BoxLayout) -> None:
    numbers = [written(corners, "yxyx") for corners in CORNERS]
    if layout == "yxyx":
        assert check(layout, numbers) == []
    else:
        with pytest.raises(ConfigError, match="yxyx"):
            check(layout, numbers)


boxes = st.tuples(*[st.floats(0, 1)] * 4).map(
    lambda b: (min(b[0], b[2]) * WIDTH, min(b[1], b[3]) * HEIGHT, max(b[0], b[2]) * WIDTH, max(b[1], b[3]) * HEIGHT)
)


@given(st.lists(boxes, min_size=1, max_size=30), st.sampled_from(LAYOUTS), st.floats(-0.01, 0.01))
def test_right_boxes_are_never_questioned(corners: list[Any], layout: BoxLayout, careless: float) -> None:
    moved = [tuple(np.array(four) + careless * WIDTH) for four in corners]
    assert check(layout, [written(four, layout) for four in moved]) == []


def test_few_careless_boxes_and_images_of_another_size_are_not_another_layout() -> None:
    many = [written(corners, "xywh") for corners in CORNERS * 10]
    assert check("xywh", [*many, (300, 200, 300, 200), (10, 10, 900, 20)]) == []
    assert check("xywh", many, size=(80, 60)) == []  # `Extents` names that
    assert check("xywh", [], size=None) == check("xywh", [(5, 5, 3, 3)], size=None) == []
    (note,) = check("xyxy", [(50, 50, 30, 30)], size=None)  # one box alone
    assert "`boxes: xywh`" in note


def attach(annotations: Voc | Yolo, count: int) -> list[Candidate]:
    return list(annotations.attach([candidate(f"{number}.jpg") for number in range(count)]))


def test_voc_files_with_width_and_height_are_refused_and_read_if_the_recipe_says_so(tmp_path: Path) -> None:
    names = ("xmin", "ymin", "xmax", "ymax")
    for number, corners in enumerate(CORNERS):
        four = zip(names, written(corners, "xywh"), strict=True)
        box = "".join(f"<{name}>{value:g}</{name}>" for name, value in four)
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        text = f"<annotation>{size}<object><name>fox</name><bndbox>{box}</bndbox></object></annotation>"
        (tmp_path / f"{number}.xml").write_text(text)
    with pytest.raises(ConfigError, match=r"3 of 5 boxes.*`boxes: xywh`"):
        attach(Voc(root=str(tmp_path)), 5)
    found = attach(Voc(root=str(tmp_path), boxes="xywh"), 5)
    assert found[0].boxes == ((149, 89, 259, 199),)  # pixels count from 1
    assert {one.problem for one in found} == {""}


def test_yolo_files_with_corners_are_refused_and_read_if_the_recipe_says_so(tmp_path: Path) -> None:
    for number, (x0, y0, x1, y1) in enumerate(CORNERS):
        (tmp_path / f"{number}.txt").write_text(f"0 {x0 / WIDTH} {y0 / HEIGHT} {x1 / WIDTH} {y1 / HEIGHT}")
    with pytest.raises(ConfigError, match=r"of 5 boxes.*`boxes: xyxy`"):
        attach(Yolo(root=str(tmp_path)), 5)
    found = attach(Yolo(root=str(tmp_path), boxes="xyxy"), 5)
    assert found[0].drawn_on == RELATIVE
    assert np.allclose(np.array(found[0].boxes[0]) * ((WIDTH, HEIGHT) * 2), CORNERS[0])
