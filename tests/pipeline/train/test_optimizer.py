from __future__ import annotations

import numpy as np
import pytest

from xray.pipeline.train.optimizer import class_weights, learning_rate
from xray.runs.training import Training


def test_learning_rate() -> None:
    training = Training(models=["a:b"], epochs=10, warmup=2, learning_rate=0.1)
    rates = [learning_rate(training, step, 5) for step in range(50)]
    assert rates[:3] == pytest.approx([0.01, 0.02, 0.03])
    assert max(rates) == pytest.approx(0.1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.001
    assert learning_rate(Training(models=["a:b"], schedule="constant"), 10**6, 5) == 1e-3


def test_balanced_categories_have_the_same_total_weight() -> None:
    label_N = np.array([0] * 7 + [2] * 3)
    weight_K = class_weights(Training(models=["a:b"], class_weights="balanced"), label_N)
    assert weight_K[1] == 0
    assert 7 * weight_K[0] == pytest.approx(3 * weight_K[2])
    assert weight_K[label_N].mean() == pytest.approx(1)
    assert class_weights(Training(models=["a:b"]), label_N).tolist() == [1, 1, 1]
