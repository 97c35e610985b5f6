from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from xray.pipeline.realism.distances import Distances, FeatureSample
from xray.pipeline.realism.pictures import PassedImage
from xray.scenarios import Photo

Pixels = Any


def make_images(seed: int, n: int, brightest: int) -> list[tuple[str, Pixels]]:
    generator = np.random.default_rng(seed)
    return [(f"{seed}-{k}", generator.integers(0, brightest, (24, 32, 3), dtype=np.uint8)) for k in range(n)]


def passed(items: list[tuple[str, Pixels]]) -> list[PassedImage]:
    mask = np.zeros((24, 32), bool)
    return [PassedImage(name, name, Photo(image, mask), None, None) for name, image in items]


ORIGINALS, DARK = make_images(0, 170, 256), make_images(1, 166, 150)


class Corner:
    """Fast features: the upper left corner, one channel."""

    layer = 64

    def features(self, images: Sequence[Pixels]) -> Any:
        return np.stack([image[:8, :8, 0].ravel() / np.float32(255) for image in images])


@pytest.fixture(scope="module")
def distances() -> Distances:
    metric = Distances(Corner(), subset=60, seed=3)  # type: ignore[arg-type]
    metric.update_originals(ORIGINALS[:40])
    metric.update_originals(ORIGINALS[40:])
    return metric


@pytest.fixture(scope="module")
def features() -> tuple[Any, Any]:
    both = (Corner().features([image for _, image in items]).astype(float) for items in (ORIGINALS, DARK))
    return next(both), next(both)


def test_fid_is_the_formula(distances: Distances, features: tuple[Any, Any]) -> None:
    distances.update(passed(DARK))
    fid, _ = distances.values()
    a, b = features
    root = linalg.sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root)
    assert fid.value == pytest.approx(expected, rel=1e-4)
    assert (fid.metric, fid.n, fid.n_originals, fid.remark) == ("fid", 166, 170, "")
    assert np.isnan(fid.std)


def test_kid_is_the_unbiased_estimate_over_subsets(distances: Distances, features: tuple[Any, Any]) -> None:
    distances.update(passed(DARK))
    _, kid = distances.values()

    def kernel(x: Any, y: Any) -> Any:
        return (x @ y.T / 64 + 1) ** 3

    def without_diagonal(k: Any) -> float:
        return float((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)))

    a, b = features
    whole = without_diagonal(kernel(a, a)) + without_diagonal(kernel(b, b)) - 2 * kernel(a, b).mean()
    assert kid.value == pytest.approx(whole, abs=5 * kid.std / 10)
    assert kid.std > 0
    assert (kid.n, kid.n_originals, kid.remark) == (166, 170, "")
    assert kid.method.endswith("100 subsets of 60")


def test_images_are_forgotten_and_their_order_does_not_matter(distances: Distances) -> None:
    import torch

    distances.update(passed(DARK))
    first = distances.values()
    state = torch.get_rng_state()
    distances.update(passed(DARK[::-1][:30]))
    distances.update(passed(DARK[::-1][30:]))
    again = distances.values()
    assert torch.equal(torch.get_rng_state(), state)
    assert again[1] == first[1]
    assert again[0].value == pytest.approx(first[0].value, rel=1e-6)
    distances.update(passed(ORIGINALS))
    fid, kid = distances.values()
    assert fid.value == pytest.approx(0, abs=first[0].value / 1000)
    assert abs(kid.value) < first[1].value / 10


def test_too_few_images(distances: Distances) -> None:
    fid, kid = distances.values()
    assert (fid.n, kid.n) == (0, 0)
    assert np.isnan([fid.value, kid.value]).all()
    assert fid.remark.startswith("left out")
    assert kid.remark.startswith("left out")
    distances.update(passed(DARK[:10]))
    fid, kid = distances.values()
    assert "rank 9" in fid.remark
    assert "subsets of 5, not 60" in kid.remark
    assert not np.isnan([fid.value, kid.value]).any()


@settings(max_examples=20)
@given(st.permutations(range(20)), st.integers(1, 25))
def test_a_sample_does_not_depend_on_the_order(order: list[int], size: int) -> None:
    sampled = []
    for numbers in (range(20), order):
        sample = FeatureSample(size)
        for number in numbers:
            sample.add([str(number)], np.array([[number]], np.float32))
        assert len(sample) == min(size, 20)
        sampled.append(sample.features())
    assert np.array_equal(*sampled)
    assert len(np.unique(sampled[0])) == min(size, 20)
