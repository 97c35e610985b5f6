from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xray.core.errors import Rejected
from xray.core.types import Photo
from xray.scenarios.placement import Direction, Position, Size, place

from .objects import blob_photos, box_of, box_photo

RECTANGLE = box_photo(slice(50, 150), slice(80, 120))
AT_TOP = box_photo(slice(0, 100), slice(80, 120))


@pytest.mark.parametrize(("asked", "rate"), [(0.05, 0.0490), (0.08, 0.0810), (0.10, 0.1000), (0.20, 0.1988)])
def test_size_of_a_rectangle(asked, rate):
    placement = place(RECTANGLE, size=Size(rate=asked))
    assert placement.sampled["rate"] == pytest.approx(rate, abs=0.001)
    assert placement.sampled["rate_before"] == 0.1
    assert placement.sampled["visible"] == 1
    assert placement.sampled["centre"] == [0.5, 0.5]


@pytest.mark.parametrize("asked", [0.1, 0.0985, 0.1015])
def test_an_object_of_the_size_is_left_alone(asked):
    placement = place(RECTANGLE, size=Size(rate=asked))
    assert placement.notes == ("already_there",)
    assert placement.photo is RECTANGLE


def test_a_square_of_half_the_side_turned_by_45_degrees_and_fitted():
    square = box_photo(slice(50, 150), slice(50, 150))
    placement = place(square, size=Size(rate="fit"), direction=Direction(angle=45))
    assert placement.sampled["scale"] == pytest.approx(2**0.5, abs=1e-6)
    assert placement.sampled["rate"] == pytest.approx(0.5, abs=0.01)


def test_nothing_asked_is_no_edit():
    placement = place(RECTANGLE)
    assert placement.photo is RECTANGLE
    assert placement.notes == ()
    assert placement.sampled == {
        **{"scale": 1.0, "angle": 0.0, "flip": False, "shift": [0.0, 0.0], "rate_before": 0.1, "rate": 0.1},
        **{"visible": 1.0, "cut_sides": [], "parts": 1, "centre": [0.5, 0.5], "distance_to_centre": 0.0},
    }


def test_an_object_that_would_leave_the_frame():
    size = Size(rate=0.2, keep_inside=False)
    with pytest.raises(Rejected) as rejection:
        place(AT_TOP, size=size)
    assert rejection.value.reason == "object_leaves_frame"
    accepted = place(AT_TOP, size=Size(rate=0.2, keep_inside=False, min_visible=0.5))
    assert accepted.sampled["rate"] == pytest.approx(0.169, abs=0.001)
    assert accepted.sampled["visible"] == pytest.approx(0.85, abs=0.01)
    assert accepted.notes == ("object_cut",)


def test_an_object_is_kept_inside():
    placement = place(AT_TOP, size=Size(rate=0.2))
    assert box_of(placement.photo)[1] == 0
    assert placement.sampled["visible"] == 1
    assert placement.sampled["shift"] == [0.0, pytest.approx(20.71, abs=0.01)]
    assert placement.sampled["cut_sides"] == ["top"]


def test_an_object_too_long_to_be_kept_inside():
    with pytest.raises(Rejected) as rejection:
        place(box_photo(slice(95, 105), slice(10, 190)), size=Size(rate=0.5))
    assert rejection.value.reason == "object_leaves_frame"


@given(blob_photos(), st.sampled_from([0.1, 0.08, 0.05]))
def test_size_is_reached_in_one_step(photo, asked):
    placement = place(photo, size=Size(rate=asked))
    if placement.notes == ("already_there",):
        assert abs(placement.sampled["rate"] / asked - 1) < 0.021
    else:
        assert abs(placement.sampled["rate"] / asked - 1) < 0.015
    assert placement.sampled["visible"] == 1


@given(blob_photos((60, 80)), st.floats(0.001, 1), st.floats(-180, 180), st.booleans(), st.booleans())
def test_any_placement_is_consistent(photo, rate, angle, about_image, flip):
    before = photo.image.copy(), photo.mask.copy()
    direction = Direction(angle=angle, about="image" if about_image else "object", min_visible=0.01)
    size = Size(rate=rate, keep_inside=False, min_visible=0.01)
    try:
        placement = place(photo, size=size, direction=direction, flip=flip)
    except Rejected as rejection:
        assume(rejection.reason not in {"object_leaves_frame", "mask_empty"})
        raise
    sampled, placed = placement.sampled, placement.photo
    assert placed.mask.shape == photo.mask.shape == placed.image.shape[:2]
    assert placed.image.dtype == np.uint8
    assert placed.image.flags.c_contiguous
    assert sampled["rate"] == pytest.approx(placed.mask.mean(), abs=1e-6)
    assert 0 < sampled["visible"] <= 1
    assert (sampled["visible"] < 1) == ("object_cut" in placement.notes)
    np.testing.assert_array_equal(photo.image, before[0])
    np.testing.assert_array_equal(photo.mask, before[1])


