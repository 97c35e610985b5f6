"""Models trained on scenarios: S_robust, accuracies, learning curves and the trainings themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from xray.core.text import counted, printable
from xray.report import figures
from xray.report.accuracy import fewer_photographs, photographs
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, records, row_series
from xray.report.text import decimal_interval, decimals, interval, percent, percentage_points
from xray.runs.roles import PRETRAINED
from xray.statistics.robustness.chance import NOT_ABOVE_CHANCE
from xray.statistics.robustness.findings import intervals_over, s_robust_finding

_BACKGROUNDS = ("original", "generated_background", "random_background")
_DONE = "done"
_STATES = {"begun": "started", "planned": "not started"}
_OPEN_ROWS = 16


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `training.html.j2`; None if nothing is trained in this run."""
    if not data.has_training:
        return None
    trials, s_robust = data.trials, data.scores.s_robust
    if s_robust is not None and s_robust.empty:
        s_robust = None
    done = _trainings(trials)
    return {
        "reference": data.scores.reference,
        "controls": data.controls,
        "missing": _missing(trials),
        "s_robust": None if s_robust is None else _s_robust(data, s_robust),
        "scenarios": "" if s_robust is None else str(s_robust["scenarios"].iloc[0]),
        "intervals": None if s_robust is None else _intervals(s_robust),
        "over": intervals_over(s_robust),
        "fewer": fewer_photographs(data),
        "at_chance": sorted(data.scores.at_chance),
        "backgrounds": _backgrounds(data),
        "models": _models(data),
        "segmentation": _segmentation(data.scores.segmentation),
        "trainings": done,
        "open": len(done.rows) <= _OPEN_ROWS,
        "validated": _validated(data),
        "lines": _lines(data.history),
        "facts": _facts(data),
    }


def _validated(data: ReportData) -> str:
    chosen = ["penalty" if values.get("tune") == "head" else "epoch" for values in _used(data) if _chosen(values)]
    return f"choice of the {chosen[0]}" if chosen else "validation, which chooses nothing"


def _missing(trials: pd.DataFrame) -> Table:
    rows = trials[trials["status"] != _DONE].astype(object)
    return Table.of(
        records(rows.where(rows.notna(), "")),
        ("name model", lambda row: row["model"]),
        ("name trained on", lambda row: row["trained_on"]),
        ("number fold", lambda row: str(row["fold"])),
        *([("number repeat", lambda row: str(row["repeat"]))] if trials["repeat"].any() else []),
        ("text status", lambda row: _STATES.get(row["status"], row["status"])),
        ("prose reason", lambda row: row["reason"] or NONE),
    )


def _s_robust(data: ReportData, table: pd.DataFrame) -> Table:
    def at_chance(row: Mapping[Hashable, Any]) -> bool:
        return row_series(row) in data.scores.at_chance

    return Table.of(
        records(table),
        ("name model", lambda row: row["label"]),
        ("number S_robust", lambda row: NOT_ABOVE_CHANCE if at_chance(row) else decimals(row["s_robust"])),
        ("number 95 % interval", lambda row: decimal_interval(row["ci_low"], row["ci_high"])),
        ("number as published", lambda row: decimals(row["plug_in"])),
        (Markup("number σ²<sub>cross</sub>"), lambda row: decimals(row["sigma2_cross"])),
        (Markup("number σ²<sub>inner</sub>"), lambda row: decimals(row["sigma2_inner"])),
        ("prose differs from chance", lambda row: s_robust_finding(row) or (NONE if row["missing"] else "yes")),
        ("number μ", lambda row: decimals(row["mu"])),
        ("number photographs", photographs),
        ("prose definition, or what is missing", _definition),
        faint=at_chance,
    )


def _definition(row: Mapping[Hashable, Any]) -> str:
    if row["missing"]:
        return f"none: {row['missing']}"
    return f"{row['reading']}, {row['power']} about {row['about']}; interval {row['method']}"


def _intervals(table: pd.DataFrame) -> Markup | None:
    table = table[table[["sigma2_cross", "sigma2_inner"]].notna().any(axis=1)]
    if table.empty:
        return None
    return figures.inline_svg(figures.robustness_intervals(table), "S_robust and its terms by model", "s-robust")


def _backgrounds(data: ReportData) -> Markup | None:
    """Draw accuracy on original, generated and random backgrounds, also of models trained on the tested scenario."""
    kinds = {name: entry["kind"] for name, entry in data.recipe["scenarios"].items()}
    trained = data.scores.trained
    own = trained[trained["trained_on"] == trained["scenario"]]
    own = own[own["trained_on"] != data.scores.reference].assign(trained_on="the same scenario")
    at_chance = {row["model"] for row in data.scores.at_chance.values() if row["trained_on"] != PRETRAINED}
    table = data.scores.above_chance(pd.concat([data.scores.accuracy, own[~own["model"].isin(list(at_chance))]]))
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
        ("number trainings", lambda group: f"{len(group[2])} of {planned[group[:2]]}"),
        ("number epochs", lambda group: _range(group[2]["epochs"])),
        ("number mean tested epoch", lambda group: _mean_epoch(group[2]["best_epoch"])),
        (
            "number photographs",
            lambda group: " / ".join(_range(group[2][part]) for part in ("train", "validation", "test")),
        ),
        ("number seconds", lambda group: f"{group[2]['seconds'].sum():,.0f}"),
        ("prose initial weights", lambda group: ", ".join(dict.fromkeys(group[2]["origin"]))),
    )


