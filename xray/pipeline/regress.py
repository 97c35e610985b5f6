"""The verb `regress`: a table of accuracies goes in, a regression with its tables, figures and reading comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from xray.core.errors import XrayError, unknown
from xray.core.tabular import read_table
from xray.statistics.regression.glm import CountRegression, binomial
from xray.statistics.regression.least_squares import Regression, regression
from xray.statistics.regression.validation import Missing, Unit


def references(texts: Sequence[str], factors: Sequence[str]) -> dict[str, str]:
    """Reference levels, as the command line has them; factors and levels may hold `=`.

    Raises:
        XrayError: one is not `FACTOR=LEVEL`, or names no factor, or one a second time.

    >>> references(["model=a=b", "class=0"], ["model", "class"])
    {'model': 'a=b', 'class': '0'}
    """
    made: dict[str, str] = {}
    for text in texts:
        named = [factor for factor in factors if text.startswith(f"{factor}=")]
        if not named:
            if "=" in text:
                raise unknown("factor of a reference", text.partition("=")[0], factors)
            raise XrayError(f"a reference is FACTOR=LEVEL, not {text!r} (factors: {', '.join(factors)})")
        factor = max(named, key=len)
        if factor in made:
            raise XrayError(f"factor {factor!r} has one reference, not both {made[factor]!r} and another")
        made[factor] = text.removeprefix(f"{factor}=")
    return made


def regress(
    location: str,
    response: str,
    factors: Sequence[str],
    reference: Mapping[str, str],
    *,
    interactions: Sequence[Sequence[str]] = (),
    weights: str | None = None,
    cluster: str | None = None,
    confidence: float = 0.95,
    unit: str = "fraction",
    missing: str = "error",
    counts: tuple[str, str] | None = None,
) -> tuple[Regression, CountRegression | None]:
    """Regress a table in a file.

    Args:
        location: path or URI; see `xray.core.tabular.read_table`.
        response: column; this and what follows as in `xray.statistics.regression`.
        factors: columns of categories.
        reference: level by factor.
        interactions: of factors, by name.
        weights: column of weights.
        cluster: column of what makes rows alike.
        confidence: of the intervals.
        unit: of the response.
        missing: what is done with rows in which something is empty.
        counts: columns of right answers and of all answers, for a binomial regression beside it.

    Raises:
        XrayError: as `read_table` and `regression`.
    """
    numbers = [response, *([weights] if weights else []), *(counts or ())]
    table = read_table(location, [*factors, *([cluster] if cluster else [])], numbers)
    fitted = regression(
        table, response, factors, reference, interactions=interactions, weights=weights, cluster=cluster,
        confidence=confidence, unit=cast(Unit, unit), missing=cast(Missing, missing),
    )  # fmt: skip
    if counts is None:
        return fitted, None
    correct, n = counts
    beside = binomial(
        table, factors, reference, correct=correct, n=n, interactions=interactions, confidence=confidence,
        missing=cast(Missing, missing),
    )  # fmt: skip
    if cluster is None:
        return fitted, beside
    note = f"its errors take all answers as independent: clusters by {cluster} are not in them"
    return fitted, replace(beside, notes=(*beside.notes, note))
