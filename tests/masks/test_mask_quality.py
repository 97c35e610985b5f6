from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from xray.core.errors import Rejected
from xray.masks import Gates, check, decode_mask, encode_mask, measure


def blocks(*corners: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((100, 100), bool)
    for row, column in corners:
        mask[row : row + 10, column : column + 10] = True
    return mask


def test_parts_and_holes() -> None:
    mask = blocks((0, 0), (10, 10), (50, 50))  # the first two touch at a corner
    mask[80:99, 0:30] = True
    mask[85:90, 5:10] = mask[85:90, 15:20] = False  # enclosed
    mask[90:99, 25:27] = False  # open to the outside
    mask[40, 40] = True  # a speck
    mask[84, 28] = False
    quality = measure(mask)
    assert quality.parts == 3
    assert quality.holes == 2
    assert quality.area == mask.mean()
    assert measure(mask, min_part=0).parts == 4
    assert measure(mask, min_part=0).holes == 3


def test_background_cut_off_by_the_border_is_no_hole() -> None:
    mask = np.zeros((30, 30), bool)
    mask[:, 10:20] = True
    assert measure(mask).holes == 0
    assert measure(np.ones((30, 30), bool)).holes == 0


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_counts_agree_with_another_implementation(mask: np.ndarray) -> None:
    quality = measure(mask, min_part=0)
    assert quality.parts == ndimage.label(mask, np.ones((3, 3)))[1]
    filled = ndimage.binary_fill_holes(mask, structure=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    assert quality.holes == ndimage.label(filled & ~mask)[1]


SPECKS = np.zeros((100, 100), bool)
SPECKS[::5, ::5] = True


@pytest.mark.parametrize(
    ("mask", "reason", "detail"),
    [
        (np.zeros((50, 50), bool), "mask_empty", "0 pixels"),
        (np.ones((50, 50), bool), "mask_full", "100.00% of the image, at most 98.00%"),
        (np.eye(1000, dtype=bool), "mask_too_small", "0.100% of the image, at least 0.500%"),
        (blocks(*((r, c) for r in (0, 40, 80) for c in (0, 40, 80))), "mask_too_many_parts", "9 parts, at most 8"),
        (SPECKS, "mask_too_small", "nothing but specks"),
    ],
)
def test_gates(mask: np.ndarray, reason: str, detail: str) -> None:
    with pytest.raises(Rejected) as caught:
        check(mask, Gates())
    assert caught.value.reason == reason
    assert detail in caught.value.detail


def test_what_passes_the_gates_is_measured() -> None:
    mask = blocks((0, 0), (40, 40))
    assert check(mask) == measure(mask)
    with pytest.raises(Rejected, match="2 parts, at most 1"):
        check(mask, Gates(max_parts=1))
    assert check(np.ones((9, 9), bool), Gates(max_area=1)).area == 1


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)))
def test_encoding_loses_nothing(mask: np.ndarray) -> None:
    data = encode_mask(mask)
    found = decode_mask(data)
    assert found.dtype == bool
    assert (found == mask).all()
    assert encode_mask(found) == data


def test_encoded_masks_are_what_other_readers_expect() -> None:
    import io

    from PIL import Image

    mask = blocks((0, 0), (40, 40))
    picture = Image.open(io.BytesIO(encode_mask(mask)))
    assert picture.mode == "1"
    assert ((np.asarray(picture.convert("L")) == 255) == mask).all()


@pytest.mark.parametrize("data", [b"", b"PNG", encode_mask(np.eye(90, dtype=bool))[:30]])
def test_what_is_no_mask_is_said(data: bytes) -> None:
    with pytest.raises(Rejected, match="corrupt_mask"):
        decode_mask(data)
