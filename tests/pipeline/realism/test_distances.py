from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from xray.pipeline.realism.distances import Distances, FeatureSample
from xray.pipeline.realism.kid import kid
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
    metric = Distances(Corner())  # type: ignore[arg-type]
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


def kernel(x: Any, y: Any) -> Any:
    return (x @ y.T / 64 + 1) ** 3


def test_kid_is_the_unbiased_estimate_over_all_pairs(distances: Distances, features: tuple[Any, Any]) -> None:
    distances.update(passed(DARK))
    _, value = distances.values()

    def without_diagonal(k: Any) -> float:
        return float((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)))

    a, b = features
    whole = without_diagonal(kernel(a, a)) + without_diagonal(kernel(b, b)) - 2 * kernel(a, b).mean()
    assert value.value == pytest.approx(whole, rel=1e-9)
    assert value.ci_low < value.value < value.ci_high
    assert np.isnan(value.std)
    assert (value.n, value.n_images, value.n_originals, value.remark) == (166, 166, 170, "")


def test_kid_compares_different_photographs_and_leaves_out_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.pipeline.realism.kid._ROWS_AT_ONCE", 7)
    draw = np.random.default_rng(0)
    y = draw.normal(size=(12, 64)).astype(np.float32)
    x = (np.repeat(y, 2, axis=0) + 0.3 * draw.normal(size=(24, 64)) + 0.2).astype(np.float32)
    x_photo, y_photo = np.repeat(np.arange(12), 2).astype(str), np.arange(12).astype(str)

    def mean(a: Any, b: Any, a_photo: Any, b_photo: Any) -> float:
        return float(kernel(a.astype(float), b.astype(float))[a_photo[:, None] != b_photo].mean())

    def value(x: Any, y: Any, x_photo: Any, y_photo: Any) -> float:
        inner = mean(x, x, x_photo, x_photo) + mean(y, y, y_photo, y_photo)
        return inner - 2 * mean(x, y, x_photo, y_photo)

    without = [
        value(x[x_photo != photo], y[y_photo != photo], x_photo[x_photo != photo], y_photo[y_photo != photo])
        for photo in y_photo
    ]
    error = np.sqrt(11 / 12 * np.square(np.array(without) - np.mean(without)).sum())
    found = kid(x, y, list(x_photo), list(y_photo))
    assert found.value == pytest.approx(value(x, y, x_photo, y_photo))
    assert found.ci_high - found.value == pytest.approx(2.2009852 * error, rel=1e-6)


def test_kid_of_images_without_an_effect_is_0_within_its_interval() -> None:
    """Images resemble their own originals; with those pairs KID would lie far below 0."""
    photos, inside = [str(k) for k in range(60)], 0
    for seed in range(40):
        shared, own = np.random.default_rng(seed).normal(size=(2, 2, 60, 64)).astype(np.float32)
        x, y = shared[0] + 0.5 * own[0], shared[0] + 0.5 * own[1]
        found = kid(x, y, photos, photos)
        inside += found.ci_low <= 0 <= found.ci_high
    assert inside >= 36


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
    fid, kid_value = distances.values()
    assert fid.value == pytest.approx(0, abs=first[0].value / 1000)
    assert abs(kid_value.value) < first[1].value / 10


def test_too_few_images(distances: Distances) -> None:
    fid, kid_value = distances.values()
    assert (fid.n, kid_value.n) == (0, 0)
    assert np.isnan([fid.value, kid_value.value]).all()
    assert fid.remark.startswith("left out")
    assert kid_value.remark.startswith("left out")
    distances.update(passed(DARK[:10]))
    fid, kid_value = distances.values()
    assert "rank 9" in fid.remark
    assert (kid_value.remark, kid_value.n_images) == ("", 10)
    assert not np.isnan([fid.value, kid_value.value]).any()


@settings(max_examples=20)
@given(st.permutations(range(20)), st.integers(1, 25))
def test_a_sample_does_not_depend_on_the_order(order: list[int], size: int) -> None:
    sampled = []
    for numbers in (range(20), order):
        sample = FeatureSample(size)
        for number in numbers:
            sample.add([str(number)], [str(number)], np.array([[number]], np.float32))
        assert len(sample) == min(size, 20)
        sampled.append(sample.features())
    assert np.array_equal(*sampled)
    assert len(np.unique(sampled[0])) == min(size, 20)
