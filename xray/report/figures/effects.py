"""Figures of a regression: effects of levels against their reference, and marginal means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xray.core.errors import ConfigError, unknown
from xray.core.text import printable
from xray.report.figures.style import (
    INK,
    LINES,
    MUTED,
    inches,
    intervals,
    labels_of,
    new_axes,
    note,
    require,
    rows_axis,
    title,
)
from xray.statistics.regression.design import INTERCEPT, Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.result import Regression

_PART = re.compile(r"(.+?)\[(.*)\]", re.DOTALL)
_HEADING_WIDTH = 28


@dataclass
class _Group:
    """The effects of one factor or interaction: names of the levels, and their row indices in the table."""

    reference: str | None
    levels: list[str]
    rows: list[int]


def forest(
    effects: pd.DataFrame | Fit | Regression,
    terms: Sequence[str] | None = None,
    reference: Mapping[str, str] | None = None,
    sort: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a forest plot: estimates with intervals and significance stars, grouped by factor.

    Each group starts with the factor's name and its reference, a hollow dot at 0. The intercept is omitted. A NaN
    estimate is drawn as missing.

    Args:
        effects: a regression (classical errors), a fit (for example `regression.clustered`), or a table with `term`
            (`model[resnet50]`), `estimate`, `ci_low`, `ci_high`, and `p_summary` for stars.
        terms: groups in order: factors by name, interactions as `model:scenario`. Default: all.
        reference: reference level by factor, if `effects` is a table.
        sort: sort each group by estimate, the largest on top; default: in the order of the levels.
        ax: where to draw.
    """
    fit = effects.fit if isinstance(effects, Regression) else effects
    table = fit.parameters if isinstance(fit, Fit) else fit
    require(table, ("term", "estimate", "ci_low", "ci_high"), "effects")
    groups = _groups_of_design(fit.design) if isinstance(fit, Fit) else _groups_by_name(table["term"], reference or {})
    rows = pd.concat(
        [_rows(name, group, table, sort) for name, group in _chosen(groups, terms).items()], ignore_index=True
    )
    labels = rows["label"].tolist()
    ax = ax or new_axes(4.8 + inches(labels), 0.7 + 0.21 * len(rows))
    rows_axis(ax, labels, striped=False)
    ax.axvline(0, color=MUTED, linewidth=1)
    heads, levels = rows[rows["heading"]], rows[~rows["heading"]]
    ax.plot(heads["estimate"], heads.index, "o", markerfacecolor="white", color=LINES[0], markersize=5.5)
    intervals(ax, levels.index, levels["estimate"], levels["ci_low"], levels["ci_high"])
    for height in heads.index:
        ax.get_yticklabels()[height].set_fontweight("bold")
    for height, estimate, stars in zip(levels.index, levels["estimate"], levels["stars"], strict=True):
        text = "–" if np.isnan(estimate) else stars
        note(ax, True, height, text, INK if "*" in text else MUTED)
    response = f" on {printable(effects.response, 60)}" if isinstance(effects, Regression) else ""
    ax.set_xlabel(f"effect{response} ({100 * fit.confidence:g} % interval)" if isinstance(fit, Fit) else "effect")
    return ax


def marginal_plot(means: pd.DataFrame, factor: str = "", sort: bool = False, ax: Axes | None = None) -> Axes:
    """Draw the marginal means of a factor's levels with their intervals; NaN is drawn as missing.

    Args:
        means: one row per level with `level`, `mean`, `ci_low`, `ci_high`, as `marginal_means` returns.
        factor: name of the factor, for the title.
        sort: sort by mean, the largest on top; default: in the order of the rows.
        ax: where to draw.
    """
    table = require(means, ("level", "mean", "ci_low", "ci_high"), "marginal means")
    if sort:
        table = table.sort_values("mean", ascending=False, kind="stable")
    labels = labels_of(table["level"])
    ax = ax or new_axes(4.8 + inches(labels), 0.9 + 0.26 * len(table))
    rows_axis(ax, labels)
    intervals(ax, np.arange(len(table)), table["mean"], table["ci_low"], table["ci_high"])
    for height in np.flatnonzero(table["mean"].isna()):
        note(ax, False, height, "–")
    ax.set_xlabel("marginal mean (interval)")
    title(ax, factor)
    return ax


def _groups_of_design(design: Design) -> dict[str, _Group]:
    groups = {}
    for term, span in design.spans().items():
        reference = design.factor(term[0]).reference if len(term) == 1 else None
        levels = [" × ".join(level) for level in itertools.product(*(design.factor(name).levels[1:] for name in term))]
        groups[":".join(term)] = _Group(reference, levels, [*range(span.start, span.stop)])
    return groups


def _groups_by_name(terms: Iterable[str], reference: Mapping[str, str]) -> dict[str, _Group]:
    """Group terms by name: `model[resnet50]:scenario[grey]` belongs to `model:scenario`, the rest to `others`."""
    groups: dict[str, _Group] = {}
    for row, term in enumerate(terms):
        if term == INTERCEPT:
            continue
        parts = [_PART.fullmatch(part) for part in re.split(r"(?<=\]):", term)]
        known = [(part[1], part[2]) for part in parts if part]
        names, levels = zip(*known, strict=True) if len(known) == len(parts) else (("others",), (term,))
        group = groups.setdefault(":".join(names), _Group(reference.get(":".join(names)), [], []))
        group.levels.append(" × ".join(levels))
        group.rows.append(row)
    return groups


def _chosen(groups: dict[str, _Group], terms: Sequence[str] | None) -> dict[str, _Group]:
    for name in terms or ():
        if name not in groups:
            raise unknown("term", name, groups)
    if not groups:
        raise ConfigError("there are no effects to draw: the table has an intercept alone")
    return groups if terms is None else {name: groups[name] for name in terms}


def _rows(name: str, group: _Group, table: pd.DataFrame, sort: bool) -> pd.DataFrame:
    """Return the rows of a group in the figure: its heading, then its levels."""
    heading = printable(name.replace(":", " × ") if group.reference is None else name, _HEADING_WIDTH)
    heading += "" if group.reference is None else f", against {printable(group.reference, _HEADING_WIDTH)}"
    levels = table.iloc[group.rows][["estimate", "ci_low", "ci_high"]].astype(float)
    levels = levels.assign(label=labels_of(group.levels), heading=False, stars="")
    if "p_summary" in table.columns:
        levels["stars"] = table["p_summary"].iloc[group.rows]
    if sort:
        levels = levels.sort_values("estimate", ascending=False, kind="stable")
    head = {"estimate": [0.0], "ci_low": [0.0], "ci_high": [0.0], "label": [heading], "heading": [True], "stars": [""]}
    return pd.concat([pd.DataFrame(head), levels], ignore_index=True)
