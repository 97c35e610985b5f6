from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from support.brush import encode_brush

from xray.masks.reading.brush import decode_brush
from xray.masks.reading.outlines import encode_runs, fill, fill_all, fill_runs, outline_of, rectangle

MASKS = arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


@given(MASKS)
def test_runs_are_read_as_they_were_written(mask: np.ndarray) -> None:
    assert np.array_equal(fill_runs(encode_runs(mask), *mask.shape), mask)


@given(MASKS, st.integers(1, 9))
def test_brush_strokes_are_read_as_they_were_written(mask: np.ndarray, repeat_from: int) -> None:
    data = encode_brush(mask, repeat_from)
    assert np.array_equal(decode_brush(data, mask.shape[1], mask.shape[0]), mask)
    for damaged in (data[:-2], data[:4], b"", data[:5] + b"\xff" + data[6:]):
        with pytest.raises(ValueError, match="brush stroke"):
            decode_brush(damaged, mask.shape[1], mask.shape[0] + (len(damaged) == len(data)))


@pytest.mark.parametrize("segmentation", [None, {}, "", []])
def test_empty_segmentations_are_none(segmentation: Any) -> None:
    assert outline_of(segmentation) is None


@pytest.mark.parametrize("segmentation", ["abc", 3, {"counts": []}, [1, [2]], ["a"], [None]])
def test_other_segmentations_are_refused(segmentation: Any) -> None:
    with pytest.raises(ValueError, match=r"polygon|run lengths|outline"):
        fill(outline_of(segmentation), 10, 10)


@pytest.mark.parametrize("bad", [[1, 2], [], [1, 2, 3], [1, 2, 3, float("nan"), 5, 6], ["a"] * 6, [10**400] * 6, None])
def test_a_bad_polygon_costs_only_itself(bad: Any) -> None:
    mask, problems = fill([[0, 0, 8, 0, 8, 8, 0, 8], bad], 10, 10)
    assert mask.sum() == 64
    assert len(problems) == 1


def test_rectangles_are_turned_clockwise() -> None:
    assert rectangle((0, 0, 2, 1), 90, (0, 0)) == [0, 0, 0, 2, -1, 2, -1, 0]


def test_a_polygon_that_reaches_far_beyond_the_image_keeps_its_sides() -> None:
    mask, problems = fill([[0, 0, 10_000, 100, 0, 100]], 100, 100)  # below the line from (0, 0) to (100, 1)
    assert mask.sum() > 9900
    assert not problems
    assert not fill([[500, 500, 600, 500, 600, 600]], 100, 100)[0].any()


@given(st.lists(MASKS.map(encode_runs), min_size=1, max_size=4), st.data())
def test_many_outlines_are_filled_like_each_alone(runs: list[Any], data: st.DataObject) -> None:
    height, width = runs[0]["size"]
    numbers = st.floats(-3 * max(height, width), 3 * max(height, width))
    polygons = data.draw(st.lists(st.lists(numbers, min_size=8, max_size=8), max_size=3))
    outlines = [one for one in runs if one["size"] == [height, width]] + [[one] for one in polygons]
    expected = np.logical_or.reduce([fill(one, height, width)[0] for one in outlines])
    assert np.array_equal(fill_all(outlines, height, width)[0], expected)


@pytest.mark.parametrize(
    "outlines",
    [
        [[[float(value) for step in range(200_000) for value in (60 * (step % 2), step % 64)]]],
        [[[0.0, 0.0, 63.0, 0.0, 63.0, 63.0, 0.0, 63.0]] * 20_000],
    ],
)
def test_outlines_that_are_too_long_are_refused(outlines: Any) -> None:
    with pytest.raises(ValueError, match="outlines of"):
        fill_all(outlines, 64, 64)


def test_many_polygons_take_time_in_proportion() -> None:
    started = time.process_time()
    mask, problems = fill_all([[[1, 1, 5, 5, 9, 1]] * 20_000] * 5, 64, 64)
    assert mask.any()
    assert not problems
    assert time.process_time() - started < 6


@pytest.mark.parametrize("counts", [[10**18, 5], [-5, 4101], [1], "\0zz~~", "o" * 21, [2.5], None, "0" * 100])
def test_damaged_runs_are_refused(counts: Any) -> None:
    for size in ([64, 64], [10**9, 10**9], [64], None, [0, 5]):
        with pytest.raises(ValueError, match=r"run length|RLE"):
            fill_runs({"size": size, "counts": counts}, 64, 64)


def test_images_that_are_too_large_are_refused_before_memory_is_taken() -> None:
    side = 10**6
    with pytest.raises(ValueError, match="pixels"):
        fill_runs({"size": [side, side], "counts": [side * side]}, side, side)
    with pytest.raises(ValueError, match="pixels"):
        fill_all([[[0, 0, 5, 0, 5, 5]]], side, side)
