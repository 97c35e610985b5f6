"""Whether a model of counts has finite estimates: not where levels are right, or wrong, throughout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from xray.core.errors import XrayError
from xray.statistics.regression.design import Codes, Design

_SMALL = 1e-6


def check_separation(design: Design, codes_CF: Codes, side_C: NDArray[Any], words: Mapping[int, str]) -> None:
    """Name what makes estimates infinite (Albert & Anderson, Biometrika 71, 1984), if there is anything.

    Estimates are infinite where some b ≠ 0 has x_c'b = 0 in every cell of both outcomes, and side_c x_c'b ≥ 0 in the
    others: along b the likelihood never falls. Looked for by linear programming, as Konis (2007, Oxford) does.

    Args:
        design: of the model.
        codes_CF: levels of the cells.
        side_C: of each cell: 0 where both outcomes were seen, else 1 or −1 for the one alone.
        words: what a level is that has one outcome alone, by its side: `{1: "always right"}`.

    Raises:
        XrayError: names the first level, or column of an interaction.

    >>> from xray.statistics.regression.design import Factor
    >>> design = Design((Factor("model", ("a", "b")),))
    >>> check_separation(design, np.array([[0], [1]]), np.array([0, 1]), {1: "always right"})
    Traceback (most recent call last):
    xray.core.errors.XrayError: model[b] is always right: estimates would be infinite. Leave it out, join it with another level, or use least squares
    """  # noqa: E501
    matrix_CP = design.matrix(codes_CF)
    alone_C = side_C != 0
    mixed_MP, sided_SP = matrix_CP[~alone_C], matrix_CP[alone_C] * side_C[alone_C][:, None]
    if not alone_C.any() or np.linalg.matrix_rank((mixed_MP.T @ mixed_MP).toarray()) == len(design.columns):
        return
    none_S, none_M = np.zeros(sided_SP.shape[0]), np.zeros(mixed_MP.shape[0])
    found = optimize.linprog(-sided_SP.sum(axis=0), -sided_SP, none_S, mixed_MP, none_M, bounds=(-1, 1))
    assert found.success, found.message
    if -found.fun < _SMALL:
        return
    infinite = [name for name, size in zip(design.columns, found.x, strict=True) if abs(size) > _SMALL]
    level = _one_sided_level(design, codes_CF, side_C, words)
    why = level or f"together {', '.join(infinite)} part rows of one outcome from all others"
    raise XrayError(
        f"{why}: estimates would be infinite. Leave it out, join it with another level, or use least squares"
    )


def _one_sided_level(design: Design, codes_CF: Codes, side_C: NDArray[Any], words: Mapping[int, str]) -> str:
    for place, factor in enumerate(design.factors):
        for code, level in enumerate(factor.levels):
            sides = set(side_C[codes_CF[:, place] == code].tolist())
            if len(sides) == 1 and (side := sides.pop()):
                return f"{factor.name}[{level}] is {words[side]}"
    return ""
