"""What was found, in plain language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xray.core.text import shown
from xray.report.data import Evidence

_REGIONS = {"object": "the object", "background": "the background", "image": "the whole image"}
_PHRASES = {
    "original": "the photograph is as it was taken",
    "blur_background": "the background is blurred",
    "blur_object": "the object is blurred",
    "bright_background": "the background is brightened",
    "bright_object": "the object is brightened",
    "image_r": "{region} is tinted red",
    "image_g": "{region} is tinted green",
    "image_b": "{region} is tinted blue",
    "image_rainbow": "the hues of {region} are shifted",
    "image_grey": "{region} has lost its colour",
    "segmented": "only the object is left, on {fill}",
    "transparent": "the background is transparent",
    "no_object": "the object is covered ({fill})",
    "random_background": "the object stands before another place",
    "generated_background": "the object stands in a generated world",
}
_METRICS = {"fid": "FID", "kid": "KID", "clip_score": "CLIPScore", "lpips_background": "LPIPS background"}


def phrase(name: str, settings: Mapping[str, Any]) -> str:
    """What a scenario shows, as the end of “when …”.

    Args:
        name: the recipe's.
        settings: its entry in the recipe.

    >>> phrase("image_r", {"kind": "image_r", "region": "object"})
    'the object is tinted red'
    """
    words = _PHRASES.get(settings["kind"])
    if words is None:
        return f"the scenario is “{shown(name)}”"
    values = {key: value for key, value in settings.items() if isinstance(value, str)}
    region = _REGIONS.get(values.get("region", ""), "the background")
    added = " (its pixels added to those of the place)" if values.get("compose") == "additive" else ""
    return words.format(region=region, fill=values.get("fill", "black")) + added


def percent(share: float, digits: int = 0) -> str:
    """A share 0 … 1 in per cent; a dash if there is none.

    >>> percent(0.743), percent(0.743, 1), percent(float("nan"))
    ('74 %', '74.3 %', '–')
    """
    return "–" if pd.isna(share) else f"{100 * share:.{digits}f} %"


def points(difference: float, digits: int = 0) -> str:
    """A difference of accuracies in points, with a true minus sign.

    >>> points(0.214), points(-0.047, 1), points(-0.0001)
    ('21', '−4.7', '0')
    """
    if pd.isna(difference):
        return "–"
    text = f"{100 * difference:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def interval(low: float, high: float, digits: int = 0) -> str:
    """An interval in points or per cent; empty if there is none.

    >>> interval(0.17, 0.25)
    '[17, 25]'
    """
    return "" if pd.isna(low) else f"[{points(low, digits)}, {points(high, digits)}]"


def number(value: float) -> str:
    """A number of any size to three digits; a dash if there is none.

    >>> number(123.456), number(0.01234), number(-2.0), number(float("nan"))
    ('123', '0.0123', '−2', '–')
    """
    return "–" if pd.isna(value) else f"{value:.3g}".replace("-", "−")


def metric(code: str) -> str:
    """What a metric of realism is called among people; an unknown one by its code.

    >>> metric("clip_score"), metric("other")
    ('CLIPScore', 'other')
    """
    return _METRICS.get(code, code)


def leading(evidence: Evidence) -> str | None:
    """The series with the highest accuracy on the reference, which the headline is about."""
    on_reference = evidence.accuracy[evidence.accuracy["scenario"] == evidence.reference]
    if on_reference.empty:
        return None
    return str(
        on_reference.sort_values(["accuracy", "series"], ascending=[False, True], kind="stable")["series"].iloc[0]
    )


def ranked_drops(evidence: Evidence, series: str) -> pd.DataFrame:
    """Drops of one series without controls: those whose interval excludes 0 first, each the largest first."""
    if evidence.drops is None:
        return pd.DataFrame()
    table = evidence.drops
    mine = table[(table["series"] == series) & ~table["scenario"].isin(evidence.controls)]
    found = mine.dropna(subset=["drop"]).assign(clear=mine["ci_low"] > 0)
    return found.sort_values(["clear", "drop", "scenario"], ascending=[False, False, True], kind="stable")


def headline(evidence: Evidence) -> tuple[str, list[str]]:
    """One sentence that says what was found, and the few that put it in its place."""
    series = leading(evidence)
    if evidence.predictions.empty:
        return "No model has looked at these images yet.", ["Run “xray evaluate” to see how models fare on them."]
    drops = ranked_drops(evidence, series) if series else pd.DataFrame()
    if series is None or drops.empty:
        return "Accuracies are here, what changes cost is not yet known.", [
            evidence.problem
        ] if evidence.problem else []
    if said := _by_chance(evidence, series):
        return said, [
            "A model that cannot tell the categories apart loses nothing: its drops and S_robust say nothing."
        ]
    worst, best = drops.iloc[0], drops.iloc[-1]
    details = [_basis(evidence, worst)]
    if len(drops) > 1:
        details.append(_best(evidence, best))
    details += _agreement(evidence, worst["scenario"])
    details += _control(evidence, series)
    return _main(evidence, shown(series), worst), details


def _by_chance(evidence: Evidence, series: str) -> str:
    """Of a classifier that was trained here and did not learn to tell the categories apart; empty of others."""
    rows = evidence.trained[
        (evidence.trained["series"] == series) & (evidence.trained["scenario"] == evidence.reference)
    ]
    segmenters = set(evidence.segmentation["series"])
    if rows.empty or series in segmenters or rows["ci_low"].iloc[0] > evidence.chance:
        return ""
    row = rows.iloc[0]
    return (
        f"{shown(series)} is right on {percent(row['accuracy'])} {interval(row['ci_low'], row['ci_high'])}, "
        f"which chance would reach too ({percent(evidence.chance)})."
    )


def _when(evidence: Evidence, scenario: str) -> str:
    entries = evidence.recipe["scenarios"]
    kind = entries[scenario]["kind"]
    named = "" if scenario == kind else f" ({shown(scenario)})"
    return f"when {phrase(scenario, entries[scenario])}{named}"


def _main(evidence: Evidence, series: str, worst: pd.Series) -> str:
    when = _when(evidence, worst["scenario"])
    amount = f"{points(worst['drop'])} {'point' if points(worst['drop']) == '1' else 'points'}"
    bounds = interval(worst["ci_low"], worst["ci_high"])
    if not bounds:
        return f"{series} loses {amount} {when}, on a single photograph: nothing can be concluded."
    if worst["ci_low"] > 0:
        return f"{series} loses {amount} {bounds} {when}."
    if worst["drop"] > 0:
        return f"No scenario clearly costs {series} accuracy: it loses at most {amount} {bounds}, {when}."
    return f"{series} loses no accuracy in any scenario."


def _basis(evidence: Evidence, worst: pd.Series) -> str:
    n = int(worst["n_images"])
    return (
        f"There it is right on {percent(worst['accuracy'])} of {n:,} {'photograph' if n == 1 else 'photographs'}, "
        f"against {percent(worst['reference_accuracy'])} on the same {'one' if n == 1 else 'ones'} "
        f"as taken; the brackets hold a 95 % interval."
    )


def _best(evidence: Evidence, best: pd.Series) -> str:
    amount = points(abs(best["drop"]))
    change = f"{amount} {'point' if amount == '1' else 'points'} {'lost' if best['drop'] >= 0 else 'gained'}"
    return f"It holds up best {_when(evidence, best['scenario'])}: {percent(best['accuracy'])} right, {change}."


def _agreement(evidence: Evidence, scenario: str) -> list[str]:
    names = list(dict.fromkeys(evidence.accuracy["series"]))
    worst = [table["scenario"].iloc[0] for name in names if not (table := ranked_drops(evidence, name)).empty]
    if len(worst) < 2:
        return []
    same = worst.count(scenario)
    everyone = "both models" if len(worst) == 2 else f"all {len(worst)} models"
    who = everyone if same == len(worst) else f"{same} of {len(worst)} models"
    return [f"It is the costliest scenario for {who}."]


def _control(evidence: Evidence, series: str) -> list[str]:
    table = evidence.accuracy
    rows = table[(table["series"] == series) & table["scenario"].isin(evidence.controls)]
    if rows.empty:
        return []
    row = rows.iloc[0]
    bounds = interval(row["ci_low"], row["ci_high"])
    return [
        f"With the object covered it still gives the right name to {percent(row['accuracy'])} {bounds}: "
        f"that much the background (and the object’s outline) gives away."
    ]
