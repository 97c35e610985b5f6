"""Models trained on scenarios: S_robust, accuracies, learning curves and the trainings themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import printable
from xray.report import figures
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records
from xray.report.text import decimal_interval, decimals, interval, percent, percentage_points

_BACKGROUNDS = ("original", "generated_background", "random_background")
_DONE = "done"
_STATES = {"begun": "started", "planned": "not started"}
_OPEN_ROWS = 16


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `training.html.j2`; None if nothing is trained in this run."""
    if not data.has_training:
        return None
    trials = data.trials
    s_robust = data.scores.s_robust
    if s_robust is not None and s_robust.empty:
        s_robust = None
    done = _trainings(trials)
    return {
        "reference": data.scores.reference,
        "controls": data.controls,
        "missing": _missing(trials),
        "s_robust": None if s_robust is None else _s_robust(s_robust),
        "scenarios": "" if s_robust is None else str(s_robust["scenarios"].iloc[0]),
        "intervals": None if s_robust is None else _intervals(s_robust),
        "warnings": data.scores.warnings,
        "backgrounds": _backgrounds(data),
        "models": _models(data),
        "segmentation": _segmentation(data.scores.segmentation),
        "trainings": done,
        "open": len(done.rows) <= _OPEN_ROWS,
        "facts": _facts(data),
    }


def _missing(trials: pd.DataFrame) -> Table:
    rows = trials[trials["status"] != _DONE].astype(object)
    return Table.of(
        records(rows.where(rows.notna(), "")),
        ("name model", lambda row: row["model"]),
        ("name trained on", lambda row: row["trained_on"]),
        ("number fold", lambda row: str(row["fold"])),
        ("text status", lambda row: _STATES.get(row["status"], row["status"])),
        ("prose reason", lambda row: row["reason"] or NONE),
    )


def _s_robust(table: pd.DataFrame) -> Table:
    return Table.of(
        records(table),
        ("name model", lambda row: row["label"]),
        ("number S_robust", lambda row: decimals(row["s_robust"])),
        ("number 95 % interval", lambda row: decimal_interval(row["ci_low"], row["ci_high"])),
        (Markup("number σ²<sub>cross</sub>"), lambda row: decimals(row["sigma2_cross"])),
        (Markup("number σ²<sub>inner</sub>"), lambda row: decimals(row["sigma2_inner"])),
        ("number μ", lambda row: decimals(row["mu"])),
        ("number photographs", lambda row: NONE if pd.isna(row["n_images"]) else f"{row['n_images']:,.0f}"),
        ("prose definition, or what is missing", _definition),
    )


def _definition(row: Mapping[Hashable, Any]) -> str:
    if row["missing"]:
        return f"none: {row['missing']}"
    return f"{row['reading']}, {row['power']} about {row['about']}; interval {row['method']}"


def _intervals(table: pd.DataFrame) -> Markup | None:
    if table[["sigma2_cross", "sigma2_inner"]].isna().all(axis=None):
        return None
    return figures.inline_svg(figures.robustness_intervals(table), "S_robust and its terms by model", "s-robust")


def _backgrounds(data: ReportData) -> Markup | None:
    """Draw accuracy on original, generated and random backgrounds, also of models trained on the tested scenario."""
    kinds = {name: entry["kind"] for name, entry in data.recipe["scenarios"].items()}
    trained = data.scores.trained
    own = trained[trained["trained_on"] == trained["scenario"]]
    own = own[own["trained_on"] != data.scores.reference].assign(trained_on="the same scenario")
    table = pd.concat([data.scores.accuracy, own])
    tested = set(table["scenario"])
    names = [name for kind in _BACKGROUNDS for name in kinds if kinds[name] == kind and name in tested]
    if len(names) < 2:
        return None
    title = "Accuracy on original, generated and random backgrounds"
    return figures.inline_svg(figures.accuracy_intervals(table, names), title, "backgrounds")


