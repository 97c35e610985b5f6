"""Scores as text for a terminal."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xray.core.text import counted
from xray.pipeline.score import Scores
from xray.runs.roles import PRETRAINED, series_name
from xray.statistics.robustness.chance import NOT_ABOVE_CHANCE
from xray.statistics.robustness.findings import cross_finding, interval_over, multiplicity, s_robust_finding

_MAX_WIDTH = 120
_Row = Mapping[Hashable, Any]


def summary(scores: Scores) -> str:
    """Format accuracies and drops, train × test matrices, S_robust or what it lacks, and warnings.

    Accuracies and drops are of models that are pretrained or trained on the reference, the largest drop of each model
    first. A model trained on other scenarios has a matrix. Models that are not shown to be above chance have
    accuracies, but no drops.
    """
    blocks = [_accuracies(scores), *_matrices(scores), _robustness(scores), _segmentation(scores)]
    blocks += [
        f"note: {warning}."
        for warning in (*scores.warnings, multiplicity(scores.above_chance(scores.drops)))
        if warning
    ]
    return "\n\n".join(block for block in blocks if block)


def _accuracies(scores: Scores) -> str:
    table = scores.accuracy[scores.accuracy["trained_on"].isin([PRETRAINED, scores.reference])].merge(
        scores.drops[["model", "trained_on", "scenario", "drop", "ci_low", "ci_high"]],
        how="left",
        on=["model", "trained_on", "scenario"],
        suffixes=("", "_drop"),
    )
    if table.empty:
        return ""
    table = table.merge(
        scores.baselines[["model", "trained_on", "scenario", "majority", "shuffled"]],
        how="left",
        on=["model", "trained_on", "scenario"],
    )
    at_chance = set(zip(scores.at_chance["model"], scores.at_chance["trained_on"], strict=True))
    table["order"] = -table["drop"].where(table["scenario"] != scores.reference, float("inf"))
    rows = [
        (series_name(row["model"], row["trained_on"]), row["scenario"], f"{100 * row['accuracy']:.1f} %",
         f"{row['n']:,}", NOT_ABOVE_CHANCE if (row["model"], row["trained_on"]) in at_chance
         else "reference" if row["scenario"] == scores.reference else _drop(row), _without_object(row))
        for row in table.sort_values(["model", "trained_on", "order", "scenario"]).to_dict("records")
    ]  # fmt: skip
    heads = ("model", "scenario", "accuracy", "n", "points lost [95 %]", "answers that ignore the photograph")
    width = len(heads) - (not any(row[-1] for row in rows))
    return _text_table(heads[:width], (row[:width] for row in rows), right=("accuracy", "n"))


def _drop(row: _Row) -> str:
    if pd.isna(row["drop"]):
        return ""
    low, high = row["ci_low_drop"], row["ci_high_drop"]
    interval: str = "" if pd.isna(low) else f"  [{100 * low:5.1f}, {100 * high:5.1f}]"
    return f"{100 * row['drop']:5.1f}{interval}"


def _without_object(row: _Row) -> str:
    """Format what answers that ignore the photograph reach, in scenarios without the object."""
    if pd.isna(row["majority"]):
        return ""
    shuffled = "" if pd.isna(row["shuffled"]) else f"shuffled {100 * row['shuffled']:.1f} %, "
    return f"{shuffled}most frequent category {100 * row['majority']:.1f} %"


def _matrices(scores: Scores) -> list[str]:
    """Format the matrix of each model that was trained on a scenario other than the reference."""
    trained = scores.accuracy[scores.accuracy["trained_on"] != PRETRAINED]
    names = trained.loc[trained["trained_on"] != scores.reference, "model"].unique()
    return [_matrix(trained[trained["model"] == name], str(name), scores.reference) for name in names]


def _matrix(table: pd.DataFrame, model: str, reference: str) -> str:
    cells = table.pivot_table(index="trained_on", columns="scenario", values="accuracy")
    columns, index = (
        sorted(names, key=lambda name: (name != reference, name)) for names in (cells.columns, cells.index)
    )
    heads, legend = list(columns), ""
    if sum(len(name) + 2 for name in columns) + max(map(len, index)) > _MAX_WIDTH:
        heads = [f"({number})" for number in range(1, len(columns) + 1)]
        legend = "\n" + ", ".join(f"{head} {name}" for head, name in zip(heads, columns, strict=True))
    rows = [
        (name, *("–" if pd.isna(value) else f"{100 * value:.1f}" for value in cells.loc[name, columns]))
        for name in index
    ]
    text = _text_table(("", *heads), rows, right=heads)
    return f"{model}, accuracy in % by training (rows) and test scenario (columns)\n{text}{legend}"


def _robustness(scores: Scores) -> str:
    cross = {(row["model"], row["trained_on"]): row for row in scores.cross.to_dict("records")}
    rows = scores.s_robust.to_dict("records")
    pretrained = {row["model"] for row in rows if row["trained_on"] == PRETRAINED}
    return "\n".join(
        _incomplete(row, cross.get((row["model"], row["trained_on"])))
        if row["missing"]
        else _s_robust(row, ", trained here" if row["model"] in pretrained else "")
        for row in rows
    )


def _s_robust(row: _Row, which: str) -> str:
    finding = s_robust_finding(row)
    return (
        f"{row['model']}{which}: S_robust {row['s_robust']:.4f}{_bounds(row)}, as published {row['plug_in']:.4f}"
        f"{f'; {finding}' if finding else ''}\n"
        f"  = 1 − (cross {row['sigma2_cross']:.4f} + inner {row['sigma2_inner']:.4f}), mu = {row['mu']:.4f}, "
        f"{_scenarios(row)} ({row['scenarios']}), {_photographs(row)}\n"
        f"  definition {row['reading']} ({row['power']} about {row['about']}), interval {row['method']} "
        f"{interval_over(row['over'])}"
    )


def _incomplete(row: _Row, cross: _Row | None) -> str:
    """Format what a model without S_robust lacks, and its cross term if it is known."""
    text = f"{series_name(row['model'], row['trained_on'])}: no S_robust: {row['missing']}"
    if cross is None or pd.isna(cross["cross"]):
        return text
    finding = cross_finding(cross)
    return (
        f"{text}\n  cross term of S_robust {cross['cross']:.4f}{_bounds(cross)}, as published {cross['plug_in']:.4f}"
        f"{f'; {finding}' if finding else ''}\n"
        f"  {cross['power']} about {cross['about']}, mu = {cross['mu']:.4f}, {_scenarios(cross)}, "
        f"{_photographs(cross)}, interval {interval_over(cross['over'])}"
    )


def _bounds(row: _Row) -> str:
    return "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"


def _photographs(row: _Row) -> str:
    least = int(row["n_images_least"])
    fewer = f", {least:,} in the scenario with the fewest" if least < row["n_images"] else ""
    return f"n = {counted(int(row['n_images']), 'photograph')}{fewer}"


def _scenarios(row: _Row) -> str:
    n = int(row["n_scenarios"])
    return f"{n} scenario{'' if n == 1 else 's'}"


def _segmentation(scores: Scores) -> str:
    if scores.segmentation.empty:
        return ""
    rows = [
        (series_name(row["model"], row["trained_on"]), row["tested_on"], f"{row['n']:,}",
         *(_mean(row, name) for name in ("iou", "dice", "pixel_accuracy")))
        for row in scores.segmentation.to_dict("records")
    ]  # fmt: skip
    heads = ("segmenter", "tested on", "n", "IoU % [95 %]", "Dice %", "correct pixels %")
    text = _text_table(heads, rows, right=("n",))
    return (
        "The accuracy of segmenters above is the share of images whose IoU is at least 0.5; means over photographs:\n"
        f"{text}"
    )


def _mean(row: _Row, name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval: str = "" if pd.isna(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * row[name]:.1f}{interval}"


def _text_table(heads: Iterable[str], rows: Iterable[Iterable[str]], right: Iterable[str]) -> str:
    """Format a table without lines, which is as wide as its cells; the columns in `right` are right-aligned."""
    table = Table(box=None, pad_edge=False)
    for head in heads:
        table.add_column(Text(head), justify="right" if head in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console(width=10_000, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
