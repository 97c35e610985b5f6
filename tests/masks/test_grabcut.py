from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks import Hint, iou
from xray.masks.grabcut import GrabCut
from xray.sources.base import Box


@pytest.fixture(scope="module")
def scene() -> tuple[Decoded, np.ndarray]:
    """A warm disc on cool ground, both noisy."""
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 40, (80, 120, 3))
    disc = cv2.circle(np.zeros((80, 120), np.uint8), (60, 40), 22, 1, -1).astype(bool)
    image = np.where(disc[:, :, None], np.array([200, 80, 30]), np.array([30, 90, 160])) + noise
    return Decoded(image.astype(np.uint8), None, ()), disc


BOX: Box = (30, 10, 90, 70)


def test_finds_the_object_in_its_box(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, disc = scene
    found = GrabCut().refine(decoded, Hint(boxes=(BOX,)), seed=1)
    assert found.origin == "grabcut"
    assert found.mask.dtype == bool
    assert iou(found.mask, disc) > 0.95


def test_starts_from_the_given_mask_where_there_is_no_box(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, disc = scene
    rough = np.zeros_like(disc)
    rough[10:70, 30:90] = True
    from_mask = GrabCut().refine(decoded, Hint(rough), seed=1)
    assert (from_mask.mask == GrabCut().refine(decoded, Hint(boxes=(BOX,)), seed=1).mask).all()
    box_first = GrabCut().refine(decoded, Hint(np.ones_like(disc), (BOX,)), seed=1)
    assert (box_first.mask == from_mask.mask).all()


def test_every_box_may_hold_an_object(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, _ = scene
    halves: tuple[Box, ...] = ((30, 10, 60, 70), (60, 10, 90, 70))
    whole = GrabCut().refine(decoded, Hint(boxes=(BOX,)), seed=1).mask
    assert (GrabCut().refine(decoded, Hint(boxes=halves), seed=1).mask == whole).all()
    left = GrabCut().refine(decoded, Hint(boxes=halves[:1]), seed=1).mask
    assert not left[:, 60:].any()


def test_agreement_with_the_given_mask_is_measured(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, disc = scene
    found = GrabCut().refine(decoded, Hint(disc, (BOX,)), seed=1)
    assert found.agreement == iou(found.mask, disc)
    assert GrabCut().refine(decoded, Hint(boxes=(BOX,)), seed=1).agreement is None


def test_the_same_seed_gives_the_same_mask_whatever_ran_before(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, _ = scene
    first = GrabCut(iterations=1).refine(decoded, Hint(boxes=(BOX,)), seed=2**62 + 7).mask
    cv2.setRNGSeed(99)
    cv2.randu(np.zeros(7), 0, 1)
    assert (GrabCut(iterations=1).refine(decoded, Hint(boxes=(BOX,)), seed=2**62 + 7).mask == first).all()


def test_a_margin_makes_a_tight_box_wider(scene: tuple[Decoded, np.ndarray]) -> None:
    decoded, disc = scene
    half: Box = (50, 30, 70, 50)
    assert iou(GrabCut().refine(decoded, Hint(boxes=(half,)), seed=1).mask, disc) < 0.5
    assert iou(GrabCut(margin=1.0).refine(decoded, Hint(boxes=(half,)), seed=1).mask, disc) > 0.95


@pytest.mark.parametrize(
    ("given_mask", "box"),
    [
        (None, None),
        (np.zeros((80, 120), bool), None),
        (None, (0, 0, 120, 80)),
        (None, (200, 200, 300, 300)),
        (None, (50, 30, 40, 20)),
        (None, (50, 30, 51, 32)),
        (None, (float("nan"), 0, 50, 50)),
        (None, (0, 0, float("inf"), 50)),
        (None, (-1e308, -1e308, 1e308, 1e308)),
    ],
)
def test_without_a_usable_box_there_is_no_mask(
    scene: tuple[Decoded, np.ndarray], given_mask: np.ndarray | None, box: Box | None
) -> None:
    with pytest.raises(Rejected) as caught:
        GrabCut().refine(scene[0], Hint(given_mask, () if box is None else (box,)), seed=0)
    assert caught.value.reason == "missing_box"


@settings(deadline=None, max_examples=25)
@given(st.tuples(*[st.integers(-5, 45)] * 4), st.sampled_from([0, 255, None]))
def test_any_box_on_any_ground_is_a_mask_or_a_verdict(box: tuple[int, int, int, int], value: int | None) -> None:
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = noise if value is None else np.full_like(noise, value)
    found, reason = np.zeros((40, 40), bool), "missing_box"
    try:
        found = GrabCut(iterations=1).refine(Decoded(image, None, ()), Hint(boxes=(box,)), seed=0).mask
    except Rejected as rejected:
        reason = rejected.reason
    assert reason == "missing_box"
    rows, columns = np.nonzero(found)
    assert ((rows >= box[1]) & (rows < box[3]) & (columns >= box[0]) & (columns < box[2])).all()
