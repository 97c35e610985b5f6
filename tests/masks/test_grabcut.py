from __future__ import annotations

import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks import Hint, Mask, iou
from xray.masks.grabcut import GrabCut
from xray.sources.base import Box

BOX: Box = (30, 10, 90, 70)


@pytest.fixture(scope="module")
def scene() -> tuple[Decoded, Mask]:
    """A warm disc on cool ground, both noisy, and its mask."""
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 40, (80, 120, 3))
    disc = cv2.circle(np.zeros((80, 120), np.uint8), (60, 40), 22, 1, -1).astype(bool)
    image = np.where(disc[:, :, None], np.array([200, 80, 30]), np.array([30, 90, 160])) + noise
    return Decoded(image.astype(np.uint8), None, ()), disc


@pytest.fixture(scope="module")
def from_box(scene: tuple[Decoded, Mask]) -> Mask:
    return GrabCut().refine(scene[0], Hint(boxes=(BOX,)), seed=1).mask


def test_the_object_is_found_in_its_box(scene: tuple[Decoded, Mask]) -> None:
    decoded, disc = scene
    refined = GrabCut().refine(decoded, Hint(boxes=(BOX,)), seed=1)
    assert (refined.origin, refined.agreement, refined.mask.dtype) == ("grabcut", None, bool)
    assert iou(refined.mask, disc) > 0.95
    assert GrabCut().refine(decoded, Hint(disc, (BOX,)), seed=1).agreement == iou(refined.mask, disc)


def test_without_boxes_it_starts_from_the_box_of_the_given_mask(scene: tuple[Decoded, Mask], from_box: Mask) -> None:
    decoded, disc = scene
    coarse = np.zeros_like(disc)
    coarse[10:70, 30:90] = True
    assert (GrabCut().refine(decoded, Hint(coarse), seed=1).mask == from_box).all()
    assert (GrabCut().refine(decoded, Hint(np.ones_like(disc), (BOX,)), seed=1).mask == from_box).all()


def test_every_box_may_contain_an_object(scene: tuple[Decoded, Mask], from_box: Mask) -> None:
    halves: tuple[Box, ...] = ((30, 10, 60, 70), (60, 10, 90, 70))
    assert (GrabCut().refine(scene[0], Hint(boxes=halves), seed=1).mask == from_box).all()
    assert not GrabCut().refine(scene[0], Hint(boxes=halves[:1]), seed=1).mask[:, 60:].any()


def test_the_seed_decides_everything_random(scene: tuple[Decoded, Mask]) -> None:
    def refine() -> Mask:
        return GrabCut(iterations=1).refine(scene[0], Hint(boxes=(BOX,)), seed=2**62 + 7).mask

    first = refine()
    cv2.setRNGSeed(99)
    cv2.randu(np.zeros(7), 0, 1)
    assert (refine() == first).all()


def test_a_margin_grows_a_tight_box(scene: tuple[Decoded, Mask]) -> None:
    decoded, disc = scene
    tight: Box = (50, 30, 70, 50)
    assert iou(GrabCut().refine(decoded, Hint(boxes=(tight,)), seed=1).mask, disc) < 0.5
    assert iou(GrabCut(margin=1.0).refine(decoded, Hint(boxes=(tight,)), seed=1).mask, disc) > 0.95


@pytest.mark.parametrize(
    "hint",
    [
        Hint(),
        Hint(np.zeros((80, 120), bool)),
        Hint(boxes=((0, 0, 120, 80),)),
        Hint(boxes=((50, 30, 51, 32),)),
        Hint(boxes=((float("nan"), 0, 50, 50),)),
    ],
)
def test_unusable_boxes_are_rejected(scene: tuple[Decoded, Mask], hint: Hint) -> None:
    with pytest.raises(Rejected, match="missing_box"):
        GrabCut().refine(scene[0], hint, seed=0)


@given(st.tuples(*[st.integers(-5, 45)] * 4), st.sampled_from([0, 255, None]))
def test_any_box_gives_a_mask_inside_it_or_a_rejection(box: tuple[int, int, int, int], value: int | None) -> None:
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    image = noise if value is None else np.full_like(noise, value)
    with contextlib.suppress(Rejected):
        mask = GrabCut(iterations=1).refine(Decoded(image, None, ()), Hint(boxes=(box,)), seed=0).mask
        rows, columns = np.nonzero(mask)
        assert ((rows >= box[1]) & (rows < box[3]) & (columns >= box[0]) & (columns < box[2])).all()
