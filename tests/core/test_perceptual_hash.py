from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawn_photos import drawn

from xray.core.images import DEFAULT, decode, encode, read_header
from xray.core.perceptual_hash import HASH_BYTES, MAX_BITS, bit_distance, hash_of_file, perceptual_hash, similar
from xray.core.types import Pixels

PHOTOS12 = os.environ.get("XRAY_PHOTOS12")


def scaled(image: Pixels, share: float) -> Pixels:
    return cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def cropped(image: Pixels, share: float) -> Pixels:
    y, x = (round(share / 2 * side) for side in image.shape[:2])
    return image[y : image.shape[0] - y, x : image.shape[1] - x]


def brighter(image: Pixels) -> Pixels:
    return np.clip(image * 1.2 + 15, 0, 255).astype(np.uint8)


VARIANTS: dict[str, Callable[[Pixels], Pixels]] = {
    "half": lambda image: scaled(image, 0.5),
    "JPEG": lambda image: decode(encode(image, "jpeg", 40)).image,
    "cropped": lambda image: cropped(image, 0.04),
    "brighter": brighter,
    "all": lambda image: decode(encode(brighter(cropped(scaled(image, 0.7), 0.03)), "jpeg", 70)).image,
}
PHOTOGRAPHS = [drawn(seed, 240, 320)[0] for seed in range(40)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_changed_copies_have_nearly_the_same_hash(variant: str) -> None:
    hashes = [perceptual_hash(image) for image in PHOTOGRAPHS]
    changed = [perceptual_hash(VARIANTS[variant](image)) for image in PHOTOGRAPHS]
    assert max(map(bit_distance, hashes, changed)) <= MAX_BITS
    numbers = similar(np.frombuffer(b"".join([*hashes, *changed]), np.uint8).reshape(-1, HASH_BYTES))
    assert (numbers[:40] == numbers[40:]).all()
    assert len(set(numbers.tolist())) == 40  # different photographs are not alike


@pytest.mark.skipif(PHOTOS12 is None, reason="set XRAY_PHOTOS12 to a folder of photographs")
def test_photographs_are_not_alike_and_their_copies_are() -> None:
    paths = sorted(path for path in Path(str(PHOTOS12), "images").rglob("*") if path.is_file())
    images = [decode(path.read_bytes()).image for path in paths]
    hashes = [perceptual_hash(image) for image in images]
    assert len(set(similar(np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)).tolist())) == len(images)
    for change in VARIANTS.values():
        assert (
            max(bit_distance(one, perceptual_hash(change(image))) for one, image in zip(hashes, images, strict=True))
            <= 60
        )


def test_files_are_hashed_like_their_pixels() -> None:
    image = PHOTOGRAPHS[0]
    large = cv2.resize(image, (1280, 960), interpolation=cv2.INTER_CUBIC)
    for data in (encode(image), encode(image, "png"), encode(large)):  # type: ignore[arg-type]
        found = hash_of_file(data, read_header(data), DEFAULT)
        assert found is not None
        assert bit_distance(found, perceptual_hash(image)) <= 10
    data = encode(image)
    assert hash_of_file(data[:-900], read_header(data), DEFAULT) is None
    assert hash_of_file(b"", read_header(encode(image, "png")), DEFAULT) is None


@given(st.lists(st.integers(0, 2), min_size=1, max_size=30), st.integers(0, 9))
def test_search_finds_what_comparing_all_finds(of: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    base = draw.integers(0, 2, (3, 256), dtype=np.uint8)
    flips = np.zeros((len(of), 256), np.uint8)
    for row in range(len(of)):  # at most seven of the first 64 bits, so that a byte is equal
        flips[row, draw.integers(0, 64, draw.integers(0, 4))] = 1
        flips[row, draw.integers(64, 256, draw.integers(0, 20))] = 1
    hashes = np.packbits(base[of] ^ flips, axis=1)
    numbers = similar(hashes)
    assert all((numbers[a] == numbers[b]) == (of[a] == of[b]) for a in range(len(of)) for b in range(len(of)))


def test_many_hashes_of_one_scene_take_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.core.perceptual_hash._ROWS_AT_ONCE", 64)
    draw = np.random.default_rng(0)
    bits = np.repeat(draw.integers(0, 2, (2, 256), dtype=np.uint8), 300, axis=0)
    bits[np.arange(600), draw.integers(64, 256, 600)] ^= 1
    numbers = similar(np.packbits(bits, axis=1))
    assert np.unique(numbers[:300]).size == np.unique(numbers[300:]).size == 1
    assert numbers[0] != numbers[-1]


def test_no_hashes_at_all() -> None:
    assert similar(np.empty((0, HASH_BYTES), np.uint8)).size == 0
