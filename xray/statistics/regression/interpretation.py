"""What a regression says in plain words: its largest effects, and what to keep in mind beside them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xray.core.text import shown
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import EXACT, Regression
from xray.statistics.regression.tables_text import p_text

_WIDTH = 60
_DIGITS = 3


@dataclass(frozen=True)
class Reading:
    """Sentences for people; names in them are on one line, and not escaped.

    Args:
        effects: the largest first.
        caveats: what to keep in mind beside them.
    """

    effects: tuple[str, ...]
    caveats: tuple[str, ...]

    def __str__(self) -> str:
        numbered = (f"{place}. {sentence}" for place, sentence in enumerate(self.effects, 1))
        return "\n".join([*numbered, "", *(f"- {caveat}" for caveat in self.caveats)])


def reading(regression: Regression, effects: int = 3) -> Reading:
    """The largest effects of a regression, by size, whatever their sign; the intercept is none.

    Intervals are the clustered ones where there are any. An accuracy's effects are in points: 1 point = 0.01.

    Args:
        regression: a fit.
        effects: how many of them, at most.

    >>> from xray.statistics import regression
    >>> table = pd.DataFrame({"model": list("aabb"), "scenario": list("xyxy"), "accuracy": [0.9, 0.5, 0.8, 0.5]})
    >>> print(reading(regression(table, factors=["model", "scenario"]), effects=1).effects[0])
    scenario y: 35.0 points of accuracy lower than x, all else equal (95 % interval -98.5 to 28.5, P = 0.0903): the interval holds 0, the sign is open
    """  # noqa: E501
    fit = regression.clustered or regression.fit
    table, names = fit.parameters.iloc[1:], list(_names(fit))
    places = np.argsort(-table["estimate"].abs().to_numpy(), kind="stable")[:effects].tolist()
    sentences = tuple(_sentence(table.iloc[place], names[place], regression, fit.confidence) for place in places)
    return Reading(sentences, tuple(_caveats(regression, len(places), len(table))))


def points(value: float) -> str:
    """A number with three significant digits, never in powers of ten.

    >>> points(-70.8333), points(5.0), points(0.03966), points(12345.0)
    ('-70.8', '5.00', '0.0397', '12300')
    """
    return np.format_float_positional(value, precision=_DIGITS, unique=False, fractional=False).rstrip(".")


def _names(fit: Fit) -> Iterator[tuple[str, str]]:
    """What is compared, and with what, for each column behind the intercept."""
    design = fit.design
    for term in design.terms:
        for levels in itertools.product(*(design.factor(name).levels[1:] for name in term)):
            name = " with ".join(
                f"{shown(name, _WIDTH)} {shown(level, _WIDTH)}" for name, level in zip(term, levels, strict=True)
            )
            alone = len(term) == 1
            yield name, shown(design.factor(term[0]).reference, _WIDTH) if alone else "the sum of its parts"


def _sentence(row: pd.Series, compared: tuple[str, str], regression: Regression, confidence: float) -> str:
    scale, unit = (1.0, "") if regression.unit == "any" else (100.0, "points of ")
    estimate, low, high = (scale * float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    name, reference = compared
    direction = "lower" if estimate < 0 else "higher"
    effect = f"{name}: {points(abs(estimate))} {unit}{shown(regression.response, _WIDTH)} {direction} than {reference}"
    if not (p := p_text(float(row["p"]))):
        return f"{effect}, all else equal (no interval)"
    said = f"P {p}" if p[0] in "<>" else f"P = {p}"
    doubt = ": the interval holds 0, the sign is open" if low <= 0 <= high else ""
    return f"{effect}, all else equal ({100 * confidence:g} % interval {points(low)} to {points(high)}, {said}){doubt}"


def _caveats(regression: Regression, told: int, effects: int) -> Iterator[str]:
    if regression.exact:
        yield EXACT
    if effects > told:
        yield f"these are the largest of {effects:,} effects; P values are not corrected for their number"
    if regression.clustered is not None:
        yield f"errors are {regression.clustered.errors}"
    else:
        yield (
            f"the intervals take all {regression.cells.rows:,} rows as independent; rows that rest on the same "
            "photographs are not, and intervals may be too narrow or too wide: errors by cluster allow for it"
        )
    yield from _impossible(regression)
    if regression.design.interactions:
        yield "with interactions, the effect of a level is that at the reference of the other factors"


def _impossible(regression: Regression) -> Iterator[str]:
    """Accuracies that cannot be."""
    if regression.unit == "any":
        return
    fitted_C = regression.fitted_C
    sides = {"above 1": int((fitted_C > 1).sum()), "below 0": int((fitted_C < 0).sum())}
    if found := " and ".join(f"{count:,} {side}" for side, count in sides.items() if count):
        yield (
            f"of {len(fitted_C):,} cells {found} are fitted, where no accuracy is: there the sum of effects cannot be "
            "right; a binomial model on counts stays inside"
        )
