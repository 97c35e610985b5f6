from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.mask_inputs import png

from xray.core.errors import Rejected
from xray.core.images import Decoded, Header, upright
from xray.masks.fitting import TurnedPhoto, decide_position, fit_to_photo, read_mask, same_shape, turn_hints
from xray.masks.formats.png import Png
from xray.sources.base import RELATIVE

BOX = (4, 2, 10, 5)


def header(width: int = 30, height: int = 20, orientation: int = 1) -> Header:
    return Header("JPEG", width, height, orientation)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_and_points_on_stored_pixels_are_turned_with_the_photograph(orientation: int) -> None:
    x0, y0, x1, y1 = BOX
    stored = np.zeros((20, 30), np.uint8)
    stored[y0:y1, x0:x1] = 1
    rows, columns = np.nonzero(upright(stored, orientation))
    photo = header(20, 30, orientation)
    (box,), ((x, y, inside),) = fit_to_photo([BOX], [(4.5, 2.5, True)], (30, 20), photo)
    assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert upright(stored, orientation)[int(y), int(x)] == 1
    assert inside


def test_boxes_are_scaled_from_a_copy_of_another_size() -> None:
    assert fit_to_photo([BOX], [(4, 2, False)], (15, 10), header()) == ([(8, 4, 20, 10)], [(8, 4, False)])
    assert fit_to_photo([BOX], [], None, header()) == ([BOX], [])
    assert fit_to_photo([BOX], [], (30, 20), header(orientation=3)) == ([BOX], [])


@pytest.mark.parametrize("size", [(20, 20), (20, 30), (300, 100)])
def test_an_image_of_another_shape_is_refused_with_both_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(Rejected) as caught:
        fit_to_photo([BOX], [], size, header())
    assert caught.value.reason == "mask_wrong_size"
    assert all(text in caught.value.detail for text in (f"{size[0]}×{size[1]}", "30×20"))


def stored_photo(orientation: int, height: int = 40, width: int = 60) -> tuple[np.ndarray, Decoded]:
    """Return a mask on the stored pixels, and its upright photograph."""
    stored = np.zeros((height, width), bool)
    stored[5:15, 10:50] = stored[5:30, 10:20] = True
    image = np.zeros((*upright(stored.view(np.uint8), orientation).shape, 3), np.uint8)
    return stored, Decoded(image, None, (), orientation)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_of_stored_pixels_are_turned_in_every_orientation(orientation: int) -> None:
    for side in (40, 60):
        stored, decoded = stored_photo(orientation, width=side, height=side if side == 40 else 40)
        mask, notes = read_mask(Png(root="m", drawn_on="stored"), png(stored.astype(np.uint8) * 255), decoded)
        assert (mask == upright(stored.view(np.uint8), orientation).view(bool)).all()
        assert ("mask_rotated_by_exif" in notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_masks_of_another_size_need_resize(orientation: int) -> None:
    stored, decoded = stored_photo(orientation, 90, 121)
    small = png(stored.repeat(2, axis=0).repeat(2, axis=1)[::4, ::4].astype(np.uint8) * 255)
    with pytest.raises(Rejected) as caught:
        read_mask(Png(root="m"), small, decoded)
    assert caught.value.reason == "mask_wrong_size"
    assert "45" in caught.value.detail
    assert "121" in caught.value.detail
    mask, notes = read_mask(Png(root="m", resize=True, drawn_on="stored"), small, decoded)
    truth = upright(stored.view(np.uint8), orientation).view(bool)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.85
    assert "mask_resized" in notes


def test_other_shapes_and_huge_masks_stay_refused() -> None:
    _, decoded = stored_photo(1)
    for shape in ((40, 40), (400, 600)):
        with pytest.raises(Rejected, match="mask_wrong_size"):
            read_mask(Png(root="m", resize=True), png(np.zeros(shape, np.uint8)), decoded)


@given(
    st.integers(20, 4000), st.integers(20, 4000), st.floats(0.05, 1), st.sampled_from([math.floor, math.ceil, round])
)
def test_scaled_sizes_have_the_same_shape(width: int, height: int, scale: float, cut: Callable[[float], int]) -> None:
    assert same_shape((max(1, cut(width * scale)), max(1, cut(height * scale))), (width, height))


LYING = TurnedPhoto("lying.jpg", 6, (180, 240), (240, 180))
STANDING = TurnedPhoto("standing.jpg", 6, (180, 240), (180, 240))
HEADLONG = TurnedPhoto("headlong.jpg", 3, (240, 180), (240, 180))
SQUARE = TurnedPhoto("square.jpg", 6, (180, 180), (180, 180))


@pytest.mark.parametrize(
    ("photos", "position", "notes"),
    [
        ([], None, 0),
        ([LYING, STANDING], None, 0),
        ([LYING, HEADLONG], "stored", 1),
        ([LYING, SQUARE], "stored", 1),
        ([STANDING, HEADLONG], "upright", 0),
        ([LYING, STANDING, HEADLONG], None, 1),
        ([HEADLONG], None, 1),
    ],
)
def test_photographs_on_their_side_tell_about_those_upside_down(
    photos: list[TurnedPhoto], position: str | None, notes: int
) -> None:
    decided, said = decide_position(photos)
    assert (decided, len(said)) == (position, notes)
    assert all("headlong.jpg" in note or "square.jpg" in note for note in said)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_boxes_of_stored_pixels_are_turned(orientation: int) -> None:
    x0, y0, x1, y1 = BOX
    stored = np.zeros((20, 20), np.uint8)
    stored[y0:y1, x0:x1] = 1
    rows, columns = np.nonzero(upright(stored, orientation))
    (box,), _ = turn_hints([BOX], [], (20, 20), orientation)
    assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_shares_of_width_and_height_are_scaled_and_may_be_of_stored_pixels(orientation: int) -> None:
    photo = header(20, 30, orientation) if orientation >= 5 else header(30, 20, orientation)
    x0, y0, x1, y1 = BOX
    share = (x0 / 30, y0 / 20, x1 / 30, y1 / 20)
    size = (photo.width, photo.height)
    boxes, _ = fit_to_photo([share], [], RELATIVE, photo)
    assert np.allclose(boxes, [np.array(share) * (*size, *size)])
    stored = np.zeros((20, 30), np.uint8)
    stored[y0:y1, x0:x1] = 1
    rows, columns = np.nonzero(upright(stored, orientation))
    turned, _ = turn_hints(boxes, [], size, orientation, relative=True)
    assert np.allclose(turned, [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)])
    assert TurnedPhoto("a", orientation, size, RELATIVE).undecided