def _models(data: ReportData) -> Iterator[dict[str, Any]]:
    """Draw the matrix and the learning curves of each model that was trained; None without their rows."""
    trained, history = data.scores.trained, data.history
    for index, name in enumerate(dict.fromkeys(map(str, [*history["model"], *trained["model"]]))):
        tested, epochs = (rows[rows["model"] == name] for rows in (trained, history))
        matrix = curves = None
        if not tested.empty:
            scenarios = [one for one in data.scenarios if one in {*tested["scenario"], *tested["trained_on"]}]
            title = f"Accuracy of {printable(name)} in percent by training and test scenario"
            matrix = figures.inline_svg(figures.train_test_map(tested, name, scenarios), title, f"matrix-{index}")
        if not epochs.empty:
            within = set(epochs["trained_on"])
            scenarios = [one for one in data.scenarios if one in within] + sorted(within - set(data.scenarios))
            chance = data.chance if set(epochs["metric"]) == {"top1"} else None
            title = f"Loss and score of {printable(name)} by epoch and scenario"
            axes = figures.learning_curves(epochs, name, scenarios, chance)
            curves = figures.inline_svg(axes, title, f"curves-{index}")
        yield {"name": name, "matrix": matrix, "curves": curves}


def _segmentation(table: pd.DataFrame) -> Table:
    def mean(key: str) -> Callable[[Mapping[Hashable, Any]], str]:
        return lambda row: percentage_points(row[key], 1)

    def bounds(key: str) -> Callable[[Mapping[Hashable, Any]], str]:
        return lambda row: interval(row[f"{key}_low"], row[f"{key}_high"], 1) or NONE

    return Table.of(
        records(table),
        ("name segmenter", lambda row: row["series"]),
        ("name tested on", lambda row: row["tested_on"]),
        ("number images", lambda row: f"{row['n']:,}"),
        ("number IoU", mean("iou")),
        ("number 95 % interval", bounds("iou")),
        ("number Dice", mean("dice")),
        ("number 95 % interval", bounds("dice")),
        ("number correct pixels", mean("pixel_accuracy")),
        ("number 95 % interval", bounds("pixel_accuracy")),
    )


def _trainings(trials: pd.DataFrame) -> Table:
    """Make the table of finished trainings, one row per model and scenario, in the recipe's order."""
    planned = Counter(zip(trials["model"], trials["trained_on"], strict=True))
    groups = trials[trials["status"] == _DONE].groupby(["model", "trained_on"], sort=False)
    return Table.of(
        [(str(model), str(scenario), rows) for (model, scenario), rows in groups],
        ("name model", lambda group: group[0]),
        ("name trained on", lambda group: group[1]),
        ("number folds", lambda group: f"{len(group[2])} of {planned[group[:2]]}"),
        ("number epochs", lambda group: _range(group[2]["epochs"])),
        ("number mean best epoch", lambda group: f"{group[2]['best_epoch'].mean() + 1:.1f}"),
        (
            "number photographs",
            lambda group: " / ".join(_range(group[2][part]) for part in ("train", "validation", "test")),
        ),
        ("number seconds", lambda group: f"{group[2]['seconds'].sum():,.0f}"),
        ("prose initial weights", lambda group: ", ".join(dict.fromkeys(group[2]["origin"]))),
    )


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _facts(data: ReportData) -> list[tuple[str, str]]:
    settings: Mapping[str, Any] | None = data.recipe.get("training")
    if settings is None:
        return []
    split = f"{percent(settings['holdout'])} of the photographs of each category are held out for the test"
    if settings["folds"]:
        split = (
            f"{settings['folds']}-fold cross-validation, stratified by category: each photograph is tested once, and "
            "accuracies are pooled over the folds"
        )
    best = "the test photographs (as in the published code: optimistic)"
    if settings["validation"] != "test":
        best = f"{percent(settings['validation'])} of the training photographs"
    devices = ", ".join(dict.fromkeys(data.trials["device"].dropna())) or NONE
    limits = f"at most {settings['epochs']:,} epochs, batches of {settings['batch']:,}, {settings['optimizer']}"
    return [
        ("Split", split),
        ("Test photographs", "trained models were never trained on their test photographs, in any scenario"),
        ("Best epoch", f"chosen by the lowest loss on {best}"),
        ("Correct, trained models", "the most probable of the run’s own categories is the category of the object"),
        ("Training", f"on {devices}; {limits}"),
    ]
