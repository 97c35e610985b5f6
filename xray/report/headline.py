"""The headline of a report: the main finding in one sentence, and the sentences that qualify it."""

from __future__ import annotations

import pandas as pd

from xray.core.text import printable
from xray.report.data import ReportData
from xray.report.text import interval, percent, percentage_points, phrase
from xray.runs.roles import untested_scenarios


def best_series(data: ReportData) -> str | None:
    """Return the series with the highest accuracy on the reference, which the headline is about."""
    rows = data.scores.accuracy[data.scores.accuracy["scenario"] == data.scores.reference]
    if rows.empty:
        return None
    return str(rows.sort_values(["accuracy", "series"], ascending=[False, True], kind="stable")["series"].iloc[0])


def ranked_drops(data: ReportData, series: str) -> pd.DataFrame:
    """Return the drops of one series without controls: intervals above 0 first, then by size, the largest first."""
    if data.scores.drops is None:
        return pd.DataFrame()
    table = data.scores.drops
    untested = untested_scenarios(data.recipe)
    rows = table[(table["series"] == series) & ~table["scenario"].isin(untested)].dropna(subset=["drop"])
    rows = rows.assign(clear=rows["ci_low"] > 0)
    return rows.sort_values(["clear", "drop", "scenario"], ascending=[False, False, True], kind="stable")


def headline(data: ReportData) -> tuple[str, list[str]]:
    """Return the headline and the sentences below it."""
    series = best_series(data)
    if data.scores.predictions.empty:
        return "No model has been evaluated on these images yet.", ["Run “xray evaluate” to evaluate models on them."]
    drops = ranked_drops(data, series) if series else pd.DataFrame()
    if series is None or drops.empty:
        details = [data.scores.problem] if data.scores.problem else []
        return "Accuracies are available, but accuracy drops cannot be computed yet.", details
    if sentence := _chance_level(data, series) or _never_right(data, series):
        return sentence, ["A model at chance level has no accuracy to lose, so its drops and S_robust mean nothing."]
    worst, best = drops.iloc[0], drops.iloc[-1]
    details = [_worst(data, worst), *_agreement(data, worst["scenario"])]
    if len(drops) > 1:
        details.append(_best(data, best))
    details += _control(data, series)
    return _main(data, printable(series), worst), details


def _chance_level(data: ReportData, series: str) -> str:
    """Describe a classifier that was trained in this run and is no better than chance; empty for others."""
    table = data.scores.trained
    rows = table[(table["series"] == series) & (table["scenario"] == data.scores.reference)]
    segmenters = set(data.scores.segmentation["series"])
    if rows.empty or series in segmenters or rows["ci_low"].iloc[0] > data.chance:
        return ""
    row = rows.iloc[0]
    accuracy = f"{percent(row['accuracy'])} {interval(row['ci_low'], row['ci_high'])}"
    return f"{printable(series)} is no better than chance ({percent(data.chance)}): its accuracy is {accuracy}."


def _never_right(data: ReportData, series: str) -> str:
    """Describe a model that is right on no unchanged photograph; empty for others."""
    table = data.scores.accuracy
    row = table[(table["series"] == series) & (table["scenario"] == data.scores.reference)].iloc[0]
    if row["accuracy"] > 0:
        return ""
    return f"{printable(series)} is right on none of {int(row['n']):,} unchanged photographs."


def _points(difference: float) -> str:
    amount = percentage_points(difference)
    return f"{amount} {'point' if amount == '1' else 'points'}"


def _when(data: ReportData, scenario: str) -> str:
    entry = data.recipe["scenarios"][scenario]
    name = "" if scenario == entry["kind"] else f" ({printable(scenario)})"
    return f"when {phrase(scenario, entry)}{name}"


def _main(data: ReportData, series: str, worst: pd.Series) -> str:
    when, amount = _when(data, worst["scenario"]), _points(worst["drop"])
    bounds = interval(worst["ci_low"], worst["ci_high"])
    if not bounds:
        return f"{series} loses {amount} {when}, on a single photograph: no conclusion is possible."
    if worst["ci_low"] > 0:
        return f"{series} loses {amount} {bounds} of accuracy {when}."
    if worst["drop"] > 0:
        return f"No scenario clearly lowers the accuracy of {series}: the largest drop is {amount} {bounds}, {when}."
    return f"{series} loses no accuracy in any scenario."


def _worst(data: ReportData, worst: pd.Series) -> str:
    n = int(worst["n_images"])
    photographs = f"{n:,} {'photograph' if n == 1 else 'photographs'}"
    accuracy = f"{percent(worst['accuracy'])} on {photographs}"
    lost = worst["drop"] > 0  # otherwise the headline names no scenario
    subject = (
        f"Its accuracy is then {accuracy}" if lost else f"It does worst {_when(data, worst['scenario'])}: {accuracy}"
    )
    return (
        f"{subject}, compared with "
        f"{percent(worst['reference_accuracy'])} on the unchanged {'photograph' if n == 1 else 'photographs'}. "
        "Brackets show 95 % intervals."
    )


def _best(data: ReportData, best: pd.Series) -> str:
    change = f"{_points(abs(best['drop']))} {'lost' if best['drop'] >= 0 else 'gained'}"
    when = _when(data, best["scenario"])
    return f"It is most robust {when}: {percent(best['accuracy'])} accuracy, {change}."


def _agreement(data: ReportData, scenario: str) -> list[str]:
    """Count the models for which a scenario has the largest drop; empty for a single model."""
    names = list(dict.fromkeys(data.scores.accuracy["series"]))
    worst = [table["scenario"].iloc[0] for name in names if not (table := ranked_drops(data, name)).empty]
    if len(worst) < 2:
        return []
    same = worst.count(scenario)
    everyone = "both models" if len(worst) == 2 else f"all {len(worst)} models"
    who = everyone if same == len(worst) else f"{same} of {len(worst)} models"
    return [f"This scenario has the largest drop for {who}."]


def _control(data: ReportData, series: str) -> list[str]:
    table = data.scores.accuracy
    rows = table[(table["series"] == series) & table["scenario"].isin(data.controls)]
    if rows.empty:
        return []
    row = rows.iloc[rows["scenario"].map(data.controls.index).argmin()]  # the same as on the card
    removed = data.recipe["scenarios"][row["scenario"]].get("fill") == "removed"
    hidden, revealing = ("removed", "background reveals") if removed else ("covered", "background and outline reveal")
    accuracy = f"{percent(row['accuracy'])} {interval(row['ci_low'], row['ci_high'])}"
    if not row["accuracy"]:
        return [f"With the object {hidden}, accuracy is {accuracy}."]
    return [f"With the object {hidden}, accuracy is still {accuracy}: the {revealing} the category that often."]
