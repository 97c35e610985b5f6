from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.pipeline.train.augment import augment

HASHES = np.arange(1, 9, dtype=np.uint64) * np.uint64(2**61 - 1)


def make_images(side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    masks = np.zeros((8, side, side), np.uint8)
    masks[:, 4:9, 2:6] = 1
    images = generator.integers(0, 100, (8, side, side, 3), dtype=np.uint8)
    images[masks > 0] = 255
    return images, masks


def test_none() -> None:
    images, masks = make_images()
    assert augment("none", images, masks, HASHES, 0, 0) == (images, masks)


def test_about_half_are_flipped_with_their_masks() -> None:
    images, masks = make_images()
    images_out, masks_out = augment("flip", images, masks, HASHES, 0, 0)
    assert masks_out is not None
    flipped = [bool((images_out[k] == images[k][:, ::-1]).all()) for k in range(8)]
    kept = [bool((images_out[k] == images[k]).all()) for k in range(8)]
    assert [a != b for a, b in zip(flipped, kept, strict=True)] == [True] * 8
    assert 0 < sum(flipped) < 8
    assert all((masks_out[k] == (masks[k][:, ::-1] if flipped[k] else masks[k])).all() for k in range(8))


@pytest.mark.parametrize("kind", ["flip", "crop"])
def test_masks_stay_on_their_objects(kind: str) -> None:
    images, masks = make_images(side=64)
    images_out, masks_out = augment(kind, images, masks, HASHES, 1, 2)
    assert masks_out is not None
    assert set(np.unique(masks_out).tolist()) <= {0, 1}
    for image, mask in zip(images_out, masks_out, strict=True):
        if mask.sum() > 30:
            assert np.median(image[mask > 0]) == 255
    assert any((image != before).any() for image, before in zip(images_out, images, strict=True))


@given(st.integers(0, 2**63 - 1), st.integers(0, 100), st.permutations(range(8)))
def test_augmentation_does_not_depend_on_the_batch(seed: int, epoch: int, order: list[int]) -> None:
    images, masks = make_images()
    whole = augment("crop", images, masks, HASHES, seed, epoch)[0]
    some = augment("crop", images[order[:3]], masks[order[:3]], HASHES[order[:3]], seed, epoch)[0]
    assert (some == whole[order[:3]]).all()


def test_epochs_differ() -> None:
    images, masks = make_images()
    first, second = (augment("crop", images, masks, HASHES, 0, epoch)[0] for epoch in (0, 1))
    assert (first != second).any()
