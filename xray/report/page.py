"""The report: one self-contained HTML file, without scripts and without anything fetched."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import jinja2
import pandas as pd
from markupsafe import Markup

from xray.core.schema import OK
from xray.core.text import shown
from xray.pipeline.realism import rates
from xray.report import figures, masks, reasons
from xray.report import provenance as basis
from xray.report.contact_sheet import contact_sheet
from xray.report.data import Evidence, gather, pretrained
from xray.report.inpainted import refused_worlds
from xray.report.keep_rates import keep_tables
from xray.report.painters import checks, judges, painters
from xray.report.text import headline, interval, leading, metric, number, percent, points, ranked_drops
from xray.report.training import trained
from xray.runs.roles import series_name

if TYPE_CHECKING:
    from xray.runs.run import Run

_OPEN_MAPS = 2


def build_report(run: Run) -> str:
    """The report of a run as an HTML page; right also for a run without predictions or without images."""
    evidence = gather(run)
    sentence, details = headline(evidence)
    return _template().render(
        title=shown(str(evidence.recipe["name"]), 80),
        headline=sentence,
        details=details,
        warnings=basis.warnings(evidence),
        cards=_cards(evidence),
        strips=contact_sheet(evidence),
        heatmap=_heatmap(evidence),
        drops=_drops(evidence),
        maps=_category_maps(evidence),
        cross=[] if evidence.cross is None else evidence.cross.to_dict("records"),
        numbers=_numbers(evidence),
        trained=trained(evidence),
        painted=evidence.painted,
        refused=refused_worlds(evidence),
        keep_tables=keep_tables(evidence),
        painters=painters(evidence),
        judges=judges(evidence),
        checks=checks(evidence),
        realism=[] if evidence.realism is None else evidence.realism.to_dict("records"),
        outlines=masks.outlines(evidence),
        measures=masks.measures(evidence),
        origins=masks.origins(evidence),
        fates=masks.fates(evidence),
        reasons=reasons.reasons(evidence),
        progress=reasons.progress(evidence),
        facts=basis.facts(evidence),
        models=run.models(),
        pretrained=pretrained(evidence),
        scenarios=basis.scenario_settings(evidence),
        categories=basis.categories(evidence),
        reference=evidence.reference,
        controls=evidence.controls,
    )


def write_report(run: Run) -> str:
    """Write `report.html` into the run, and return its URI."""
    return run.write_file("report.html", build_report(run).encode())


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("xray", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "points": points, "shown": shown, "thousands": "{:,}".format}
    environment.filters |= {"number": number, "metric": metric}
    environment.globals["interval"] = interval
    return environment.get_template("template.html.j2")


def _cards(evidence: Evidence) -> list[dict[str, str]]:
    made, planned = int((evidence.images["status"] == OK).sum()), sum(evidence.planned.values())
    cards = [
        _card("photographs", f"{evidence.usable:,}", f"usable, of {len(evidence.source):,}"),
        _card("images made", f"{made:,}", f"of {planned:,} planned, in {len(evidence.scenarios)} scenarios"),
    ]
    cards += [
        _card(
            "painted worlds kept", percent(row["rate"]), f"{interval(row['ci_low'], row['ci_high'])}, n = {row['n']:,}"
        )
        for row in rates(evidence.judgements.assign(all=""), ["all"]).to_dict("records")
        if row["n"]
    ]
    series = leading(evidence)
    if series is None:
        return cards
    rows = evidence.accuracy[evidence.accuracy["series"] == series].to_dict("records")
    mine = {row["scenario"]: row for row in rows}
    cards.append(_accuracy_card("right as taken", mine[evidence.reference], series))
    drops = ranked_drops(evidence, series)
    if not drops.empty:
        worst = drops.iloc[0]
        bounds = interval(worst["ci_low"], worst["ci_high"])
        cards.append(
            _card(
                "points lost at most",
                points(worst["drop"]),
                f"{bounds}, {worst['scenario']}, n = {worst['n_images']:,}",
            )
        )
    cards += [
        _accuracy_card("right without the object", mine[name], series) for name in evidence.controls[:1] if name in mine
    ]
    return cards


def _card(label: str, value: str, note: str) -> dict[str, str]:
    return {"label": label, "value": value, "note": note}


def _accuracy_card(label: str, row: Mapping[Hashable, Any], series: str) -> dict[str, str]:
    bounds = interval(row["ci_low"], row["ci_high"])
    return _card(label, percent(row["accuracy"]), f"{bounds}, {shown(series, 28)}, n = {row['n']:,}")


def _svg(axes: Any, title: str, name: str) -> Markup:
    # matplotlib's own XML; ElementTree has escaped every name in it
    return Markup(figures.inline_svg(axes, title, name))


def _heatmap(evidence: Evidence) -> Markup | None:
    if evidence.accuracy.empty:
        return None
    axes = figures.accuracy_heatmap(evidence.accuracy, evidence.scenarios)
    return _svg(
        axes, "Heat map of accuracy in per cent by model and scenario; all numbers are in the table", "accuracy"
    )


def _drops(evidence: Evidence) -> Markup | None:
    if evidence.drops is None or evidence.drops["drop"].isna().all():
        return None
    axes = figures.drop_intervals(evidence.drops)
    return _svg(
        axes, "Points of accuracy lost in each scenario with 95 % intervals; all numbers are in the table", "drops"
    )


def _category_maps(evidence: Evidence) -> list[dict[str, Any]]:
    """One density map a model, and its numbers as a table; the first ones open."""
    maps = []
    for index, (model, trained_on) in enumerate(evidence.series):
        series = series_name(model, trained_on)
        axes = figures.density_map(evidence.by_category, model, trained_on, evidence.scenarios)
        rows = evidence.by_category[evidence.by_category["series"] == series]
        maps.append(
            {
                "series": series,
                "open": index < _OPEN_MAPS,
                "svg": _svg(axes, f"Accuracy of {shown(series)} by category and scenario", f"map-{index}"),
                "cells": _cells(rows, evidence.scenarios),
            }
        )
    return maps


def _cells(rows: pd.DataFrame, scenarios: list[str]) -> list[tuple[str, list[str]]]:
    """By category: what to print for each scenario, right ones out of all."""
    found = {(row["category"], row["scenario"]): row for row in rows.to_dict("records")}
    return [
        (
            category,
            [
                f"{cell['correct']}/{cell['n']}" if (cell := found.get((category, scenario))) else "–"
                for scenario in scenarios
            ],
        )
        for category in sorted(set(rows["category"]))
    ]


def _numbers(evidence: Evidence) -> list[dict[str, Any]]:
    """Accuracy and drop by model and scenario in the recipe's order."""
    table = evidence.accuracy
    if evidence.drops is not None:
        drops = evidence.drops[["series", "scenario", "drop", "ci_low", "ci_high", "n_images"]]
        table = table.merge(drops, how="left", on=["series", "scenario"], suffixes=("", "_drop"))
    place = {name: index for index, name in enumerate(evidence.scenarios)}
    table = table.assign(place=table["scenario"].map(place)).sort_values(["series", "place"], kind="stable")
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
