"""Interpretation of a regression in sentences: its largest effects, and caveats."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xray.core.text import printable
from xray.statistics.regression.design import Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import EXACT, LinearFit
from xray.statistics.regression.tables_text import p_text
from xray.statistics.regression.validation import Unit

if TYPE_CHECKING:  # they print themselves with this
    from xray.statistics.regression.glm import CountRegression
    from xray.statistics.regression.mixed_model import MixedRegression

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
    largest = _largest(fit, effects)
    sentences = tuple(_sentence(*effect, regression.response, regression.unit, fit.confidence) for effect in largest)
    return Interpretation(sentences, tuple(_caveats(regression, len(largest), len(fit.estimates_P) - 1)))


def interpret_binomial(regression: CountRegression, effects: int = 3) -> Interpretation:
    """Describe the largest odds ratios (or rate ratios) of a regression of counts; see `interpret`.

    >>> import pandas as pd
    >>> from xray.statistics.regression.glm import binomial
    >>> table = pd.DataFrame({"model": ["a", "b"], "correct": [80, 50], "n": [100, 100]})
    >>> print(interpret_binomial(binomial(table, ["model"], n="n")).effects[0])
    model b: 0.250 times the odds of a, holding the other factors fixed (95 % CI 0.133 to 0.468, P <0.0001)
    """
    fit, noun = regression.robust_fit, "odds" if "binomial" in regression.fit.method else "rate"
    sentences = []
    for row, (name, reference) in _largest(fit, effects):
        ratio, low, high = (float(np.exp(row[column])) for column in ("estimate", "ci_low", "ci_high"))
        effect = f"{name}: {points(ratio)} times the {noun} of {reference}, holding the other factors fixed"
        sentences.append(f"{effect} {_evidence(row['p'], low, high, fit.confidence, low <= 1 <= high)}")
    chosen = _choice(len(sentences), len(fit.estimates_P) - 1)
    return Interpretation(tuple(sentences), (*chosen, *regression.notes))


def interpret_mixed(regression: MixedRegression, effects: int = 3) -> Interpretation:
    """Say how much of the variance is between groups, and describe the largest effects; see `interpret`.

    >>> import pandas as pd
    >>> from xray.statistics.regression.mixed_model import mixed
    >>> values = [0.9, 0.7, 0.8, 0.5, 0.6, 0.45]
    >>> table = pd.DataFrame({"model": [*"ababab"], "category": [*"xxyyzz"], "accuracy": values})
    >>> share, effect = interpret_mixed(mixed(table, factors=["model"])).effects
    >>> share.partition(" (")[0][5:]
    '% of the variance that the factors leave is between the 3 values of category'
    """
    share = (
        f"{points(100 * regression.icc)} % of the variance that the factors leave is between the "
        f"{regression.groups:,} values of {printable(regression.group, _MAX_NAME)} (intraclass correlation "
        f"{points(regression.icc)})"
    )
    fit = regression.fit
    largest = _largest(fit, effects)
    sentences = (_sentence(*effect, regression.response, regression.unit, fit.confidence) for effect in largest)
    chosen = _choice(len(largest), len(fit.estimates_P) - 1)
    return Interpretation((share, *sentences), (*chosen, *regression.notes))


def _largest(fit: Fit, effects: int) -> list[tuple[dict[Hashable, Any], tuple[str, str]]]:
    """Return the rows of the largest parameters, without the intercept, each with its level and reference."""
    table, names = fit.parameters.iloc[1:], list(_comparisons(fit.design))
    order = np.argsort(-table["estimate"].abs().to_numpy(), kind="stable")[:effects].tolist()
    rows = table.to_dict("records")
    return [(rows[index], names[index]) for index in order]


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


def _sentence(
    row: Mapping[Hashable, Any], comparison: tuple[str, str], response: str, unit: Unit, confidence: float
) -> str:
    scale, noun = (1.0, "") if unit == "any" else (100.0, "points of ")
    estimate, low, high = (scale * row[name] for name in ("estimate", "ci_low", "ci_high"))
    name, reference = comparison
    direction = "lower" if estimate < 0 else "higher"
    size = f"{points(abs(estimate))} {noun}{printable(response, _MAX_NAME)}"
    effect = f"{name}: {size} {direction} than {reference}, holding the other factors fixed"
    return f"{effect} {_evidence(row['p'], low, high, confidence, low <= 0 <= high)}"


def _evidence(p: float, low: float, high: float, confidence: float, may_be_none: bool) -> str:
    if not (text := p_text(p)):
        return "(no confidence interval)"
    text = f"P {text}" if text[0] in "<>" else f"P = {text}"
    interval = f"{100 * confidence:g} % CI {points(low)} to {points(high)}"
    return f"({interval}, {text}){': not significant' if may_be_none else ''}"


def _choice(listed: int, effects: int) -> Iterator[str]:
    if effects > listed:
        yield f"these are the largest of {effects:,} effects; P values are not adjusted for multiple comparisons"


def _caveats(regression: LinearFit, listed: int, effects: int) -> Iterator[str]:
    if regression.exact:
        yield EXACT
    yield from _choice(listed, effects)
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
