from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from xray.core.errors import Rejected
from xray.masks import Hint
from xray.masks.sam.network import group_prompts
from xray.masks.sam.prompts import Prompt, Prompter, deepest_points, parts
from xray.sources.base import Box, Point

HEIGHT, WIDTH = 60, 100
DEFAULT = Prompter(points=1, margin=0.0, min_part=0.001, max_objects=8)


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def ellipse(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    """The ellipse inscribed in a rectangle; it fills three quarters of it."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (columns - (x0 + x1 - 1) / 2) / ((x1 - x0) / 2), (rows - (y0 + y1 - 1) / 2) / ((y1 - y0) / 2)
    return np.asarray(np.hypot(x, y) <= 1)


def derive(hint: Hint, prompter: Prompter = DEFAULT) -> list[Prompt]:
    return prompter.derive(hint, HEIGHT, WIDTH)


def test_given_boxes_are_clipped_and_do_not_grow() -> None:
    grown = Prompter(points=1, margin=0.5, min_part=0.001, max_objects=1)
    result = derive(Hint(boxes=((5, 6, 20.5, 30), (-3, 50, 40, 61))), grown)
    assert [prompt.box for prompt in result] == [(5, 6, 20.5, 30), (0, 50, 40, 60)]
    assert all(prompt.points == () and prompt.coarse is None for prompt in result)


def test_points_belong_to_the_smallest_box_that_contains_them() -> None:
    small: Box = (10, 10, 20, 20)
    points = ((15, 15, True), (40, 40, False), (80, 50, True), (90, 50, False), (85, 55, True))
    outer, inner, more = derive(Hint(boxes=((0, 0, 50, 50), small), points=points))
    assert (inner.box, inner.points) == (small, (points[0],))
    assert (outer.box, outer.points) == ((0, 0, 50, 50), (points[1],))
    assert (more.box, more.points) == (None, (points[2], points[3], points[4]))
    assert len(derive(Hint(boxes=(small,), points=((90, 50, False),)))) == 1
    assert derive(Hint(points=points[:2])) == [Prompt(None, points[:2], None)]


def test_each_large_part_of_a_mask_gives_a_box_and_its_deepest_point() -> None:
    mask = ellipse(10, 10, 21, 21) | ellipse(50, 20, 91, 51)
    mask[0, 0] = True  # too small
    large, small = derive(Hint(mask), Prompter(points=1, margin=0.1, min_part=0.001, max_objects=8))
    assert large.box == pytest.approx((45.9, 16.9, 95.1, 54.1))
    assert large.points == ((70, 35, True),)
    assert small.box == pytest.approx((8.9, 8.9, 22.1, 22.1))
    assert small.points == ((15, 15, True),)
    assert large.coarse is not None
    assert (large.coarse == ellipse(50, 20, 91, 51)).all()
    (only,) = derive(Hint(mask), Prompter(points=0, margin=0.0, min_part=0.001, max_objects=1))
    assert (only.box, only.points) == ((50, 20, 91, 51), ())


def test_boxes_take_precedence_and_the_mask_gives_points_in_them() -> None:
    mask = ellipse(10, 10, 21, 21) | ellipse(50, 20, 91, 51)
    first, second = derive(Hint(mask, ((5, 5, 30, 30), (30, 52, 48, 60))))
    assert (first.box, first.points) == ((5, 5, 30, 30), ((15, 15, True),))
    assert first.coarse is not None
    assert (first.coarse == ellipse(10, 10, 21, 21)).all()
    assert second == Prompt((30, 52, 48, 60), (), None)


def test_given_points_on_the_object_replace_those_of_the_mask() -> None:
    mask = ellipse(10, 10, 21, 21)
    (prompt,) = derive(Hint(mask, points=((12, 12, True),)))
    assert prompt.points == ((12, 12, True),)
    (prompt,) = derive(Hint(mask, points=((12, 12, False),)))
    assert prompt.points == ((15, 15, True), (12, 12, False))


@pytest.mark.parametrize("box", [(10, 10, 12, 11), (0, 0, WIDTH, HEIGHT)])
def test_the_largest_part_counts_whatever_its_size(box: tuple[int, int, int, int]) -> None:
    assert derive(Hint(rectangle(*box))) == [Prompt(box, (), None)]


def test_a_part_that_fills_its_box_is_a_drawn_box() -> None:
    grown = Prompter(points=1, margin=0.5, min_part=0.001, max_objects=8)
    drawn = rectangle(10, 10, 30, 40)
    drawn[10, 10:14] = False  # a rounded corner, as some tools draw it
    mask = drawn | ellipse(50, 20, 71, 41)
    first, second = derive(Hint(mask), grown)
    assert first == Prompt((10, 10, 30, 40), (), None)
    assert second.points == ((60, 30, True),)
    assert second.coarse is not None
    (prompt,) = derive(Hint(drawn, ((5, 5, 35, 45),), ((20, 20, False),)))
    assert prompt == Prompt((5, 5, 35, 45), ((20, 20, False),), None)
    drawn[10:20, 10:20] = False
    (prompt,) = derive(Hint(drawn))
    assert len(prompt.points) == 1


@pytest.mark.parametrize(
    "hint",
    [
        Hint(),
        Hint(np.zeros((HEIGHT, WIDTH), bool)),
        Hint(points=((5, 5, False),)),
        Hint(boxes=((200, 0, 300, 50),)),
        Hint(boxes=((0, 0, 9, 9), (20, 20, 30, 20))),
        Hint(boxes=((0, 0, float("inf"), 10),)),
        Hint(points=((101, 5, True),)),
        Hint(points=((5, float("nan"), True),)),
    ],
)
def test_unusable_hints_are_rejected(hint: Hint) -> None:
    with pytest.raises(Rejected) as caught:
        derive(hint)
    assert caught.value.reason == "missing_hint"


MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=16))


@settings(deadline=None)
@given(MASKS, st.integers(0, 5))
def test_deepest_points_are_different_pixels_of_the_mask(mask: np.ndarray, count: int) -> None:
    result = deepest_points(mask, count)
    assert len(result) == min(count, np.count_nonzero(mask))
    assert len(set(result)) == len(result)
    assert all(on and mask[int(y), int(x)] for x, y, on in result)
    if result:
        depth = ndimage.distance_transform_edt(np.pad(mask, 1))
        x, y, _ = result[0]
        assert depth[int(y) + 1, int(x) + 1] == pytest.approx(depth.max(), abs=1e-3)


def test_later_points_keep_a_distance() -> None:
    first, second = deepest_points(rectangle(10, 10, 61, 21), 2)
    assert abs(first[0] - second[0]) >= 5


@settings(deadline=None)
@given(MASKS)
def test_parts_are_the_connected_components_by_size(mask: np.ndarray) -> None:
    result = parts(mask, 0.0, 256)
    if not mask.any():
        assert result == []
        return
    assert (np.sum(result, axis=0) == mask).all()
    sizes = [int(part.sum()) for part in result]
    assert sizes == sorted(sizes, reverse=True)
    assert len(result) == ndimage.label(mask, np.ones((3, 3)))[1]


def test_prompts_of_the_same_shape_form_one_query() -> None:
    box: Box = (0, 0, 9, 9)
    on: Point = (1, 1, True)
    prompts = [
        Prompt(box, (), None),
        Prompt(box, (on,), None),
        Prompt(None, (on,), None),
        Prompt(box, (), None),
        Prompt(box, ((2, 2, False),), None),
    ]
    groups = group_prompts(prompts)
    assert [objects for objects, _ in groups] == [[0, 3], [1, 4], [2]]
    assert [{name: values.tolist() for name, values in query.items()} for _, query in groups] == [
        {"input_boxes": [list(box)] * 2},
        {"input_boxes": [list(box)] * 2, "input_points": [[[1, 1]], [[2, 2]]], "input_labels": [[1], [0]]},
        {"input_points": [[[1, 1]]], "input_labels": [[1]]},
    ]
    assert [len(objects) for objects, _ in group_prompts([Prompt(box, (), None)] * 130)] == [64, 64, 2]
