"""Scores as text for a terminal."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xray.pipeline.score import Scores
from xray.runs.roles import PRETRAINED, series_name

_MAX_WIDTH = 120
_Row = Mapping[Hashable, Any]


def summary(scores: Scores) -> str:
    """Format accuracies and drops, train × test matrices, S_robust or what it lacks, and warnings.

    Accuracies and drops are of models that are pretrained or trained on the reference, the largest drop of each model
    first. A model trained on other scenarios has a matrix.
    """
    blocks = [_accuracies(scores), *_matrices(scores), _robustness(scores), _segmentation(scores)]
    blocks += [f"note: {warning}." for warning in scores.warnings]
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
    table["order"] = -table["drop"].where(table["scenario"] != scores.reference, float("inf"))
    rows = [
        (series_name(row["model"], row["trained_on"]), row["scenario"], f"{100 * row['accuracy']:.1f} %",
         f"{row['n']:,}", "reference" if row["scenario"] == scores.reference else _drop(row))
        for row in table.sort_values(["model", "trained_on", "order", "scenario"]).to_dict("records")
    ]  # fmt: skip
    heads = ("model", "scenario", "accuracy", "n", "points lost [95 %]")
    return _text_table(heads, rows, right=("accuracy", "n"))


def _drop(row: _Row) -> str:
    if pd.isna(row["drop"]):
        return ""
    low, high = row["ci_low_drop"], row["ci_high_drop"]
    interval: str = "" if pd.isna(low) else f"  [{100 * low:5.1f}, {100 * high:5.1f}]"
    return f"{100 * row['drop']:5.1f}{interval}"


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
    return "\n".join(
        _incomplete(row, cross.get((row["model"], row["trained_on"]))) if row["missing"] else _s_robust(row)
        for row in scores.s_robust.to_dict("records")
    )


def _s_robust(row: _Row) -> str:
    interval: str = "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
    return (
        f"{row['model']}: S_robust {row['s_robust']:.4f}{interval} = 1 − (cross {row['sigma2_cross']:.4f} + inner "
        f"{row['sigma2_inner']:.4f}), mu = {row['mu']:.4f}, {_scenarios(row)} ({row['scenarios']}), "
        f"n = {row['n_images']:,} photographs, definition {row['reading']} ({row['power']} about {row['about']}), "
        f"interval {row['method']}"
    )


def _incomplete(row: _Row, cross: _Row | None) -> str:
    """Format what a model without S_robust lacks, and its cross term if it is known."""
    text = f"{series_name(row['model'], row['trained_on'])}: no S_robust: {row['missing']}"
    if cross is None or pd.isna(cross["cross"]):
        return text
    interval = "" if pd.isna(cross["ci_low"]) else f" [{cross['ci_low']:.4f}, {cross['ci_high']:.4f}]"
    return (
        f"{text}; cross term of S_robust {cross['cross']:.4f}{interval} "
        f"({cross['power']} about {cross['about']}; mu = {cross['mu']:.4f}, {_scenarios(cross)})"
    )


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
