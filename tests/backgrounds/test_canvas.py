from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xray.backgrounds.canvas import Canvas, feathered, fit, kept
from xray.errors import Rejected
from xray.scenarios.base import Photo

SIDES = st.integers(16, 400)
MULTIPLES = st.sampled_from([8, 16, 32, 64])


def photo_of(mask: np.ndarray, seed: int = 0) -> Photo:
    numbers = np.random.Generator(np.random.PCG64(seed))
    return Photo(numbers.integers(0, 256, (*mask.shape, 3), dtype=np.uint8), mask)


@given(st.integers(1, 6000), st.integers(1, 6000), st.integers(64, 1024), MULTIPLES)
@example(800, 100, 1024, 32)
@example(100, 800, 512, 64)
def test_any_shape_keeps_its_aspect_and_about_the_models_area(
    width: int, height: int, side: int, multiple: int
) -> None:
    canvas = fit((width, height), side, multiple)
    scale = side / math.sqrt(width * height)
    for before, inner, outer in zip((width, height), canvas.inner, canvas.size, strict=True):
        assert inner == pytest.approx(before * scale, abs=0.5) or inner == 1 > before * scale
        assert outer % multiple == 0
        assert 0 <= outer - inner < multiple


@given(SIDES, SIDES, st.integers(32, 256), MULTIPLES)
@example(320, 40, 64, 16)
@example(40, 320, 256, 64)
def test_what_comes_back_has_exactly_the_photographs_size(width: int, height: int, side: int, multiple: int) -> None:
    canvas = fit((width, height), side, multiple)
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack([columns * 200 / width, rows * 200 / height, np.full_like(rows, 90)], axis=2).astype(np.uint8)
    image = canvas.image(ramp)
    assert image.shape == (canvas.size[1], canvas.size[0], 3)
    back = canvas.back(image)
    assert back.shape == ramp.shape
    step = 200 / min(canvas.inner) + 200 / min(width, height)  # a pixel's worth of the ramp, of either size
    assert np.abs(back.astype(int) - ramp).max() <= 2 * step + 2


def test_a_canvas_of_the_photographs_own_size_changes_nothing() -> None:
    canvas = fit((128, 32), side=64, multiple=16)
    assert canvas == Canvas((128, 32), (128, 32), (128, 32))
    photo = photo_of(np.ones((32, 128), bool))
    assert np.array_equal(canvas.image(photo.image), photo.image)
    assert np.array_equal(canvas.back(photo.image), photo.image)


@pytest.mark.parametrize("size", [(300, 200), (640, 80), (80, 640), (99, 101)])
def test_a_disc_stays_round(size: tuple[int, int]) -> None:
    disc = cv2.circle(np.zeros(size[::-1], np.uint8), (size[0] // 2, size[1] // 2), min(size) // 3, 255, -1)
    canvas = fit(size, side=256, multiple=32)
    stays = canvas.to_paint(disc > 0) == 0
    width, height = np.ptp(np.flatnonzero(stays.any(axis=0))) + 1, np.ptp(np.flatnonzero(stays.any(axis=1))) + 1
    assert abs(int(width) - int(height)) <= 2


@given(SIDES, SIDES, st.integers(16, 256), MULTIPLES, st.integers(0, 2**32))
def test_no_pixel_of_the_object_is_given_up(width: int, height: int, side: int, multiple: int, seed: int) -> None:
    numbers = np.random.Generator(np.random.PCG64(seed))
    mask = np.zeros((height, width), bool)
    mask[:, : width // 2] = numbers.random((height, width // 2)) < 2 / width  # specks of a pixel
    mask[0, 0] = True
    canvas = fit((width, height), side, multiple)
    stays = canvas.to_paint(mask) == 0
    left, top = canvas.corner
    rows, columns = np.nonzero(mask)
    at_y = np.floor((rows + 0.5) * canvas.inner[1] / height).astype(int) + top
    at_x = np.floor((columns + 0.5) * canvas.inner[0] / width).astype(int) + left
    assert stays[at_y, at_x].all()


def test_background_and_padding_are_painted_and_the_object_is_not() -> None:
    mask = np.zeros((50, 100), bool)
    mask[10:30, 20:60] = True
    canvas = fit((100, 50), side=200, multiple=64)
    paint = canvas.to_paint(mask)
    left, top = canvas.corner
    assert left > 0
    assert top > 0
    assert set(np.unique(paint)) == {0, 255}
    inside = paint[top : top + canvas.inner[1], left : left + canvas.inner[0]]
    outside = paint.copy()
    outside[top : top + canvas.inner[1], left : left + canvas.inner[0]] = 255
    assert (outside == 255).all()
    assert (inside == 0).mean() == pytest.approx(mask.mean(), rel=0.05)
    assert inside[canvas.inner[1] // 2, canvas.inner[0] // 2 - 20] == 0
    assert inside[-1, -1] == 255


def test_the_padding_repeats_the_frame() -> None:
    canvas = fit((100, 50), side=200, multiple=64)
    image = canvas.image(photo_of(np.ones((50, 100), bool)).image)
    left, top = canvas.corner
    assert (image[:, :left] == image[:, left : left + 1]).all()
    assert (image[:top] == image[top : top + 1]).all()


def test_the_kept_region_grows_and_shrinks_as_the_crow_flies() -> None:
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    rows, columns = np.mgrid[-10:11, -10:11]
    assert np.array_equal(kept(photo_of(mask), 3), rows**2 + columns**2 <= 9)
    assert np.array_equal(kept(photo_of(mask), 0), mask)
    mask[5:16, 5:16] = True
    smaller = np.zeros_like(mask)
    smaller[7:14, 7:14] = True
    assert np.array_equal(kept(photo_of(mask), -2), smaller)


@pytest.mark.parametrize(
    ("mask", "dilate", "reason"),
    [
        (np.zeros((9, 9), bool), 0, "mask_empty"),
        (np.ones((9, 9), bool), 0, "mask_full"),
        (np.ones((9, 9), bool), -1, "mask_full"),
        (np.eye(9, dtype=bool), 9, "mask_full"),
        (np.eye(9, dtype=bool), -1, "mask_too_small"),
    ],
)
def test_masks_that_leave_nothing_are_refused(mask: np.ndarray, dilate: int, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        kept(photo_of(mask), dilate)
    assert caught.value.reason == reason


def test_a_background_too_thin_for_the_canvas_is_refused() -> None:
    mask = np.ones((400, 400), bool)
    mask[200, 200] = False
    with pytest.raises(Rejected, match="mask_full"):
        fit((400, 400), side=64, multiple=16).to_paint(mask)


def test_a_feather_blends_outside_the_object_only() -> None:
    mask = np.zeros((1, 12), bool)
    mask[0, :4] = True
    photo = Photo(np.full((1, 12, 3), 200, np.uint8), mask)
    painting = np.zeros_like(photo.image)
    blended = feathered(photo, painting, 3)[0, :, 0]
    assert blended.tolist() == [200, 200, 200, 200, 150, 100, 50, 0, 0, 0, 0, 0]
    assert feathered(photo, painting, 0) is painting
