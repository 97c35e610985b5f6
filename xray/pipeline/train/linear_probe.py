"""A linear probe: multinomial logistic regression on features of images, with the best of several penalties."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from xray.core.errors import ConfigError

Features = NDArray[np.float32]
_MAX_ITERATIONS = 10_000
_TOLERANCE = 1e-6
"""Of the gradient of the fitted loss, the largest of its components."""


@dataclass(frozen=True)
class Head:
    """A linear layer from D features to K categories.

    Args:
        weight_KD: its weights, for features that are not standardized.
        bias_K: its biases.
        l2: the strength of the penalty that it was fitted with.
        iterations: of L-BFGS.
        validation_losses: mean cross-entropy on the validation images by strength; empty if there was no choice.
    """

    weight_KD: NDArray[np.float32]
    bias_K: NDArray[np.float32]
    l2: float
    iterations: int
    validation_losses: Mapping[float, float] = field(default_factory=dict)

    def logits(self, features_ND: Features) -> NDArray[np.float64]:
        """Return the logits of N images, shape (N, K)."""
        logits_NK: NDArray[np.float64] = features_ND.astype(np.float64) @ self.weight_KD.T.astype(np.float64)
        return logits_NK + self.bias_K

    def probabilities(self, features_ND: Features) -> NDArray[np.float32]:
        """Return the probabilities of N images, shape (N, K)."""
        return np.asarray(softmax(self.logits(features_ND), axis=1), np.float32)


def fit_head(
    features_ND: Features, label_N: NDArray[np.int64], l2: float, class_weights: Literal["none", "balanced"] = "none"
) -> Head:
    """Fit a head: minimize mean cross-entropy + l2/2 · ‖weights‖² on standardized features.

    Each feature is standardized by its mean and standard deviation over the N images; one that is the same in all
    images has no effect. The intercept is not penalized.

    Args:
        features_ND: of the images to fit, shape (N, D).
        label_N: their categories, 0 … K − 1, each at least once; K ≥ 2.
        l2: > 0.
        class_weights: `balanced`: each category counts the same.

    Raises:
        ConfigError: the fit does not converge.

    >>> features = np.array([[0, 5], [1, 5], [4, 5], [5, 5]], np.float32)
    >>> head = fit_head(features, np.array([0, 0, 1, 1]), l2=0.1)
    >>> head.probabilities(np.array([[0.5, 5], [4.5, 5]], np.float32)).argmax(axis=1).tolist()
    [0, 1]
    """
    from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    classes = int(label_N.max()) + 1
    scaler = StandardScaler()
    standardized_ND = scaler.fit_transform(features_ND.astype(np.float64))
    # scikit-learn fits one row of weights for two categories: as the difference of two rows, it has twice their norm².
    strength = (2 if classes == 2 else 1) / (l2 * len(label_N))
    model = LogisticRegression(
        C=strength,
        class_weight="balanced" if class_weights == "balanced" else None,
        max_iter=_MAX_ITERATIONS,
        tol=_TOLERANCE,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(standardized_ND, label_N)
        except ConvergenceWarning as warning:
            raise ConfigError(
                f"the fit of a head to {len(label_N):,} images did not converge with `l2: {l2:g}` in "
                f"{_MAX_ITERATIONS:,} iterations; raise `l2`"
            ) from warning
    weight_KD, bias_K = model.coef_, model.intercept_
    if classes == 2:
        weight_KD, bias_K = (np.concatenate([-values / 2, values / 2]) for values in (weight_KD, bias_K))
    weight_KD = weight_KD / scaler.scale_
    bias_K = bias_K - weight_KD @ scaler.mean_
    return Head(weight_KD.astype(np.float32), bias_K.astype(np.float32), l2, int(model.n_iter_.max()))


def choose_head(
    train: tuple[Features, NDArray[np.int64]],
    validation: tuple[Features, NDArray[np.int64]],
    all_fitted: tuple[Features, NDArray[np.int64]],
    l2: Sequence[float],
    class_weights: Literal["none", "balanced"] = "none",
) -> Head:
    """Fit a head for each strength, and fit the one of lowest validation loss again, to all that may be fitted.

    Args:
        train: features and categories, see `fit_head`.
        validation: likewise.
        all_fitted: likewise; `train`, and `validation` unless it is what is tested.
        l2: strengths; for only one, nothing is chosen. Of equal losses the first one counts.
        class_weights: see `fit_head`.

    Raises:
        ConfigError: a fit does not converge.
    """
    losses: dict[float, float] = {}
    if len(l2) > 1:
        losses = {one: mean_loss(fit_head(*train, one, class_weights), *validation) for one in l2}
    best = min(l2, key=lambda one: losses.get(one, 0.0))
    return replace(fit_head(*all_fitted, best, class_weights), validation_losses=losses)


def mean_loss(head: Head, features_ND: Features, label_N: NDArray[np.int64]) -> float:
    """Return the mean cross-entropy of a head on N images."""
    logits_NK = head.logits(features_ND)
    true_N = logits_NK[np.arange(len(label_N)), label_N]
    return float(np.mean(logsumexp(logits_NK, axis=1) - true_N))
