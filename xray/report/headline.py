"""The headline of a report: the main finding in one sentence, and the sentences that qualify it."""

from __future__ import annotations

import math

import pandas as pd

from xray.core.text import counted, printable
from xray.report.data import ReportData
from xray.report.text import interval, percent, percentage_points, phrase
from xray.runs.roles import untested_scenarios
from xray.statistics.robustness.findings import shown_losses

_AT_CHANCE = "Where no accuracy above chance is shown, none can be lost: there is no ranking and no S_robust."


def best_series(data: ReportData) -> str | None:
    """Return the series with the highest accuracy on the reference, which the headline is about.

    Models that are not shown to be above chance come last, and before them those that were tested on nothing else.
    """
    rows = data.scores.accuracy[data.scores.accuracy["scenario"] == data.scores.reference]
    if rows.empty:
        return None
    rows = rows.assign(
        chance=rows["series"].isin(list(data.scores.at_chance)),
        alone=[ranked_drops(data, str(series)).empty for series in rows["series"]],
    )
    order = {"chance": True, "alone": True, "accuracy": False, "series": True}
    rows = rows.sort_values(list(order), ascending=list(order.values()), kind="stable")
    return str(rows["series"].iloc[0])


def ranked_drops(data: ReportData, series: str) -> pd.DataFrame:
    """Return the drops of one series without controls: losses that are shown first, then by size, the largest first.

    There are none of a model that is not shown to be above chance.
    """
    if data.scores.drops is None or series in data.scores.at_chance:
        return pd.DataFrame()
    table = data.scores.drops
    untested = untested_scenarios(data.recipe)
    rows = table[(table["series"] == series) & ~table["scenario"].isin(untested)].dropna(subset=["drop"])
    rows = rows.assign(clear=shown_losses(rows))
    return rows.sort_values(["clear", "drop", "scenario"], ascending=[False, False, True], kind="stable")


def headline(data: ReportData, *, control: bool = True) -> tuple[str, list[str]]:
    """Return the headline and the sentences below it, with or without that on photographs without the object."""
    series = best_series(data)
    if data.scores.predictions.empty:
        return "No model has been evaluated on these images yet.", ["Run “xray evaluate” to evaluate models on them."]
    if series is not None and series in data.scores.at_chance:
        return _chance_level(data, series), [_AT_CHANCE]
    drops = ranked_drops(data, series) if series else pd.DataFrame()
    if series is None or drops.empty:
        details = [data.scores.problem or "No image of another scenario that shows the object has been evaluated."]
        return "Accuracies are available, but accuracy drops cannot be computed yet.", details
    worst, best = drops.iloc[0], drops.sort_values(["drop", "scenario"], kind="stable").iloc[0]
    details = [_worst(data, worst), *(_agreement(data, worst["scenario"]) if worst["drop"] > 0 else [])]
    if best["scenario"] != worst["scenario"]:
        details.append(_best(data, best))
    details += _control(data, series) if control else []
    return _main(data, printable(series), drops), details


def _chance_level(data: ReportData, series: str) -> str:
    """Describe the best of the models if it is not shown to be above chance, nor are the others then."""
    chance = data.scores.at_chance[series]
    n = len(set(data.scores.accuracy["series"]))
    who = printable(series) if n == 1 else f"The best of {n} models, {printable(series)},"
    if not chance["accuracy"]:
        return f"{who} is right on no unchanged photograph."
    return f"{who} is {chance['reason']}."


def _points(difference: float) -> str:
    amount = percentage_points(difference)
    return f"{amount} {'point' if amount == '1' else 'points'}"


def _when(data: ReportData, scenario: str) -> str:
    entry = data.recipe["scenarios"][scenario]
    name = "" if scenario == entry["kind"] else f" ({printable(scenario)})"
    return f"when {phrase(scenario, entry)}{name}"


def _main(data: ReportData, series: str, drops: pd.DataFrame) -> str:
    worst, n = drops.iloc[0], len(drops)
    when, amount = _when(data, worst["scenario"]), _points(worst["drop"])
    bounds = interval(worst["ci_low"], worst["ci_high"])
    if not bounds:
        only = "a single photograph" if worst["n_images"] == 1 else "photographs of a single group"
        return f"{series} loses {amount} {when}, on {only}: no conclusion is possible."
    if worst["clear"] and n == 1:
        return f"{series} loses {amount} {bounds} of accuracy {when}."
    if worst["clear"] and worst["drop"] == drops["drop"].max():
        return f"{series} loses most accuracy {when}: {amount} {bounds}."
    if worst["clear"]:
        return (
            f"{series} loses {amount} {bounds} of accuracy {when}: of {n} differences the largest shown to be a loss."
        )
    if n == 1:
        return f"{series} is not shown to lose accuracy {when}: {_change(worst)}."
    if worst["drop"] > 0:
        return (
            f"No scenario is shown to cost {series} accuracy: the largest of {n} differences is {amount} {bounds}, "
            f"{when}."
        )
    limit = counted(max(0, math.ceil(100 * drops["ci_high"].max() - 1e-9)), "point")
    return (
        f"No scenario is shown to cost {series} accuracy: by their intervals, no single one of {n} costs more than "
        f"{limit}."
    )


def _worst(data: ReportData, worst: pd.Series) -> str:
    n = int(worst["n_images"])
    accuracy = f"{percent(worst['accuracy'])} on {counted(n, 'photograph')}"
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
    """Describe the smallest difference, which may be a gain."""
    verb = "gains most" if best["drop"] < 0 else "loses least"
    return f"It {verb} {_when(data, best['scenario'])}: {percent(best['accuracy'])} accuracy, {_change(best)}."


def _change(row: pd.Series) -> str:
    gained = row["drop"] < 0
    low, high = (-row["ci_high"], -row["ci_low"]) if gained else (row["ci_low"], row["ci_high"])
    return " ".join(filter(None, (_points(abs(row["drop"])), interval(low, high), "gained" if gained else "lost")))


def _agreement(data: ReportData, scenario: str) -> list[str]:
    """Count the models for which a scenario has the largest drop; empty for a single one above chance."""
    names = list(dict.fromkeys(data.scores.accuracy["series"]))
    tables = [table for name in names if not (table := ranked_drops(data, name)).empty]
    worst = [table["scenario"].iloc[int(table["drop"].argmax())] for table in tables]
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
    ignorant = data.scores.ignorant(series, row["scenario"])
    if not ignorant:
        return [f"With the object {hidden}, accuracy is {accuracy}."]
    names = " and ".join(f"{percent(share)} ({name})" for name, share in ignorant.items())
    revealed = f": the {revealing} more than chance" if row["ci_low"] > max(ignorant.values()) else ""
    return [
        f"With the object {hidden}, accuracy is {accuracy}{revealed}. Answers that ignore the photograph would reach "
        f"{names}."
    ]
