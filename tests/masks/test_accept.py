from __future__ import annotations

import numpy as np
import pytest

from xray.core.errors import Rejected
from xray.core.schema import REASONS
from xray.masks import Gates, Mask, Refined, accept, check, iou
from xray.masks.quality import agreement

LARGE = np.zeros((100, 100), bool)
LARGE[10:60, 10:60] = True
EMPTY = np.zeros_like(LARGE)
FULL = np.ones_like(LARGE)
SPECKS = np.zeros_like(LARGE)
SPECKS[::25, ::25] = True
LATTICE = LARGE.copy()
LATTICE[12:58:4, 12:58:4] = False
FAIRLY_LATTICED = Gates(min_part=0.0, max_holes=143)


def sam(mask: Mask = LARGE, **more: float) -> Refined:
    return Refined(mask, "sam", **{"predicted_iou": 0.9, "stability": 0.95, **more})  # type: ignore[arg-type]


def test_what_passes_stays() -> None:
    refined = sam(agreement=0.8)
    assert accept(refined, EMPTY) == (refined, check(LARGE))
    without_measures = Refined(LARGE, "grabcut")
    assert accept(without_measures, None)[0] is without_measures


FAILING = [
    (sam(EMPTY), "no_object", Gates()),
    (Refined(EMPTY, "grabcut"), "no_object", Gates()),
    (sam(FULL), "mask_full", Gates()),
    (sam(SPECKS), "mask_too_small", Gates()),
    (sam(LATTICE), "mask_too_many_holes", FAIRLY_LATTICED),
    (sam(predicted_iou=0.69), "mask_uncertain", Gates()),
    (sam(predicted_iou=float("nan")), "mask_uncertain", Gates()),
    (sam(stability=0.79), "mask_uncertain", Gates()),
    (sam(agreement=0.49), "mask_disagrees", Gates()),
    (Refined(LARGE, "grabcut", agreement=0.3), "mask_disagrees", Gates()),
]


@pytest.mark.parametrize(("refined", "reason", "gates"), FAILING)
def test_what_fails_is_refused_or_the_given_mask_stays(refined: Refined, reason: str, gates: Gates) -> None:
    assert reason in REASONS
    for given in (None, EMPTY, FULL):
        with pytest.raises(Rejected) as caught:
            accept(refined, given, gates)
        assert caught.value.reason == reason
        assert caught.value.detail
    noted = Refined(refined.mask, refined.origin, refined.predicted_iou, refined.stability, refined.agreement, ("x",))
    kept, quality = accept(noted, LARGE, gates)
    assert (kept.origin, kept.notes) == ("given", ("x", reason, "given_kept"))
    assert kept.mask is LARGE
    assert quality == check(LARGE, gates)
    assert kept.predicted_iou is kept.stability is kept.agreement is None, "they are of the mask that was refused"


@pytest.mark.parametrize("origin", ["given", "alpha"])
def test_a_given_mask_is_judged_as_one(origin: str) -> None:
    assert accept(Refined(LARGE, origin), LARGE)[0].notes == ()
    with pytest.raises(Rejected, match="mask_empty"):
        accept(Refined(EMPTY, origin), EMPTY)


BOX = np.zeros((200, 200), bool)
BOX[40:160, 20:180] = True
DIAGONAL = BOX & (np.abs((np.mgrid[:200, :200][0] - 40) / 120 - (np.mgrid[:200, :200][1] - 20) / 160) < 0.2)


def test_a_good_mask_is_taken_where_the_given_one_is_a_drawn_box() -> None:
    assert iou(DIAGONAL, BOX) == pytest.approx(0.36, abs=0.01)
    assert agreement(DIAGONAL, BOX) == 1
    refined = sam(DIAGONAL, agreement=agreement(DIAGONAL, BOX))
    assert accept(refined, BOX)[0] is refined
    elsewhere = DIAGONAL.copy()
    elsewhere[:, 180:] = elsewhere[:40] = elsewhere[160:] = True
    kept, _ = accept(sam(elsewhere, agreement=agreement(elsewhere, BOX)), BOX)
    assert kept.notes == ("mask_disagrees", "given_kept")
    of_a_shape = BOX.copy()
    of_a_shape[40:70, 20:60] = False
    kept, _ = accept(sam(DIAGONAL, agreement=agreement(DIAGONAL, of_a_shape)), of_a_shape)
    assert kept.notes == ("mask_disagrees", "given_kept")


def test_agreement_takes_each_part_of_the_given_mask_for_what_it_is() -> None:
    drawn, shape = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    drawn[2:12, 2:12] = True
    shape[20:38, 20:38] = np.tri(18, dtype=bool)
    disc = drawn & (np.hypot(*(np.mgrid[:40, :40] - 6.5)) < 4)
    assert agreement(disc | shape, drawn | shape) == 1
    assert agreement(shape, drawn | shape) == 1, "it is silent about what a drawn box lacks"
    assert agreement(disc, drawn | shape) == pytest.approx(disc.sum() / (disc | shape).sum())
    beyond = drawn.copy()
    beyond[2:12, 12:22] = True
    assert agreement(beyond, drawn) == 0.5
    assert agreement(EMPTY, LARGE) == agreement(LARGE, EMPTY) == 0


def test_thresholds_are_settings() -> None:
    strict = Gates(min_predicted_iou=0.95)
    with pytest.raises(Rejected, match=r"mask_uncertain: predicted IoU 0.900, at least 0.950"):
        accept(sam(), None, strict)
    lenient = Gates(min_predicted_iou=0, min_stability=0, min_agreement=0)
    assert accept(sam(predicted_iou=0, stability=0, agreement=0), None, lenient)[1] == check(LARGE)


def test_holes_are_counted() -> None:
    with pytest.raises(Rejected, match=r"mask_too_many_holes: 144 holes, at most 143"):
        check(LATTICE, FAIRLY_LATTICED)
    assert check(LATTICE, Gates(min_part=0.0, max_holes=144)).holes == 144


def test_iou() -> None:
    assert iou(LARGE, LARGE) == 1
    assert iou(EMPTY, EMPTY) == 0
    assert iou(LARGE, FULL) == 0.25
