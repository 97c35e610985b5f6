from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.masks import Mask
from xray.masks.comparison import boundary_f

SHAPE = (60, 80)
"""The diagonal has 100 pixels."""


def square(left: int, top: int = 10, side: int = 20) -> Mask:
    mask = np.zeros(SHAPE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_equal_masks_and_masks_within_the_tolerance() -> None:
    assert boundary_f(square(10), square(10)) == 1.0
    assert boundary_f(square(10), square(11)) == 1.0


def test_a_worked_example() -> None:
    """Two squares of side 20, one moved by 3 pixels to the right; each outline has 4 · 19 = 76 pixels.

    Near, within one pixel of the other outline, are of the moved square's left side the corners, which lie on the
    other's top and bottom, and the pixels next to them: 4 of 20. Of its top and bottom columns 14 to 30 are near: 17
    each. Of its right side, 3 pixels from the other's, no further pixel is.
    """
    near = 4 + 2 * 17
    assert boundary_f(square(13), square(10)) == pytest.approx(near / 76)


def test_precision_and_recall_differ() -> None:
    """A square and the same square with another beside it: all of the outline is right, half of the true one missed."""
    both = square(10) | square(50)
    assert boundary_f(square(10), both) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert boundary_f(both, square(10)) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_where_the_image_ends_there_is_no_outline() -> None:
    left, whole = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    left[:, :40] = True
    assert boundary_f(left, np.roll(left, 1, axis=1) | left) == 1.0
    assert boundary_f(whole, whole) == boundary_f(~whole, ~whole) == 1.0
    assert boundary_f(whole, left) == boundary_f(left, ~whole) == boundary_f(whole, ~whole) == 0.0


@given(st.integers(0, 60), st.integers(0, 40), st.integers(0, 60), st.integers(0, 40))
def test_it_is_symmetric_and_between_0_and_1(left: int, top: int, other_left: int, other_top: int) -> None:
    one, other = square(left, top), square(other_left, other_top)
    value = boundary_f(one, other)
    assert 0 <= value <= 1
    assert value == pytest.approx(boundary_f(other, one))


def test_the_tolerance_grows_with_the_image() -> None:
    large = np.kron(square(10), np.ones((4, 4), bool))  # a diagonal of 400: ⌈3.2⌉ = 4 pixels
    assert boundary_f(np.roll(large, 4, axis=1), large) == 1.0
    assert boundary_f(np.roll(large, 5, axis=1), large) < 1.0
