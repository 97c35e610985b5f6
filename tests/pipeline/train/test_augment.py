from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.pipeline.train.augment import augmented

HASHES = np.arange(1, 9, dtype=np.uint64) * np.uint64(2**61 - 1)


def pictures(side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    masks = np.zeros((8, side, side), np.uint8)
    masks[:, 4:9, 2:6] = 1
    images = draw.integers(0, 100, (8, side, side, 3), dtype=np.uint8)
    images[masks > 0] = 255
    return images, masks


def test_none_changes_nothing() -> None:
    images, masks = pictures()
    assert augmented("none", images, masks, HASHES, 0, 0) == (images, masks)


def test_about_half_are_flipped_each_whole_and_with_its_mask() -> None:
    images, masks = pictures()
    changed, inside = augmented("flip", images, masks, HASHES, 0, 0)
    assert inside is not None
    flipped = [bool((changed[k] == images[k][:, ::-1]).all()) for k in range(8)]
    kept = [bool((changed[k] == images[k]).all()) for k in range(8)]
    assert [a != b for a, b in zip(flipped, kept, strict=True)] == [True] * 8
    assert 0 < sum(flipped) < 8
    assert all((inside[k] == (masks[k][:, ::-1] if flipped[k] else masks[k])).all() for k in range(8))


@pytest.mark.parametrize("how", ["flip", "crop"])
def test_masks_stay_on_their_objects(how: str) -> None:
    images, masks = pictures(side=64)
    changed, inside = augmented(how, images, masks, HASHES, 1, 2)
    assert inside is not None
    assert set(np.unique(inside).tolist()) <= {0, 1}
    for image, mask in zip(changed, inside, strict=True):
        if mask.sum() > 30:
            assert np.median(image[mask > 0]) == 255
    assert any((image != before).any() for image, before in zip(changed, images, strict=True))


@given(st.integers(0, 2**63 - 1), st.integers(0, 100), st.permutations(range(8)))
def test_a_change_is_the_images_own(seed: int, epoch: int, order: list[int]) -> None:
    images, masks = pictures()
    whole = augmented("crop", images, masks, HASHES, seed, epoch)[0]
    some = augmented("crop", images[order[:3]], masks[order[:3]], HASHES[order[:3]], seed, epoch)[0]
    assert (some == whole[order[:3]]).all()


def test_epochs_differ() -> None:
    images, masks = pictures()
    first, second = (augmented("crop", images, masks, HASHES, 0, epoch)[0] for epoch in (0, 1))
    assert (first != second).any()
