"""What a regression says: effects of levels against their reference, and marginal means."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from xray.core.errors import XrayError, unknown
from xray.core.text import shown
from xray.report.figures.style import (
    FONT,
    INK,
    LINES,
    MUTED,
    inches,
    intervals,
    labels_of,
    new_axes,
    require,
    rows_axis,
    title,
)
from xray.statistics.regression.design import INTERCEPT, Design
from xray.statistics.regression.fit import Fit
from xray.statistics.regression.least_squares import Regression

_PART = re.compile(r"(.+?)\[(.*)\]", re.DOTALL)
_HEADING_WIDTH = 28


@dataclass
class _Group:
    """The effects of one factor, or of an interaction: their names, and where they stand in the table."""

    reference: str | None = None
    levels: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def forest(
    effects: pd.DataFrame | Fit | Regression,
    terms: Sequence[str] | None = None,
    reference: Mapping[str, str] | None = None,
    sort: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Forest plot: estimates with intervals, grouped by factor, the stars of their P values beside.

    Each group begins with the factor's name and its reference, which is drawn hollow at 0. The intercept is no effect
    and is left out. An estimate that is NaN is drawn as missing.

    Args:
        effects: a regression (its classical errors), a fit (`regression.clustered`, for example), or a table with
            `term` (`model[resnet50]`), `estimate`, `ci_low`, `ci_high`, and `p_summary` if there are stars.
        terms: groups and their order: factors by name, interactions as `model:scenario`. Default: all.
        reference: level by factor, where `effects` is a table, which does not know them.
        sort: the largest estimate of each group on top; else in the order of the levels.
        ax: where to draw.

    Raises:
        XrayError: no effects, no such term, or a column that is not there.
    """
    fit = effects.fit if isinstance(effects, Regression) else effects
    table = fit.parameters if isinstance(fit, Fit) else fit
    require(table, ("term", "estimate", "ci_low", "ci_high"), "effects")
    groups = _of_design(fit.design) if isinstance(fit, Fit) else _of_names(table["term"], reference or {})
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
        ink = INK if "*" in text else MUTED
        ax.annotate(text, (1, height), (4, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
                    va="center", fontsize=FONT, color=ink)  # fmt: skip
    response = f" on {shown(effects.response, 60)}" if isinstance(effects, Regression) else ""
    ax.set_xlabel(f"effect{response} ({100 * fit.confidence:g} % interval)" if isinstance(fit, Fit) else "effect")
    return ax


def marginal_plot(means: pd.DataFrame, factor: str = "", sort: bool = False, ax: Axes | None = None) -> Axes:
    """Marginal means of a factor's levels with their intervals; a mean that is NaN is drawn as missing.

    Args:
        means: one row a level with `level`, `mean`, `ci_low`, `ci_high`, as `marginal_means` makes them.
        factor: its name, for the title.
        sort: the largest mean on top; else in the order of the rows.
        ax: where to draw.

    Raises:
        XrayError: no rows, or a column that is not there.
    """
    table = require(means, ("level", "mean", "ci_low", "ci_high"), "marginal means")
    if sort:
        table = table.sort_values("mean", ascending=False, kind="stable")
    labels = labels_of(table["level"])
    ax = ax or new_axes(4.8 + inches(labels), 0.9 + 0.26 * len(table))
    rows_axis(ax, labels)
    intervals(ax, np.arange(len(table)), table["mean"], table["ci_low"], table["ci_high"])
    for height in np.flatnonzero(table["mean"].isna()):
        ax.annotate("–", (0, height), (4, 0), xycoords=ax.get_yaxis_transform(), textcoords="offset points",
                    va="center", fontsize=FONT, color=MUTED)  # fmt: skip
    ax.set_xlabel("marginal mean (interval)")
    title(ax, factor)
    return ax


def _of_design(design: Design) -> dict[str, _Group]:
    groups = {}
    for term, span in design.spans().items():
        levels = itertools.product(*(design.factor(name).levels[1:] for name in term))
        reference = design.factor(term[0]).reference if len(term) == 1 else None
        groups[":".join(term)] = _Group(
            reference, [" × ".join(level) for level in levels], [*range(span.start, span.stop)]
        )
    return groups


def _of_names(terms: Iterable[str], reference: Mapping[str, str]) -> dict[str, _Group]:
    """As far as names tell: `model[resnet50]:scenario[grey]` is of model:scenario; others stand for themselves."""
    groups: dict[str, _Group] = {}
    for place, term in enumerate(terms):
        if term == INTERCEPT:
            continue
        parts = [_PART.fullmatch(part) for part in re.split(r"(?<=\]):", term)]
        known = [(part[1], part[2]) for part in parts if part]
        names, levels = zip(*known, strict=True) if len(known) == len(parts) else (("others",), (term,))
        group = groups.setdefault(":".join(names), _Group(reference.get(":".join(names))))
        group.levels.append(" × ".join(levels))
        group.places.append(place)
    return groups


def _chosen(groups: dict[str, _Group], terms: Sequence[str] | None) -> dict[str, _Group]:
    for name in terms or ():
        if name not in groups:
            raise unknown("term", name, groups)
    if not groups:
        raise XrayError("there are no effects to draw: the table has an intercept alone")
    return groups if terms is None else {name: groups[name] for name in terms}


def _rows(name: str, group: _Group, table: pd.DataFrame, sort: bool) -> pd.DataFrame:
    """A group as rows of the figure: its heading, then its levels."""
    heading = shown(name.replace(":", " × ") if group.reference is None else name, _HEADING_WIDTH)
    heading += "" if group.reference is None else f", against {shown(group.reference, _HEADING_WIDTH)}"
    levels = table.iloc[group.places][["estimate", "ci_low", "ci_high"]].astype(float)
    levels = levels.assign(label=labels_of(group.levels), heading=False, stars="")
    if "p_summary" in table.columns:
        levels["stars"] = table["p_summary"].iloc[group.places]
    if sort:
        levels = levels.sort_values("estimate", ascending=False, kind="stable")
    head = {"estimate": [0.0], "ci_low": [0.0], "ci_high": [0.0], "label": [heading], "heading": [True], "stars": [""]}
    return pd.concat([pd.DataFrame(head), levels], ignore_index=True)
