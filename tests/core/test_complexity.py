from __future__ import annotations

import cv2
import numpy as np
import pytest

from xray.core.complexity import complexity


def _rgb(level: np.ndarray) -> np.ndarray:
    return np.repeat(level.astype(np.uint8)[:, :, None], 3, axis=2)


def _impulse() -> np.ndarray:
    image = np.zeros((256, 256))
    image[100, 30] = 255
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((256, 256), 51), 0.2),
        (np.indices((256, 256)).sum(0) % 2 * 255, 1.0),
        (np.tile([0, 255], (256, 128)), 1.0),
        (_impulse(), 1.0),
        (np.tile(np.arange(256), (256, 1)), 2.312),
    ],
    ids=["constant", "checkerboard", "stripes", "impulse", "ramp"],
)
def test_closed_forms(image: np.ndarray, expected: float) -> None:
    assert complexity(_rgb(image)) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("kernel", "expected"), [(1, 65.9), (3, 17.16), (7, 6.09), (15, 2.44)])
def test_blurred_noise_has_less(kernel: int, expected: float) -> None:
    noise = np.random.Generator(np.random.PCG64(0)).random((256, 256, 3))
    blurred = cv2.GaussianBlur(noise, (kernel, kernel), 0)
    levels = np.rint(blurred * 255).astype(np.uint8)  # rounding alone adds up to 0.2
    assert complexity(levels) == pytest.approx(expected, abs=0.3)


def test_size_and_aspect_ratio_do_not_count() -> None:
    small = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    assert complexity(small.repeat(2, axis=0).repeat(3, axis=1)) == pytest.approx(complexity(small), abs=1e-4)
