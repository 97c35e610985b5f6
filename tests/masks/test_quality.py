from __future__ import annotations

import numpy as np
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from xray.core.errors import Rejected
from xray.core.schema import REASONS
from xray.masks import Gates, Mask, RefinedMask, check_gates, iou, measure, select_mask
from xray.masks.quality import agreement

LARGE = np.zeros((100, 100), bool)
LARGE[10:60, 10:60] = True
EMPTY = np.zeros_like(LARGE)
FULL = np.ones_like(LARGE)
SPECKS = np.zeros_like(LARGE)
SPECKS[::5, ::5] = True
LATTICE = LARGE.copy()
LATTICE[12:58:4, 12:58:4] = False
FEWER_HOLES = Gates(min_part=0.0, max_holes=143)


def blocks(*corners: tuple[int, int]) -> Mask:
    mask = np.zeros((100, 100), bool)
    for row, column in corners:
        mask[row : row + 10, column : column + 10] = True
    return mask


NINE = blocks(*((row, column) for row in (0, 40, 80) for column in (0, 40, 80)))


def sam(mask: Mask = LARGE, **more: float) -> RefinedMask:
    return RefinedMask(mask, "sam", **{"predicted_iou": 0.9, "stability": 0.95, **more})  # type: ignore[arg-type]


def test_small_parts_and_holes_do_not_count() -> None:
    mask = blocks((0, 0), (50, 50))
    mask[52:56, 52:56] = mask[1, 1] = False
    mask[40, 40] = True
    stats, all_sizes = measure(mask), measure(mask, min_part=0)
    assert (stats.parts, stats.holes, stats.area) == (2, 1, mask.mean())
    assert (all_sizes.parts, all_sizes.holes) == (3, 2)


@settings(deadline=None)
@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_counts_agree_with_scipy(mask: np.ndarray) -> None:
    stats = measure(mask, min_part=0)
    assert stats.parts == ndimage.label(mask, np.ones((3, 3)))[1]
    filled = ndimage.binary_fill_holes(mask, structure=[[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    assert stats.holes == ndimage.label(filled & ~mask)[1]


@pytest.mark.parametrize(
    ("mask", "gates", "reason"),
    [
        (EMPTY, Gates(), "mask_empty"),
        (FULL, Gates(), "mask_full"),
        (np.eye(1000, dtype=bool), Gates(), "mask_too_small"),
        (SPECKS, Gates(), "mask_too_small"),
        (NINE, Gates(), "mask_too_many_parts"),
        (LATTICE, FEWER_HOLES, "mask_too_many_holes"),
    ],
)
def test_gates(mask: np.ndarray, gates: Gates, reason: str) -> None:
    with pytest.raises(Rejected, match=f"{reason}: "):
        check_gates(mask, gates)


def test_a_mask_at_the_limits_of_the_gates_passes() -> None:
    assert check_gates(NINE, Gates(max_parts=9)) == measure(NINE)
    assert check_gates(FULL, Gates(max_area=1)).area == 1
    assert check_gates(LATTICE, Gates(min_part=0.0, max_holes=144)).holes == 144
    assert check_gates(LARGE, Gates(min_area=0.25, max_area=0.25)).area == 0.25


@pytest.mark.parametrize("setting", [{"min_area": -1}, {"max_area": 2}, {"max_parts": 0}, {"max_holes": -1}])
def test_gates_are_validated(setting: dict[str, float]) -> None:
    with pytest.raises(pydantic.ValidationError):
        Gates(**setting)  # type: ignore[arg-type]


def test_a_refined_mask_that_passes_is_selected() -> None:
    refined = sam(agreement=0.8)
    assert select_mask(refined, EMPTY) == (refined, check_gates(LARGE))
    assert select_mask(RefinedMask(LARGE, "grabcut"), None)[0].origin == "grabcut"
    lenient = Gates(min_predicted_iou=0, min_stability=0, min_agreement=0)
    assert select_mask(sam(predicted_iou=0, stability=0, agreement=0), None, lenient)[1] == check_gates(LARGE)


@pytest.mark.parametrize(
    ("refined", "reason", "gates"),
    [
        (sam(EMPTY), "no_object", Gates()),
        (sam(FULL), "mask_full", Gates()),
        (sam(LATTICE), "mask_too_many_holes", FEWER_HOLES),
        (sam(predicted_iou=0.69), "mask_uncertain", Gates()),
        (sam(predicted_iou=float("nan")), "mask_uncertain", Gates()),
        (sam(stability=0.79), "mask_uncertain", Gates()),
        (RefinedMask(LARGE, "grabcut", agreement=0.49), "mask_disagrees", Gates()),
    ],
)
def test_the_given_mask_is_kept_if_only_the_refined_one_fails(refined: RefinedMask, reason: str, gates: Gates) -> None:
    assert reason in REASONS
    for given_mask in (None, EMPTY, FULL):
        with pytest.raises(Rejected, match=f"{reason}: "):
            select_mask(refined, given_mask, gates)
    scores = (refined.predicted_iou, refined.stability, refined.agreement)
    kept, stats = select_mask(RefinedMask(refined.mask, refined.origin, *scores, ("x",)), LARGE, gates)
    assert kept == RefinedMask(LARGE, "given", None, None, None, ("x", reason, "given_kept"))
    assert stats == check_gates(LARGE, gates)


@pytest.mark.parametrize("origin", ["given", "alpha"])
def test_a_mask_without_refiner_is_checked_as_a_given_one(origin: str) -> None:
    assert select_mask(RefinedMask(LARGE, origin), LARGE)[0].notes == ()
    with pytest.raises(Rejected, match="mask_empty"):
        select_mask(RefinedMask(EMPTY, origin), EMPTY)


def test_agreement_with_a_drawn_box_ignores_its_shape() -> None:
    rows, columns = np.mgrid[:200, :200]
    box = (rows >= 40) & (rows < 160) & (columns >= 20) & (columns < 180)
    diagonal = box & (np.abs((rows - 40) / 120 - (columns - 20) / 160) < 0.2)
    assert iou(diagonal, box) == pytest.approx(0.36, abs=0.01)
    assert agreement(diagonal, box) == 1
    beyond = diagonal | (columns >= 180) | (rows < 40) | (rows >= 160)
    assert agreement(beyond, box) < 0.5
    shape = box & ~((rows < 70) & (columns < 60))
    assert agreement(diagonal, shape) == iou(diagonal, shape) < 0.5


def test_agreement_treats_each_part_of_the_given_mask_separately() -> None:
    drawn, shape = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    drawn[2:12, 2:12] = True
    shape[20:38, 20:38] = np.tri(18, dtype=bool)
    disc = drawn & (np.hypot(*(np.mgrid[:40, :40] - 6.5)) < 4)
    assert agreement(disc | shape, drawn | shape) == 1
    assert agreement(shape, drawn | shape) == 1, "pixels missing from a drawn box do not count"
    assert agreement(disc, drawn | shape) == pytest.approx(disc.sum() / (disc | shape).sum())
    assert agreement(EMPTY, LARGE) == agreement(LARGE, EMPTY) == 0


def test_iou() -> None:
    assert (iou(LARGE, LARGE), iou(EMPTY, EMPTY), iou(LARGE, FULL)) == (1, 0, 0.25)
