"""Interpretation of a regression in sentences: its largest effects, and caveats."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from xray.core.text import printable
from xray.statistics.regression.design import Design
from xray.statistics.regression.least_squares import EXACT, LinearFit
from xray.statistics.regression.tables_text import p_text

_MAX_NAME = 60
_DIGITS = 3


@dataclass(frozen=True)
class Interpretation:
    """Sentences about a regression; names in them are on one line, and not escaped.

    Args:
        effects: the largest first.
        caveats: limits of the analysis.
    """

    effects: tuple[str, ...]
    caveats: tuple[str, ...]

    def __str__(self) -> str:
        numbered = (f"{number}. {sentence}" for number, sentence in enumerate(self.effects, 1))
        return "\n".join([*numbered, "", *(f"- {caveat}" for caveat in self.caveats)])


def interpret(regression: LinearFit, effects: int = 3) -> Interpretation:
    """Describe the largest effects of a regression by absolute size, without the intercept.

    Intervals are clustered where clusters were given. Effects on an accuracy are in points: 1 point = 0.01.

    Args:
        regression: a least squares fit.
        effects: maximum number of effects.

    >>> import pandas as pd
    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> print(interpret(regression(table, factors=["model", "scenario"]), effects=1).effects[0])
    scenario y: 35.0 points of accuracy lower than x, holding the other factors fixed (95 % CI -98.5 to 28.5, P = 0.0903): not significant
    """  # noqa: E501
    fit = regression.robust_fit
    table, names = fit.parameters.iloc[1:], list(_comparisons(fit.design))
    order = np.argsort(-table["estimate"].abs().to_numpy(), kind="stable")[:effects].tolist()
    rows = table.to_dict("records")
    sentences = tuple(_sentence(rows[index], names[index], regression) for index in order)
    return Interpretation(sentences, tuple(_caveats(regression, len(order), len(table))))


def points(value: float) -> str:
    """Format a number with three significant digits, without an exponent.

    >>> points(-70.8333), points(5.0), points(0.03966), points(12345.0)
    ('-70.8', '5.00', '0.0397', '12300')
    """
    return np.format_float_positional(value, precision=_DIGITS, unique=False, fractional=False).rstrip(".")


def _comparisons(design: Design) -> Iterator[tuple[str, str]]:
    """Yield the level and its reference for each column behind the intercept."""
    for term in design.terms:
        reference = printable(design.factor(term[0]).reference, _MAX_NAME) if len(term) == 1 else "the sum of its parts"
        for levels in itertools.product(*(design.factor(name).levels[1:] for name in term)):
            pairs = zip(term, levels, strict=True)
            yield (
                " with ".join(f"{printable(f, _MAX_NAME)} {printable(level, _MAX_NAME)}" for f, level in pairs),
                reference,
            )


def _sentence(row: Mapping[Hashable, Any], comparison: tuple[str, str], regression: LinearFit) -> str:
    scale, unit = (1.0, "") if regression.unit == "any" else (100.0, "points of ")
    estimate, low, high = (scale * row[name] for name in ("estimate", "ci_low", "ci_high"))
    name, reference = comparison
    direction = "lower" if estimate < 0 else "higher"
    size = f"{points(abs(estimate))} {unit}{printable(regression.response, _MAX_NAME)}"
    effect = f"{name}: {size} {direction} than {reference}, holding the other factors fixed"
    if not (p := p_text(row["p"])):
        return f"{effect} (no confidence interval)"
    p = f"P {p}" if p[0] in "<>" else f"P = {p}"
    interval = f"{100 * regression.fit.confidence:g} % CI {points(low)} to {points(high)}"
    return f"{effect} ({interval}, {p}){': not significant' if low <= 0 <= high else ''}"


def _caveats(regression: LinearFit, listed: int, effects: int) -> Iterator[str]:
    if regression.exact:
        yield EXACT
    if effects > listed:
        yield f"these are the largest of {effects:,} effects; P values are not adjusted for multiple comparisons"
    if regression.clustered is not None:
        yield f"standard errors are {regression.clustered.errors}"
    else:
        yield (
            f"intervals assume that all {regression.cells.rows:,} rows are independent; rows based on the same "
            "photographs are not, and intervals may be too narrow or too wide: cluster the errors by photograph"
        )
    if regression.unit != "any":
        fitted_C = regression.fitted_C
        sides = {"above 1": int((fitted_C > 1).sum()), "below 0": int((fitted_C < 0).sum())}
        if outside := " and ".join(f"{count:,} {side}" for side, count in sides.items() if count):
            yield (
                f"of {len(fitted_C):,} cells, {outside} are outside the range of accuracies: the sum of effects is "
                "wrong there; a binomial regression of counts stays inside"
            )
    if regression.design.interactions:
        yield "with interactions, the effect of a level is that at the reference levels of the other factors"
