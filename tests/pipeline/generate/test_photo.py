"""What a run has written of a photograph, and can no longer read, says nothing about the photograph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xray.core.errors import DamagedError, Rejected
from xray.core.images import Decoded, encode
from xray.masks import encode_mask
from xray.pipeline.generate.photo import masked_photo, removed_row, row_without_removed, without_object

IMAGE = np.full((6, 8, 3), 90, np.uint8)
REMOVED = IMAGE.copy()
REMOVED[2:4, 3:6] = 7
PHOTO = Decoded(IMAGE, None, ())
MASK = (IMAGE != REMOVED).any(axis=2)
MASK_ROW = {
    "image_id": "cup", "mask": {"bytes": encode_mask(MASK)}, "origin": "given", "status": "ok", "reason": "",
}  # fmt: skip


def removed(**changes: Any) -> dict[str, Any]:
    return {**removed_row({"image_id": "cup"}, IMAGE, REMOVED, "telea"), **changes}


def test_a_photograph_comes_with_its_mask_and_without_its_object() -> None:
    photo = masked_photo(PHOTO, MASK_ROW, removed=removed()).photo
    assert photo.removed is not None
    assert (photo.mask == MASK).all()
    assert (photo.removed == REMOVED).all()


@pytest.mark.parametrize(
    "changes", [{"patch": {"bytes": b"damaged"}}, {"patch": {"bytes": encode(IMAGE, "png")}}, {"x": 7}]
)
def test_a_damaged_patch_stops_the_work(changes: dict[str, Any]) -> None:
    with pytest.raises(DamagedError, match=r"removed/.*'cup'.*xray verify"):
        masked_photo(PHOTO, MASK_ROW, removed=removed(**changes))


def test_a_damaged_mask_stops_the_work() -> None:
    with pytest.raises(DamagedError, match=r"masks/.*'cup'.*xray verify"):
        masked_photo(PHOTO, {**MASK_ROW, "mask": {"bytes": b"damaged"}})


def test_an_object_that_could_not_be_removed_costs_what_shows_it() -> None:
    row = {"detail": None, **row_without_removed({"image_id": "cup"}, "telea", Rejected("background_too_small", "1 %"))}
    masked = masked_photo(PHOTO, MASK_ROW, removed=row)
    assert masked.photo.removed is None
    assert masked.unremoved is not None
    with pytest.raises(Rejected, match="background_too_small"):
        without_object(IMAGE, row)
