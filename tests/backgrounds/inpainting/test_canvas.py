from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xray.backgrounds.inpainting.canvas import Canvas, colours, feathered, field, fit, kept, sizes, spread
from xray.core.errors import Rejected
from xray.core.types import Photo

SIDES = st.integers(16, 400)
MULTIPLES = st.sampled_from([8, 16, 32, 64])


def photo_of(mask: np.ndarray, seed: int = 0) -> Photo:
    numbers = np.random.Generator(np.random.PCG64(seed))
    return Photo(numbers.integers(0, 256, (*mask.shape, 3), dtype=np.uint8), mask)


@given(st.integers(1, 6000), st.integers(1, 6000), st.integers(64, 1024), MULTIPLES)
@example(800, 100, 1024, 32)
@example(100, 800, 512, 64)
def test_any_shape_is_kept_on_a_canvas_that_it_touches(width: int, height: int, side: int, multiple: int) -> None:
    canvas = fit((width, height), side, multiple)
    scale = min(canvas.size[0] / width, canvas.size[1] / height)
    for before, inner, outer in zip((width, height), canvas.inner, canvas.size, strict=True):
        assert inner == pytest.approx(before * scale, abs=0.5 + 1e-9) or inner == 1 > before * scale
        assert outer % multiple == 0
        assert inner <= outer
    assert canvas.inner[0] == canvas.size[0] or canvas.inner[1] == canvas.size[1]


@given(st.floats(0.25, 4), st.sampled_from([(1024, 32, 0.87), (768, 64, 0.85), (512, 64, 0.78), (1024, 64, 0.87)]))
@example(1.5, (512, 64, 0.78))
def test_common_shapes_fill_most_of_about_the_models_area(aspect: float, model: tuple[int, int, float]) -> None:
    side, multiple, least = model
    canvas = fit((round(2000 * math.sqrt(aspect)), round(2000 / math.sqrt(aspect))), side, multiple)
    assert math.prod(canvas.size) == pytest.approx(side * side, rel=0.05)
    assert math.prod(canvas.inner) >= least * math.prod(canvas.size)
    assert canvas.scale == pytest.approx(math.sqrt(math.prod(canvas.inner)) / 2000, rel=0.002)


@pytest.mark.parametrize(("side", "multiple", "most"), [(1024, 32, 11), (768, 64, 9), (512, 64, 7)])
def test_photographs_of_many_shapes_meet_few_canvases(side: int, multiple: int, most: int) -> None:
    shapes = [(500, height) for height in range(250, 501)] + [(width, 500) for width in range(250, 500)]
    assert len({fit(shape, side, multiple).size for shape in shapes}) <= most
    assert {(height, width) for width, height in sizes(side, multiple)} == set(sizes(side, multiple))


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


@given(SIDES, SIDES, st.integers(64, 256), st.sampled_from([8, 16]), st.integers(0, 2**32))
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


@pytest.mark.parametrize("size", [(100, 50), (50, 100)])
def test_background_and_padding_are_painted_and_the_object_is_not(size: tuple[int, int]) -> None:
    mask = np.zeros(size[::-1], bool)
    mask[10:30, 10:30] = True
    canvas = fit(size, side=200, multiple=64)
    paint = canvas.to_paint(mask)
    left, top = canvas.corner
    assert (left > 0) == (size[0] > size[1])
    assert (top > 0) == (size[1] > size[0])
    assert set(np.unique(paint)) == {0, 255}
    inside = paint[top : top + canvas.inner[1], left : left + canvas.inner[0]]
    outside = paint.copy()
    outside[top : top + canvas.inner[1], left : left + canvas.inner[0]] = 255
    assert (outside == 255).all()
    assert (inside == 0).mean() == pytest.approx(mask.mean(), rel=0.05)
    assert inside[int(20 * canvas.scale), int(20 * canvas.scale)] == 0
    assert inside[-1, -1] == 255


@pytest.mark.parametrize("size", [(100, 50), (50, 100)])
def test_the_padding_repeats_the_frame(size: tuple[int, int]) -> None:
    canvas = fit(size, side=200, multiple=64)
    image = canvas.image(photo_of(np.ones(size[::-1], bool)).image)
    left, top = canvas.corner
    assert left + top > 0
    assert (image[:, :left] == image[:, left : left + 1]).all()
    assert (image[:top] == image[top : top + 1]).all()


@given(SIDES, SIDES, st.sampled_from([(64, 16), (128, 16), (128, 64)]), st.integers(0, 2**32))
def test_a_latent_cell_stays_if_any_pixel_of_the_object_lies_in_it(
    width: int, height: int, model: tuple[int, int], seed: int
) -> None:
    numbers = np.random.Generator(np.random.PCG64(seed))
    mask = np.zeros((height, width), bool)
    mask[:, numbers.integers(0, width // 2)] = True  # a leg of one pixel
    canvas = fit((width, height), *model)
    exact, cells = canvas.to_paint(mask), canvas.to_paint(mask, 8)
    assert cells.shape == exact.shape
    for y in range(0, exact.shape[0], 8):
        for x in range(0, exact.shape[1], 8):
            assert (cells[y : y + 8, x : x + 8] == exact[y : y + 8, x : x + 8].min()).all()


def test_cells_that_leave_nothing_to_paint_are_refused() -> None:
    mask = np.ones((64, 64), bool)
    mask[:, 3] = False  # in the same cells as the object
    canvas = fit((64, 64), side=64, multiple=16)
    assert canvas.to_paint(mask).any()
    with pytest.raises(Rejected, match="mask_full"):
        canvas.to_paint(mask, 8)


def test_what_stays_is_spread_to_its_nearest_neighbours() -> None:
    photo = np.arange(21, dtype=np.uint8).reshape(1, 7, 3)
    stays = np.array([[False, False, True, False, False, True, False]])
    assert spread(photo, stays)[0, :, 0].tolist() == [6, 6, 6, 6, 15, 15, 15]
    assert np.array_equal(spread(photo, np.ones((1, 7), bool)), photo)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_nothing_of_the_rest_is_left_beside_what_stays(width: int, height: int, seed: int) -> None:
    numbers = np.random.Generator(np.random.PCG64(seed))
    photo = numbers.integers(0, 256, (height, width, 3), dtype=np.uint8)
    stays = numbers.random((height, width)) < 0.2
    stays[0, 0] = True
    other = np.where(stays[:, :, None], photo, 255 - photo)
    assert np.array_equal(spread(photo, stays), spread(other, stays))
    assert np.array_equal(spread(photo, stays)[stays], photo[stays])


def test_brightness_differs_from_seed_to_seed_as_among_photographs() -> None:
    means = np.array([colours(seed).mean() for seed in range(500)])
    assert means.mean() == pytest.approx(127, abs=6)
    assert 30 < means.std() < 50


def test_a_field_passes_from_colour_to_colour() -> None:
    painted = field((96, 64), seed=3)
    assert painted.shape == (64, 96, 3)
    assert np.array_equal(painted[[0, 0, -1, -1], [0, -1, 0, -1]], colours(3)[[0, 0, -1, -1], [0, -1, 0, -1]])
    assert np.abs(np.diff(painted.astype(int), axis=1)).max() <= 6
    assert not np.array_equal(painted, field((96, 64), seed=4))


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
