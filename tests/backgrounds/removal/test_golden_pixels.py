"""Pixels of the removers whose results are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from support.removal_inputs import boxed

from xray.backgrounds.removal.fill import Fill
from xray.backgrounds.removal.telea import Telea
from xray.backgrounds.removal.tile import Tile, largest_strip
from xray.core.compositing import noise
from xray.core.types import Photo


def ramp(height: int = 6, width: int = 8) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 30, y * 40, (x + y) * 10], axis=-1).astype(np.uint8)


def test_telea() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:6] = True
    result = Telea(dilate=0, radius=2).remove(Photo(ramp(), mask), 0)
    assert result[2:4, 3:6, 0].tolist() == [[72, 110, 145], [79, 116, 147]]


@pytest.mark.parametrize(
    ("box", "strip"),
    [
        ((8, 2, 14, 8), (slice(None), slice(0, 8))),  # left 8×10 = 80, bottom 20×2 = 40
        ((6, 2, 12, 8), (slice(None), slice(12, 20))),  # right 80
        ((7, 4, 13, 5), (slice(5, 10), slice(None))),  # bottom 20×5 = 100, right 7×10 = 70
        ((7, 5, 13, 6), (slice(0, 5), slice(None))),  # top 100
        ((4, 2, 16, 8), (slice(8, 10), slice(None))),  # sides equal top and bottom, 40: the strip below
        ((5, 0, 15, 10), (slice(None), slice(15, 20))),  # left and right equal: the right one
        ((0, 0, 20, 4), (slice(4, 10), slice(None))),  # only the bottom is left
        ((0, 0, 16, 10), (slice(None), slice(16, 20))),  # only the right side is left
    ],
)
def test_largest_strip(box: tuple[int, int, int, int], strip: tuple[slice, slice]) -> None:
    image = ramp(10, 20)
    assert np.array_equal(largest_strip(image, box), image[strip])


def test_tiles_start_at_the_corner_of_the_photograph() -> None:
    mask = np.zeros((6, 8), bool)
    mask[2:4, 3:6] = True  # left strip: 3 of 8 columns; top and bottom: 2 of 6 rows
    result = Tile().remove(Photo(ramp(), mask), 0)
    expected = ramp()
    expected[2:4, 3:6] = ramp()[2:4, 0:3]
    assert np.array_equal(result, expected)
    mask[2:4, 3:5] = True
    mask[:, 5] = mask[:, 3] = False
    mask[2, 4] = True
    result = Tile().remove(Photo(ramp(), mask), 0)  # the box is column 4; the strip on its left has 4 columns
    assert np.array_equal(result[2:4, 4], ramp()[2:4, 0])


def test_a_strip_of_one_colour_colours_the_box_alone() -> None:
    photo = boxed(40, 60, (30, 10, 50, 30))
    photo.image[:, :30] = (1, 2, 3)
    result = Tile().remove(photo, 0)
    assert (result[10:30, 30:50] == (1, 2, 3)).all()
    photo.image[10:30, 30:50] = (1, 2, 3)
    assert np.array_equal(result, photo.image)


@pytest.mark.parametrize(("fill", "colour"), [("black", 0), ("white", 255)])
def test_plain_colours(fill: str, colour: int) -> None:
    photo = boxed(40, 60, (30, 10, 50, 30))
    photo.mask[10, 30] = False
    in_object, in_box = (Fill(fill=fill, region=region).remove(photo, 0) for region in ("mask", "box"))
    assert (in_object[photo.mask] == colour).all()
    assert np.array_equal(in_object[~photo.mask], photo.image[~photo.mask])
    assert (in_box[10:30, 30:50] == colour).all()


def test_mean_is_of_the_background() -> None:
    photo = boxed(40, 60, (30, 10, 50, 30))
    mean = np.rint(photo.image[~photo.mask].mean(axis=0))
    assert (Fill(fill="mean").remove(photo, 0)[photo.mask] == mean).all()


def test_noise_is_of_the_seed() -> None:
    photo = boxed(40, 60, (30, 10, 50, 30))
    assert np.array_equal(Fill(fill="noise").remove(photo, 7)[photo.mask], noise((40, 60, 3), 7)[photo.mask])