def test_fit_is_the_largest_uniform_scale():
    placement = place(box_photo(slice(10, 60), slice(30, 50)), size=Size(rate="fit"))
    assert box_of(placement.photo)[1::2] == (0, 200)
    assert placement.sampled["rate"] == pytest.approx(0.4, abs=0.001)
    turned = place(RECTANGLE, size=Size(rate="fit"), direction=Direction(angle=45))
    left, top, right, bottom = box_of(turned.photo)
    assert max(right - left, bottom - top) in (198, 199, 200)
    assert turned.sampled["visible"] == 1


def test_stretch_fills_the_frame():
    placement = place(box_photo(slice(30, 40), slice(5, 100)), size=Size(rate="fit", stretch=True))
    assert box_of(placement.photo) == (0, 0, 200, 200)
    assert placement.sampled["rate"] > 0.999
    rows, columns = np.ogrid[:200, :200]
    ellipse = ((rows - 99.5) / 20) ** 2 + ((columns - 99.5) / 60) ** 2 <= 1
    stretched = place(Photo(RECTANGLE.image, ellipse), size=Size(rate="fit", stretch=True))
    assert stretched.sampled["rate"] == pytest.approx(np.pi / 4, abs=0.01)


def test_parts_keep_their_relative_offset():
    mask = np.zeros((200, 200), bool)
    for number in range(10):
        mask[10 + 18 * number : 20 + 18 * number, 60 + 40 * (number % 2) : 80 + 40 * (number % 2)] = True
    placement = place(Photo(RECTANGLE.image, mask), size=Size(rate=0.02))
    scale = placement.sampled["scale"]
    assert scale == pytest.approx(np.sqrt(0.02 / mask.mean()), abs=1e-6)
    assert placement.sampled["parts"] == 10
    starts = [np.flatnonzero(placement.photo.mask[:, column])[0] for column in (78, 102)]
    assert starts[1] - starts[0] == pytest.approx(18 * scale, abs=1)


@pytest.mark.parametrize("about", ["object", "image"])
def test_direction_about(about):
    photo = box_photo(slice(20, 40), slice(90, 110))
    placement = place(photo, direction=Direction(angle=90, about=about))
    assert placement.sampled["centre"] == ([0.5, 0.15] if about == "object" else [0.15, 0.5])


def test_corners_that_leave_the_frame():
    photo = box_photo(slice(2, 198), slice(2, 198))
    with pytest.raises(Rejected) as rejection:
        place(photo, direction=Direction(angle=45))
    assert rejection.value.reason == "object_leaves_frame"
    placement = place(photo, direction=Direction(angle=5))
    assert placement.notes == ("object_cut",)
    assert 0.95 <= placement.sampled["visible"] < 1


@pytest.mark.parametrize("angle", [15, 45, 135])
def test_turning_keeps_the_area(angle):
    placement = place(RECTANGLE, direction=Direction(angle=angle))
    assert placement.sampled["rate"] == pytest.approx(0.1, rel=0.01)


def test_small_and_large_objects():
    pixel = place(box_photo(slice(7, 8), slice(9, 10)), size=Size(rate=0.01))
    assert pixel.photo.mask.any(axis=0).sum() == 20
    assert 0.006 < pixel.sampled["rate"] < 0.01  # its corners are rounded
    large = place(box_photo(slice(0, 200), slice(0, 190)), size=Size(rate=0.05))
    assert large.sampled["rate"] == pytest.approx(0.05, rel=0.02)
    only = Photo(np.full((1, 1, 3), 9, np.uint8), np.ones((1, 1), bool))
    assert place(only, flip=True, direction=Direction(angle=90)).photo.image.tolist() == [[[9, 9, 9]]]


def test_objects_that_are_not_enlarged():
    with pytest.raises(Rejected) as rejection:
        place(RECTANGLE, size=Size(rate=0.2, enlarge=False))
    assert rejection.value.reason == "object_does_not_fit"
    assert place(RECTANGLE, size=Size(rate=0.05, enlarge=False)).sampled["scale"] < 1


def test_no_object_and_a_vanishing_object():
    for photo in (box_photo(slice(0, 0), slice(0, 0)), box_photo(slice(5, 7), slice(5, 7))):
        with pytest.raises(Rejected) as rejection:
            place(photo, size=Size(rate=1e-6))
        assert rejection.value.reason == "mask_empty"


def test_identity_by_position_is_noted():
    placement = place(RECTANGLE, position=Position(where="centre"))
    assert placement.notes == ("already_there",)
    assert placement.sampled["where"] == "centre"


def test_the_photo_without_its_object_is_passed_on():
    removed = np.zeros_like(RECTANGLE.image)
    photo = Photo(RECTANGLE.image, RECTANGLE.mask, removed)
    assert place(photo, size=Size(rate=0.05)).photo.removed is removed
