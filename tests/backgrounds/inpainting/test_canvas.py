from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xray.backgrounds.inpainting.canvas import (
    canvas_sizes,
    colour_field,
    extend_kept_pixels,
    feather_edge,
    fit_canvas,
    kept_region,
    seed_colours,
)
from xray.core.errors import Rejected
from xray.core.types import Photo

SIDES = st.integers(16, 400)
MULTIPLES = st.sampled_from([8, 16, 32, 64])


def random_pixels(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photo_of(mask: np.ndarray) -> Photo:
    return Photo(random_pixels(*mask.shape), mask)


@given(st.integers(1, 6000), st.integers(1, 6000), st.integers(64, 1024), MULTIPLES)
@example(800, 100, 1024, 32)
@example(100, 800, 512, 64)
def test_photograph_keeps_its_aspect_and_touches_the_canvas(width: int, height: int, side: int, multiple: int) -> None:
    canvas = fit_canvas((width, height), side, multiple)
    scale = min(canvas.size[0] / width, canvas.size[1] / height)
    for before, inner, outer in zip((width, height), canvas.inner, canvas.size, strict=True):
        assert inner == pytest.approx(before * scale, abs=0.5 + 1e-9) or inner == 1 > before * scale
        assert outer % multiple == 0
        assert inner <= outer
    assert canvas.inner[0] == canvas.size[0] or canvas.inner[1] == canvas.size[1]


@given(st.floats(0.25, 4), st.sampled_from([(1024, 32, 0.87), (768, 64, 0.85), (512, 64, 0.78), (1024, 64, 0.87)]))
@example(1.5, (512, 64, 0.78))
def test_common_shapes_fill_most_of_the_models_area(aspect: float, model: tuple[int, int, float]) -> None:
    side, multiple, min_share = model
    canvas = fit_canvas((round(2000 * math.sqrt(aspect)), round(2000 / math.sqrt(aspect))), side, multiple)
    assert math.prod(canvas.size) == pytest.approx(side * side, rel=0.05)
    assert math.prod(canvas.inner) >= min_share * math.prod(canvas.size)
    assert canvas.scale == pytest.approx(math.sqrt(math.prod(canvas.inner)) / 2000, rel=0.002)


@pytest.mark.parametrize(("side", "multiple", "max_sizes"), [(1024, 32, 11), (768, 64, 9), (512, 64, 7)])
def test_many_shapes_share_few_canvases(side: int, multiple: int, max_sizes: int) -> None:
    shapes = [(500, height) for height in range(250, 501)] + [(width, 500) for width in range(250, 500)]
    assert len({fit_canvas(shape, side, multiple).size for shape in shapes}) <= max_sizes
    sizes = set(canvas_sizes(side, multiple))
    assert {(height, width) for width, height in sizes} == sizes


@given(SIDES, SIDES, st.integers(32, 256), MULTIPLES)
@example(320, 40, 64, 16)
@example(40, 320, 256, 64)
def test_round_trip_restores_size_and_content(width: int, height: int, side: int, multiple: int) -> None:
    canvas = fit_canvas((width, height), side, multiple)
    rows, columns = np.mgrid[0:height, 0:width]
    ramp = np.stack([columns * 200 / width, rows * 200 / height, np.full_like(rows, 90)], axis=2).astype(np.uint8)
    image = canvas.scale_and_pad(ramp)
    assert image.shape == (canvas.size[1], canvas.size[0], 3)
    restored = canvas.crop_and_scale(image)
    assert restored.shape == ramp.shape
    step = 200 / min(canvas.inner) + 200 / min(width, height)  # a pixel of the ramp, at either size
    assert np.abs(restored.astype(int) - ramp).max() <= 2 * step + 2


@given(SIDES, SIDES, st.integers(64, 256), st.sampled_from([8, 16]), st.integers(0, 2**32))
def test_every_object_pixel_is_kept(width: int, height: int, side: int, multiple: int, seed: int) -> None:
    rng = np.random.Generator(np.random.PCG64(seed))
    mask = np.zeros((height, width), bool)
    mask[:, : width // 2] = rng.random((height, width // 2)) < 2 / width  # specks of a pixel
    mask[0, 0] = True
    canvas = fit_canvas((width, height), side, multiple)
    kept = canvas.inpaint_mask(mask) == 0
    left, top = canvas.corner
    rows, columns = np.nonzero(mask)
    y = np.floor((rows + 0.5) * canvas.inner[1] / height).astype(int) + top
    x = np.floor((columns + 0.5) * canvas.inner[0] / width).astype(int) + left
    assert kept[y, x].all()


@pytest.mark.parametrize("size", [(100, 50), (50, 100)])
def test_background_and_padding_are_inpainted(size: tuple[int, int]) -> None:
    mask = np.zeros(size[::-1], bool)
    mask[10:30, 10:30] = True
    canvas = fit_canvas(size, side=200, multiple=64)
    inpainted = canvas.inpaint_mask(mask)
    left, top = canvas.corner
    assert (left > 0, top > 0) == (size[0] > size[1], size[1] > size[0])
    assert set(np.unique(inpainted)) == {0, 255}
    window = slice(top, top + canvas.inner[1]), slice(left, left + canvas.inner[0])
    inside, outside = inpainted[window], inpainted.copy()
    outside[window] = 255
    assert (outside == 255).all()
    assert (inside == 0).mean() == pytest.approx(mask.mean(), rel=0.05)
    assert inside[int(20 * canvas.scale), int(20 * canvas.scale)] == 0
    assert inside[-1, -1] == 255

    image = canvas.scale_and_pad(photo_of(mask).image)
    assert (image[:, :left] == image[:, left : left + 1]).all()
    assert (image[:top] == image[top : top + 1]).all()


@given(SIDES, SIDES, st.sampled_from([(64, 16), (128, 16), (128, 64)]), st.integers(0, 2**32))
def test_cell_with_an_object_pixel_is_kept(width: int, height: int, model: tuple[int, int], seed: int) -> None:
    mask = np.zeros((height, width), bool)
    mask[:, np.random.Generator(np.random.PCG64(seed)).integers(0, width // 2)] = True  # one pixel wide
    canvas = fit_canvas((width, height), *model)
    exact, cells = canvas.inpaint_mask(mask), canvas.inpaint_mask(mask, 8)
    assert cells.shape == exact.shape
    for y in range(0, exact.shape[0], 8):
        for x in range(0, exact.shape[1], 8):
            assert (cells[y : y + 8, x : x + 8] == exact[y : y + 8, x : x + 8].min()).all()


def test_masks_without_a_canvas_pixel_to_inpaint_are_rejected() -> None:
    mask = np.ones((64, 64), bool)
    mask[:, 3] = False  # in the same cells as the object
    canvas = fit_canvas((64, 64), side=64, multiple=16)
    assert canvas.inpaint_mask(mask).any()
    with pytest.raises(Rejected, match="mask_full"):
        canvas.inpaint_mask(mask, 8)
    mask = np.ones((400, 400), bool)
    mask[200, 200] = False  # vanishes on the canvas
    with pytest.raises(Rejected, match="mask_full"):
        fit_canvas((400, 400), side=64, multiple=16).inpaint_mask(mask)


def test_kept_pixels_extend_to_their_nearest_neighbours() -> None:
    image = np.arange(21, dtype=np.uint8).reshape(1, 7, 3)
    kept = np.array([[False, False, True, False, False, True, False]])
    assert extend_kept_pixels(image, kept)[0, :, 0].tolist() == [6, 6, 6, 6, 15, 15, 15]
    assert np.array_equal(extend_kept_pixels(image, np.ones((1, 7), bool)), image)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_removed_pixels_have_no_influence(width: int, height: int, seed: int) -> None:
    image = random_pixels(height, width, seed)
    kept = np.random.Generator(np.random.PCG64(seed)).random((height, width)) < 0.2
    kept[0, 0] = True
    other = np.where(kept[:, :, None], image, 255 - image)
    assert np.array_equal(extend_kept_pixels(image, kept), extend_kept_pixels(other, kept))
    assert np.array_equal(extend_kept_pixels(image, kept)[kept], image[kept])


def test_brightness_varies_between_seeds_as_between_photographs() -> None:
    means = np.array([seed_colours(seed).mean() for seed in range(500)])
    assert means.mean() == pytest.approx(127, abs=6)
    assert 30 < means.std() < 50


def test_colour_field_interpolates_the_seed_colours() -> None:
    field = colour_field((96, 64), seed=3)
    assert field.shape == (64, 96, 3)
    assert np.array_equal(field[[0, 0, -1, -1], [0, -1, 0, -1]], seed_colours(3)[[0, 0, -1, -1], [0, -1, 0, -1]])
    assert np.abs(np.diff(field.astype(int), axis=1)).max() <= 6
    assert not np.array_equal(field, colour_field((96, 64), seed=4))


def test_kept_region_grows_and_shrinks_by_euclidean_distance() -> None:
    mask = np.zeros((21, 21), bool)
    mask[10, 10] = True
    rows, columns = np.mgrid[-10:11, -10:11]
    assert np.array_equal(kept_region(photo_of(mask), 3), rows**2 + columns**2 <= 9)
    assert np.array_equal(kept_region(photo_of(mask), 0), mask)
    mask[5:16, 5:16] = True
    smaller = np.zeros_like(mask)
    smaller[7:14, 7:14] = True
    assert np.array_equal(kept_region(photo_of(mask), -2), smaller)


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
def test_masks_without_object_or_background_are_rejected(mask: np.ndarray, dilate: int, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        kept_region(photo_of(mask), dilate)
    assert caught.value.reason == reason


def test_feather_blends_outside_the_object_only() -> None:
    mask = np.zeros((1, 12), bool)
    mask[0, :4] = True
    photo = Photo(np.full((1, 12, 3), 200, np.uint8), mask)
    inpainted = np.zeros_like(photo.image)
    assert feather_edge(photo, inpainted, 3)[0, :, 0].tolist() == [200] * 4 + [150, 100, 50] + [0] * 5
    assert feather_edge(photo, inpainted, 0) is inpainted
