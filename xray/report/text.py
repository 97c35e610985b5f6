"""Numbers and scenarios as text."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from xray.core.errors import XrayError
from xray.core.plugins import reading_run
from xray.core.text import printable
from xray.scenarios import Scenario, build_scenario

_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "region": {"object": "the object", "background": "the background", "image": "the whole image"},
    "compose": {"alpha": "", "additive": " (pixel values added)"},
    "donor": {"removed": "", "whole": ", a whole photograph"},
}
_DEFAULTS = {"region": "the background", "fill": "black", "compose": "", "donor": ""}


def phrase(name: str, settings: Mapping[str, Any]) -> str:
    """Return the phrase of a scenario (`Scenario.phrase`), to follow "when", with its `settings` in the recipe.

    >>> phrase("image_r", {"kind": "image_r", "region": "object"})
    'the object is tinted red'
    """
    template: str = Scenario.phrase
    with contextlib.suppress(XrayError), reading_run():  # a plug-in that is not installed here, or not trusted
        template = build_scenario({key: value for key, value in settings.items() if key != "variants"}).phrase
    values = {key: _SETTINGS.get(key, {}).get(str(value), str(value)) for key, value in settings.items()}
    return template.format(**{**_DEFAULTS, **values, "name": printable(name)})


def percent(share: float, digits: int = 0) -> str:
    """Format a share (0–1) in percent; a dash for NaN.

    >>> percent(0.743), percent(0.743, 1), percent(float("nan"))
    ('74 %', '74.3 %', '–')
    """
    return "–" if pd.isna(share) else f"{100 * share:.{digits}f} %"


def percentage_points(difference: float, digits: int = 0) -> str:
    """Format a difference of accuracies (−1 to 1) in points, with a typographic minus sign; a dash for NaN.

    >>> percentage_points(0.214), percentage_points(-0.047, 1), percentage_points(-0.0001)
    ('21', '−4.7', '0')
    """
    if pd.isna(difference):
        return "–"
    text = f"{100 * difference:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float, digits: int = 0) -> str:
    """Format an interval in points or percent; empty for NaN.

    >>> interval(0.17, 0.25)
    '[17, 25]'
    """
    return "" if pd.isna(low) else f"[{percentage_points(low, digits)}, {percentage_points(high, digits)}]"


def number(value: float) -> str:
    """Format a number of any size with three significant digits; a dash for NaN.

    >>> number(123.456), number(0.01234), number(-2.0), number(float("nan"))
    ('123', '0.0123', '−2', '–')
    """
    return "–" if pd.isna(value) else f"{value:.3g}".replace("-", "−")


def decimals(value: float) -> str:
    """Format a number with four decimals and a typographic minus sign; a dash for NaN.

    >>> decimals(0.12345), decimals(-0.0006), decimals(-0.00001), decimals(float("nan")), decimals(float("inf"))
    ('0.1235', '−0.0006', '0.0000', '–', '∞')
    """
    if pd.isna(value):
        return "–"
    text = f"{value:.4f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−").replace("inf", "∞")


def decimal_interval(low: float, high: float) -> str:
    """Format an interval with four decimals; a dash for NaN.

    >>> decimal_interval(0.1, 0.25)
    '[0.1000, 0.2500]'
    """
    return "–" if pd.isna(low) else f"[{decimals(low)}, {decimals(high)}]"


def p_value(p: float) -> str:
    """Format a P value; a dash for NaN.

    >>> p_value(0.0412), p_value(0.00002), p_value(1.0), p_value(float("nan"))
    ('0.041', '<0.001', '1', '–')
    """
    if pd.isna(p):
        return "–"
    return "<0.001" if p < 0.0005 else f"{p:.3f}".rstrip("0").rstrip(".")
