from __future__ import annotations

import numpy as np
import pytest

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import build
from xray.masks import Hint, Refiner
from xray.masks.guess import Guess


def photo(height: int = 60, width: int = 80) -> Decoded:
    image = np.random.Generator(np.random.PCG64(0)).integers(0, 40, (height, width, 3)).astype(np.uint8)
    image[20:40, 30:50] += 180
    return Decoded(image, None, ())


def test_the_object_in_the_middle_is_cut_out_without_any_hint() -> None:
    guess = build("mask refiner", Refiner, "guess").refine(photo(), Hint(), seed=3)
    expected = np.zeros((60, 80), bool)
    expected[20:40, 30:50] = True
    np.testing.assert_array_equal(guess.mask, expected)
    assert guess.origin == "guess"
    assert (guess.predicted_iou, guess.stability, guess.agreement) == (None, None, None)


def test_annotations_are_not_used() -> None:
    given = Hint(mask=np.eye(60, 80, dtype=bool), boxes=((0, 0, 10, 10),))
    np.testing.assert_array_equal(Guess().refine(photo(), given, 3).mask, Guess().refine(photo(), Hint(), 3).mask)


@pytest.mark.parametrize("share", [0.6, 0.8])
def test_the_mask_stays_inside_the_box(share: float) -> None:
    mask = Guess(box=share).refine(photo(), Hint(), 0).mask
    rows, columns = np.nonzero(mask)
    assert abs(rows - 29.5).max() <= share * 30
    assert abs(columns - 39.5).max() <= share * 40


def test_a_photograph_of_a_few_pixels_is_rejected() -> None:
    with pytest.raises(Rejected, match="missing_box"):
        Guess(box=0.1).refine(photo(3, 3), Hint(), 0)


def test_it_needs_no_annotation_and_says_what_it_is() -> None:
    assert not Guess.needs_hint
    assert "guess" in Guess.caveat
