from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.types import Photo
from xray.scenarios.placement.geometry import Box, Motion, outline_of, rotation, visible_share

from .objects import blob_photos, box_photo


@given(blob_photos())
def test_outline(photo):
    outline = outline_of(photo)
    rows, columns = np.nonzero(photo.mask)
    assert outline.box == Box(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert outline.pixels == len(rows)
    np.testing.assert_allclose(outline.centroid, [columns.mean() + 0.5, rows.mean() + 0.5])


@pytest.mark.parametrize(
    ("rows", "columns", "sides"),
    [
        (slice(1, 4), slice(1, 5), ()),
        (slice(0, 4), slice(1, 5), ("top",)),
        (slice(2, 5), slice(0, 5), ("left", "bottom")),
        (slice(0, 5), slice(0, 6), ("left", "top", "right", "bottom")),
    ],
)
def test_sides_that_cut_the_object(rows, columns, sides):
    assert outline_of(box_photo(rows, columns, (5, 6))).cut_sides == sides


def test_parts_are_counted_across_corners():
    mask = np.eye(4, dtype=bool)
    mask[0, 3] = True
    assert outline_of(Photo(np.zeros((4, 4, 3), np.uint8), mask)).parts == 2


def test_rotation_is_counter_clockwise_as_seen():
    np.testing.assert_array_equal(rotation(90) @ [1, 0], [0, -1])  # from the right to the top
    assert Motion(rotation(-270)).exact
    assert not Motion(rotation(1)).exact


@given(blob_photos(), st.floats(-180, 180), st.floats(0.3, 3))
def test_box_encloses_every_pixel_tightly(photo, angle, scale):
    outline = outline_of(photo)
    motion = Motion().then(rotation(angle) * scale, outline.box.centre)
    rows, columns = np.nonzero(photo.mask)
    corners = np.concatenate([np.column_stack((columns + x, rows + y)) for x in (0, 1) for y in (0, 1)])
    moved = motion.apply(corners.astype(float))
    box = motion.box(outline)
    np.testing.assert_allclose([box.left, box.top], moved.min(axis=0))
    np.testing.assert_allclose([box.right, box.bottom], moved.max(axis=0))


@given(st.floats(-50, 50), st.floats(0.1, 50), st.integers(1, 40))
def test_shift_inside_is_as_short_as_possible(start, size, end):
    box = Box(start, 0, start + size, 1)
    across, down = box.shift_inside((end, 1))
    assert down == 0
    moved = Box(start + across, 0, start + size + across, 1)
    assert moved.inside((end, 1)) == (size < end + 1e-6)
    if not moved.inside((end, 1)):
        assert moved.left <= 1e-9
        assert moved.right >= end - 1e-9
    if box.inside((end, 1)):
        assert abs(across) < 1e-6


def test_visible_share():
    mask = np.ones((10, 10), bool)
    assert visible_share(mask, Motion(), (10, 10)) == 1
    assert visible_share(mask, Motion().then_shift(np.array([-3.0, 0.0])), (10, 10)) == pytest.approx(0.7)
    assert visible_share(mask, Motion().then_shift(np.array([0.0, 10.0])), (10, 10)) == 0
