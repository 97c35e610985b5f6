"""Scores as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from xray.pipeline.score import Scores
from xray.runs.roles import PRETRAINED, series_name

_WIDTH = 120


def summary(scores: Scores) -> str:
    """Accuracies and drops, train × test matrices, S_robust and what it lacks, and what warns of it.

    Accuracies with their drops are of models that are pretrained or trained on the reference, the largest drop of each
    model first. A model that was trained within scenarios has a matrix below.
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
    table = table.sort_values(["model", "trained_on", "order", "scenario"])
    rows = [("model", "scenario", "right", "n", f"lost against {scores.reference} [95 %]")]
    rows += [
        (
            series_name(row["model"], row["trained_on"]),
            row["scenario"],
            f"{100 * row['accuracy']:.1f} %",
            f"{row['n']:,}",
            _drop(row),
        )
        for row in _records(table)
    ]
    return _aligned(rows, (False, False, True, True, False))


def _drop(row: Mapping[str, Any]) -> str:
    if pd.isna(row["drop"]):
        return ""
    low, high = row["ci_low_drop"], row["ci_high_drop"]
    interval = "" if pd.isna(low) else f"  [{100 * low:5.1f}, {100 * high:5.1f}]"
    return f"{100 * row['drop']:5.1f}{interval}"


def _matrices(scores: Scores) -> list[str]:
    """Of each model that was trained within a scenario other than the reference."""
    trained = scores.accuracy[scores.accuracy["trained_on"] != PRETRAINED]
    inner = trained[trained["trained_on"] != scores.reference]
    return [
        _matrix(trained[trained["model"] == model], str(model), scores.reference) for model in inner["model"].unique()
    ]


def _matrix(table: pd.DataFrame, model: str, reference: str) -> str:
    cells = table.pivot_table(index="trained_on", columns="scenario", values="accuracy")
    columns = sorted({*cells.columns}, key=lambda name: (name != reference, name))
    heads, legend = list(columns), ""
    if sum(len(name) + 2 for name in columns) + max(map(len, cells.index)) > _WIDTH:
        heads = [f"({place})" for place in range(1, len(columns) + 1)]
        legend = "\n" + ", ".join(f"{head} {name}" for head, name in zip(heads, columns, strict=True))
    rows = [("", *heads)]
    for trained_on in sorted(cells.index, key=lambda name: (name != reference, name)):
        values = [cells.loc[trained_on, name] for name in columns]
        rows.append((trained_on, *("–" if pd.isna(value) else f"{100 * value:.1f}" for value in values)))
    table_text = _aligned(rows, (False, *(True for _ in columns)))
    return f"{model}, % right by what it was trained on (rows) and tested on (columns)\n{table_text}{legend}"


def _robustness(scores: Scores) -> str:
    cross = {(row["model"], row["trained_on"]): row for row in _records(scores.cross)}
    lines = []
    for row in _records(scores.s_robust):
        key = (row["model"], row["trained_on"])
        lines.append(_s_robust(row) if not row["missing"] else _without(row, cross.get(key)))
    return "\n".join(lines)


def _s_robust(row: Mapping[str, Any]) -> str:
    interval = "" if pd.isna(row["ci_low"]) else f" [{row['ci_low']:.4f}, {row['ci_high']:.4f}]"
    return (
        f"{row['model']}: S_robust {row['s_robust']:.4f}{interval} = 1 − (cross {row['sigma2_cross']:.4f} + inner "
        f"{row['sigma2_inner']:.4f}), mu = {row['mu']:.4f}, {_scenarios(row)} ({row['scenarios']}), "
        f"n = {row['n_images']:,} photographs, reading {row['reading']} ({row['power']} about {row['about']}), "
        f"interval {row['method']}"
    )


def _without(row: Mapping[str, Any], cross: Mapping[str, Any] | None) -> str:
    name = row["model"] if row["trained_on"] == PRETRAINED else series_name(row["model"], row["trained_on"])
    said = f"{name}: no S_robust: {row['missing']}"
    if cross is None or pd.isna(cross["cross"]):
        return said
    interval = "" if pd.isna(cross["ci_low"]) else f" [{cross['ci_low']:.4f}, {cross['ci_high']:.4f}]"
    return (
        f"{said}; cross term of S_robust {cross['cross']:.4f}{interval} "
        f"({cross['power']} about {cross['about']}; mu = {cross['mu']:.4f}, {_scenarios(cross)})"
    )


def _scenarios(row: Mapping[str, Any]) -> str:
    n = int(row["n_scenarios"])
    return f"{n} scenario{'' if n == 1 else 's'}"


def _segmentation(scores: Scores) -> str:
    if scores.segmentation.empty:
        return ""
    rows = [("segmenter", "tested on", "n", "IoU % [95 %]", "Dice %", "pixels right %")]
    rows += [
        (
            series_name(row["model"], row["trained_on"]),
            row["tested_on"],
            f"{row['n']:,}",
            *(_share(row, name) for name in ("iou", "dice", "pixel_accuracy")),
        )
        for row in _records(scores.segmentation)
    ]
    told = "Of segmenters, “right” above is the share of images whose IoU is at least 0.5; means over photographs here:"
    return f"{told}\n{_aligned(rows, (False, False, True, False, False, False))}"


def _share(row: Mapping[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = "" if pd.isna(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * row[name]:.1f}{interval}"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(column): value for column, value in row.items()} for row in frame.to_dict("records")]


def _aligned(rows: Sequence[tuple[str, ...]], flush_right: tuple[bool, ...]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, flush_right, strict=True)
        ).rstrip()
        for row in rows
    )
