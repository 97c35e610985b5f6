"""Wilson's interval of shares, with as many independent rows as their variance between groups is worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import Codes, Values, group_totals


def wilson(share_K: Values, n_K: Values | Codes, confidence: float = 0.95) -> Values:
    """Return lower and upper bounds of shares (Wilson 1927, no continuity correction), shape (2, K).

    Args:
        share_K: shares of `n_K` independent rows, 0 … 1.
        n_K: numbers of rows, above 0; they may be fractions.
        confidence: confidence level, inside (0, 1).

    >>> wilson(np.array([0.75, 1.0]), np.array([4, 9])).round(3).tolist()
    [[0.301, 0.701], [0.954, 1.0]]
    """
    share_K, n_K = np.asarray(share_K, np.float64), np.asarray(n_K, np.float64)
    z = ndtri(0.5 + validate_confidence(confidence) / 2)
    centre_K = share_K + z**2 / (2 * n_K)
    half_K = z * np.sqrt(share_K * (1 - share_K) / n_K + (z / (2 * n_K)) ** 2)
    low_K, high_K = (centre_K - half_K) / (1 + z**2 / n_K), (centre_K + half_K) / (1 + z**2 / n_K)
    return np.array([np.where(share_K <= 0, 0.0, low_K), np.where(share_K >= 1, 1.0, high_K)])


def effective_n(correct_P: Values, rows_P: Values, cell_P: Codes, cells: int) -> Values:
    """Return how many independent rows would tell the share of correct ones in each cell as precisely, shape (cells,).

    Rows of one photograph, or of photographs that belong together, are not independent. With G groups of r rows and c
    correct ones each, and the share p of all n rows:

        n_s = p (1 − p) / Var(p),  Var(p) = G / (G − 1) · Σ (c − p r)² / n²
        1 / n_effective = (M / n_s + 1 / G) / (M + 1), cut to G … n

    Var(p) is the variance of a ratio; with k variants of each of N photographs it is s² / N, s² the variance of the
    photographs' accuracies. What it says on how rows agree comes from M photographs, those that have any of the rarer
    answers, right or wrong. One more is supposed whose rows all agree, so that few do not look independent by chance.
    Where all rows are correct or none, each group counts once.

    Args:
        correct_P: correct rows of each pair of a cell and a group, shape (P,).
        rows_P: rows of each pair.
        cell_P: the cell of each pair, 0 … cells − 1; every cell has a pair.
        cells: their number.
    """
    rows_K, correct_K, groups_K = _sums(cell_P, rows_P, cells), _sums(cell_P, correct_P, cells), _sums(cell_P, 1, cells)
    share_K = correct_K / rows_K
    spread_K = share_K * (1 - share_K)
    squares_K = _sums(cell_P, (correct_P - share_K[cell_P] * rows_P) ** 2, cells)
    variance_K = groups_K / np.maximum(groups_K - 1, 1) * squares_K / rows_K**2
    rarer_K = np.minimum(_sums(cell_P, correct_P > 0, cells), _sums(cell_P, correct_P < rows_P, cells))
    known_K = (spread_K > 0) & (groups_K > 1)
    inverse_K = (rarer_K * variance_K / np.where(known_K, spread_K, 1.0) + 1 / groups_K) / (rarer_K + 1)
    worth_K = np.where(known_K, 1 / inverse_K, groups_K)
    effective_K: Values = np.clip(worth_K, groups_K, rows_K)
    return effective_K


def wilson_effective(
    correct_NK: Values, rows_NK: Values, group_N: Codes | None = None, confidence: float = 0.95
) -> tuple[Values, Values]:
    """Return the bounds of shares of correct rows, shape (2, K), and their `effective_n`, shape (K,).

    Args:
        correct_NK: correct rows of each photograph in each cell.
        rows_NK: its rows there; 0 for none.
        group_N: the number of each photograph's group, 0 … G − 1; None: each is its own.
        confidence: confidence level, inside (0, 1).

    >>> correct_N1 = np.array([[3.0], [3.0], [3.0], [0.0]])  # of three variants each
    >>> bounds_21, n_1 = wilson_effective(correct_N1, np.full((4, 1), 3.0))
    >>> bounds_21.round(3).ravel().tolist(), n_1.tolist()
    ([0.301, 0.954], [4.0])
    """
    (correct_GK, _), (rows_GK, _) = group_totals(correct_NK, group_N), group_totals(rows_NK, group_N)
    group_P, cell_P = np.nonzero(rows_GK)
    cells = rows_GK.shape[1]
    n_K = effective_n(correct_GK[group_P, cell_P], rows_GK[group_P, cell_P], cell_P, cells)
    return wilson(correct_GK.sum(axis=0) / rows_GK.sum(axis=0), n_K, confidence), n_K


def widened(bounds_2K: Values, mean_K: Values, n_K: Codes, confidence: float = 0.95) -> Values:
    """Return bounds of means of `n_K` values of 0 … 1, with Wilson's, as of verdicts, instead of those without a width.

    A bootstrap of values that are all the same has no width, however few they are.

    >>> widened(np.array([[0.7, 1.0], [0.9, 1.0]]), np.array([0.8, 1.0]), np.array([9, 9])).round(3).tolist()
    [[0.7, 0.701], [0.9, 1.0]]
    """
    return np.where(bounds_2K[1] - bounds_2K[0] < 1e-12, wilson(mean_K, n_K, confidence), bounds_2K)


def _sums(cell_P: Codes, values_P: NDArray[np.float64] | NDArray[np.bool_] | int, cells: int) -> Values:
    weights_P = np.broadcast_to(np.asarray(values_P, np.float64), cell_P.shape)
    return np.asarray(np.bincount(cell_P, weights_P, cells), np.float64)
