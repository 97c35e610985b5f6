"""Separation: levels of one outcome only, for which a model of counts has infinite estimates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from xray.core.errors import ConfigError
from xray.statistics.regression.design import Codes, Design

_TOLERANCE = 1e-6


def check_separation(design: Design, codes_CF: Codes, side_C: NDArray[Any], outcomes: Mapping[int, str]) -> None:
    """Refuse data whose maximum likelihood estimates are infinite (Albert & Anderson, Biometrika 71, 1984).

    Estimates are infinite if some b ≠ 0 has x_c'b = 0 in every cell of both outcomes, and side_c x_c'b ≥ 0 in the
    others: the likelihood never decreases along b. Such b are searched by linear programming (Konis 2007, Oxford).

    Args:
        design: design of the model.
        codes_CF: level indices of the cells.
        side_C: of each cell: 0 if both outcomes occur, else 1 or −1 for the one that does.
        outcomes: description of a level with one outcome, by side: `{1: "always correct"}`.

    Raises:
        ConfigError: names the first such level, or columns of an interaction.

    >>> from xray.statistics.regression.design import Factor
    >>> design = Design((Factor("model", ("a", "b")),))
    >>> check_separation(design, np.array([[0], [1]]), np.array([0, 1]), {1: "always correct"})
    Traceback (most recent call last):
    xray.core.errors.ConfigError: model[b] is always correct: its estimate is infinite. Leave it out, merge it with another level, or use least squares
    """  # noqa: E501
    matrix_CP = design.matrix(codes_CF)
    separated_C = side_C != 0
    mixed_MP, sided_SP = matrix_CP[~separated_C], matrix_CP[separated_C] * side_C[separated_C][:, None]
    if not separated_C.any() or np.linalg.matrix_rank((mixed_MP.T @ mixed_MP).toarray()) == len(design.columns):
        return
    zero_S, zero_M = np.zeros(sided_SP.shape[0]), np.zeros(mixed_MP.shape[0])
    result = optimize.linprog(-sided_SP.sum(axis=0), -sided_SP, zero_S, mixed_MP, zero_M, bounds=(-1, 1))
    assert result.success, result.message
    if -result.fun < _TOLERANCE:
        return
    infinite = [name for name, size in zip(design.columns, result.x, strict=True) if abs(size) > _TOLERANCE]
    reason = _one_sided_level(design, codes_CF, side_C, outcomes) or f"{', '.join(infinite)} together separate outcomes"
    raise ConfigError(
        f"{reason}: its estimate is infinite. Leave it out, merge it with another level, or use least squares"
    )


def _one_sided_level(design: Design, codes_CF: Codes, side_C: NDArray[Any], outcomes: Mapping[int, str]) -> str:
    for factor, codes_C in zip(design.factors, codes_CF.T, strict=True):
        for code, level in enumerate(factor.levels):
            sides = set(side_C[codes_C == code].tolist())
            if len(sides) == 1 and (side := sides.pop()):
                return f"{factor.name}[{level}] is {outcomes[side]}"
    return ""