def _mean_epoch(values: pd.Series) -> str:
    return NONE if values.isna().all() else f"{values.mean() + 1:.1f}"


def _range(values: pd.Series) -> str:
    if values.isna().all():  # heads have no epochs
        return NONE
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _lines(history: pd.DataFrame) -> int:
    """Return the largest number of trainings in a panel of the learning curves."""
    if history.empty:
        return 0
    trainings = history[["model", "trained_on", "fold", "repeat"]].fillna({"repeat": 0}).drop_duplicates()
    return int(trainings.groupby(["model", "trained_on"]).size().max())


def _used(data: ReportData) -> list[Mapping[str, Any]]:
    """Return the different settings of the finished trainings, from their receipts; of the recipe if there are none."""
    receipts = [facts["settings"] for facts in data.run.models().values() if "settings" in facts]
    names = ("tune", "l2", "validation", "best", "epochs", "batch", "optimizer", "patience", "search")
    used = {json.dumps([values.get(name) for name in names], sort_keys=True): values for values in receipts}
    return list(used.values()) or [data.recipe.get("training") or {}]


def _facts(data: ReportData) -> list[tuple[str, str]]:
    """Return what was done in training, from the recipe's splits and the settings in the receipts."""
    recipe: Mapping[str, Any] | None = data.recipe.get("training")
    if recipe is None:
        return []
    split = f"{percent(recipe['holdout'])} of the photographs of each category are held out for the test"
    if recipe["folds"]:
        split = (
            f"{recipe['folds']}-fold cross-validation, stratified by category: each photograph is tested once, and "
            "accuracies are pooled over the folds"
        )
    if (repeats := recipe.get("repeats") or 1) > 1:
        split += f"; each training {repeats} times, from other seeds, and accuracies are means over them"
    used = [values for values in _used(data) if values]
    tested = "trained models were never fitted to their test photographs, in any scenario"
    for values in [values for values in used if _chosen(values) and values["validation"] == "test"][:1]:
        what = "penalties" if values.get("tune") == "head" else "epochs"
        tested += f"; but their {what} were chosen by these photographs"
    devices = ", ".join(dict.fromkeys(data.trials["device"].dropna())) or NONE
    return [
        ("Split", split),
        ("Test photographs", tested),
        ("Tested epoch", "; or ".join(dict.fromkeys(map(_epoch, used)))),
        ("Correct, trained models", "the most probable of the run’s own categories is the category of the object"),
        ("Training", f"on {devices}; {'; or '.join(dict.fromkeys(map(_limits, used)))}"),
    ]


def _chosen(settings: Mapping[str, Any]) -> bool:
    """Return whether validation chooses what is tested: an epoch, or the penalty of a head."""
    if settings.get("tune") == "head":
        return len(settings["l2"]) > 1
    return bool(settings.get("best", "loss") != "last")


def _epoch(settings: Mapping[str, Any]) -> str:
    """Describe which epoch's weights are tested, or which penalty of a head is."""
    if settings.get("tune") == "head" and not _chosen(settings):
        return "heads have no epochs: no photographs choose anything"
    if not _chosen(settings):
        return "the last of each training: no photographs choose it"
    by = "highest score" if settings.get("best") == "score" else "lowest loss"
    if settings.get("tune") == "head":
        by = f"{by} (of penalties; heads have no epochs)"
    if settings["validation"] == "test":
        return f"chosen by the {by} on the test photographs (as in the published code: optimistic)"
    return f"chosen by the {by} on {percent(settings['validation'])} of the training photographs"


def _limits(settings: Mapping[str, Any]) -> str:
    """Describe how long, and with what, models are trained."""
    if settings.get("tune") == "head":
        penalties = ", ".join(f"{one:g}" for one in settings["l2"])
        return (
            "linear heads alone, by logistic regression on features of the pretrained networks, standardized on the "
            f"fitted photographs; penalty λ = {penalties}{', chosen for each head' if _chosen(settings) else ''}"
        )
    epochs = counted(settings["epochs"], "epoch")
    if settings.get("patience") and _chosen(settings):
        epochs = f"at most {epochs}, stopped after {settings['patience']} without a better one"
    searched = ", learning rate and weight decay searched for each training" if settings.get("search") else ""
    return f"{epochs}, batches of {settings['batch']:,}, {settings['optimizer']}{searched}"
