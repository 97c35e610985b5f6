"""Fits of linear probes, beside scikit-learn called by hand and a fit by another optimizer."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from xray.core.errors import ConfigError
from xray.pipeline.train import linear_probe
from xray.pipeline.train.linear_probe import Head, choose_head, fit_head, mean_loss


def clusters(classes: int, count: int = 60, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images of unlike numbers in categories whose features overlap; one feature is the same in all."""
    draw = np.random.default_rng(seed)
    label_N = np.minimum(draw.geometric(0.4, count) - 1, classes - 1)
    features_ND = draw.normal(size=(count, 8)) * [1, 20, 1, 1, 0.1, 3, 1, 1] + 2 * np.eye(classes, 8)[label_N]
    features_ND[:, 7] = 5
    return features_ND.astype(np.float32), label_N


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_a_head_equals_scikit_learn_on_standardized_features(class_weights: str) -> None:
    features_ND, label_N = clusters(3)
    head = fit_head(features_ND, label_N, 0.05, class_weights)  # type: ignore[arg-type]
    scaler = StandardScaler().fit(features_ND.astype(float))
    weight = "balanced" if class_weights == "balanced" else None
    model = LogisticRegression(C=1 / (0.05 * len(label_N)), class_weight=weight, tol=1e-8, max_iter=5000)
    model.fit(scaler.transform(features_ND.astype(float)), label_N)
    expected_NK = model.predict_proba(scaler.transform(features_ND.astype(float)))
    np.testing.assert_allclose(head.probabilities(features_ND), expected_NK, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_penalty_is_of_the_mean_loss_whatever_the_number_of_categories(classes: int) -> None:
    features_ND, label_N = clusters(classes)
    l2, standardized_ND = 0.1, StandardScaler().fit_transform(features_ND.astype(float))

    def objective(flat: NDArray[np.float64]) -> float:
        weight_KD = flat[: 8 * classes].reshape(classes, 8)
        logits_NK = standardized_ND @ weight_KD.T + flat[8 * classes :]
        loss_N = logsumexp(logits_NK, axis=1) - logits_NK[np.arange(len(label_N)), label_N]
        return float(loss_N.mean() + l2 / 2 * (weight_KD**2).sum())

    lowest = minimize(objective, np.zeros(9 * classes), method="BFGS", options={"gtol": 1e-5}).fun
    head = fit_head(features_ND, label_N, l2)
    scale_D = np.where(features_ND.std(axis=0) > 0, features_ND.std(axis=0), 1)
    reached = mean_loss(head, features_ND, label_N) + l2 / 2 * float(((head.weight_KD * scale_D) ** 2).sum())
    assert reached == pytest.approx(lowest, abs=2e-5)


def test_features_that_are_the_same_in_all_images_have_no_effect() -> None:
    features_ND, label_N = clusters(3)
    head = fit_head(features_ND, label_N, 0.1)
    other_ND = features_ND.copy()
    other_ND[:, 7] = 9
    np.testing.assert_allclose(head.probabilities(other_ND), head.probabilities(features_ND), atol=1e-6)


def test_of_several_penalties_the_one_of_lowest_validation_loss_is_fitted_to_all() -> None:
    train, validation = clusters(3, 30), clusters(3, 90, seed=1)
    both = (np.concatenate([train[0], validation[0]]), np.concatenate([train[1], validation[1]]))
    head = choose_head(train, validation, both, (10.0, 0.1, 1e-5))
    losses = {l2: mean_loss(fit_head(*train, l2), *validation) for l2 in (10.0, 0.1, 1e-5)}
    assert head.validation_losses == losses
    assert head.l2 == min(losses, key=losses.__getitem__) == 0.1
    np.testing.assert_array_equal(head.weight_KD, fit_head(*both, 0.1).weight_KD)


def test_one_penalty_needs_no_validation() -> None:
    train = clusters(3)
    none = (np.empty((0, 8), np.float32), np.empty(0, np.int64))
    head = choose_head(train, none, train, (0.1,))
    assert (head.l2, head.validation_losses) == (0.1, {})
    assert isinstance(head, Head)


def test_a_fit_that_does_not_converge_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear_probe, "_MAX_ITERATIONS", 1)
    with pytest.raises(ConfigError, match="`l2: 1e-05`"):
        fit_head(*clusters(3), 1e-5)
