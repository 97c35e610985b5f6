"""The caveats of a report: what limits its numbers."""

from __future__ import annotations

import json
from statistics import fmean
from typing import Any

import pandas as pd
import pyarrow.compute as pc

from xray.core.schema import OK
from xray.core.text import counted, share_of
from xray.pipeline.realism import rates
from xray.report.data import ReportData
from xray.report.headline import best_series, ranked_drops
from xray.runs.factors import grid_scenarios, same_but
from xray.runs.roles import PRETRAINED
from xray.sources.base import join_names

_FEW_ANSWERS = 10
"""Wrong answers; of fewer, a share means little."""
_MUCH_WHITE = 0.1
"""Share of a brightened region that is white, from which on it is a caveat."""
_CLEAR = 0.9
"""Share of simple backgrounds that are simpler than the median of complex ones, above which the two differ."""
_TRIAL_STATES = {"failed": "failed", "begun": "started", "planned": "not started"}


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `caveats.html.j2`; None without a caveat."""
    found = caveats(data)
    return {"caveats": found} if found else None


def caveats(data: ReportData) -> list[str]:
    """Return one sentence per caveat: doubts about masks, substitutes, seen photographs, and incomplete work."""
    caveats = [*dict.fromkeys(map(_sentence, [*data.mask_findings, *data.run.notes()]))]
    caveats += _seen_photographs(data)
    if data.scores.problem and not data.scores.predictions.empty:
        caveats.append(f"Drops and the cross term are missing: {data.scores.problem.rstrip('.')}.")
    caveats += _worst_of_many(data)
    caveats += _second_objects(data)
    caveats += _saturated(data)
    caveats += _flat_ladders(data)
    caveats += _undetected(data)
    caveats += _filtered(data)
    if len(data.images.rows) < data.images.n_planned:
        caveats.append(
            f"The run is not finished: {len(data.images.rows):,} of {data.images.n_planned:,} planned images exist."
        )
    caveats += _unevaluated(data) + _untrained(data)
    caveats += map(_sentence, data.scores.warnings)
    return sorted(caveats, key=lambda caveat: not caveat.startswith("Masks may be wrong"))


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".") + "."


def _seen_photographs(data: ReportData) -> list[str]:
    if not data.scores.has_pretrained:
        return []
    splits = data.photos.counts("split")
    total, caveats = sum(splits.values()), []
    if seen := splits.get("train", 0):
        caveats.append(
            f"In the training set of ImageNet models: {share_of(seen, total, 'photograph')}. Accuracy on them is not "
            "accuracy on new photographs; drops compare the same photographs with each other."
        )
    if unknown := splits.get("unknown", 0):
        caveats.append(
            f"It is unknown whether the pretrained models were trained on {share_of(unknown, total, 'photograph')}."
        )
    return caveats


def _worst_of_many(data: ReportData) -> list[str]:
    """Say that the headline's drop is the largest of a grid, where even without any effect one looks bad."""
    series, grid = best_series(data), grid_scenarios(data.recipe)
    drops = ranked_drops(data, series) if series else pd.DataFrame()
    if drops.empty or drops["scenario"].iloc[0] not in grid:
        return []
    return [
        f"The drop in the headline is that of the worst of {len(grid)} combinations of size, position and background. "
        "The worst of many looks worse by chance, and each has other photographs: “The worst combination” allows for "
        "both."
    ]


def _second_objects(data: ReportData) -> list[str]:
    """Name the scenarios in which most wrong answers of pretrained models name the category of the donor."""
    edits = data.scores.edits
    if edits is None or edits.donor_answers.empty:
        return []
    rows = edits.donor_answers[edits.donor_answers["trained_on"] == PRETRAINED]
    counts = rows.groupby("scenario", sort=False)[["naming_donor", "wrong"]].sum()
    return [
        f"In {scenario} {naming:,} of {wrong:,} wrong answers name the category of the photograph in the background: "
        "much of its drop is due to a second object, or to a place that is typical of one."
        for scenario, naming, wrong in counts.itertuples()
        if naming > wrong / 2 and wrong >= _FEW_ANSWERS
    ]


def _saturated(data: ReportData) -> list[str]:
    """Name the brightened scenarios in which a good part of the region is white; runs of before did not measure it."""
    regions = {"bright_background": "background", "bright_object": "object"}
    kinds = {name: values["kind"] for name, values in data.recipe["scenarios"].items() if values["kind"] in regions}
    if not kinds:
        return []
    table = data.run.table("images", ["scenario", "provenance"], pc.field("scenario").isin(list(kinds)))
    shares: dict[str, list[float]] = {name: [] for name in kinds}
    for scenario, provenance in zip(table["scenario"], table["provenance"], strict=True):
        if (share := json.loads(provenance.as_py()).get("measured", {}).get("saturated")) is not None:
            shares[scenario.as_py()].append(share)
    return [
        f"{name} makes {fmean(found):.0%} of the {regions[kinds[name]]}’s pixels white, on average over "
        f"{counted(len(found), 'image')}: what was there is lost, not only brighter."
        for name, found in shares.items()
        if found and fmean(found) >= _MUCH_WHITE
    ]


def _flat_ladders(data: ReportData) -> list[str]:
    """Name pairs of scenarios on simple and complex donors whose backgrounds, as they are shown, hardly differ."""
    images = data.scores.predictions
    if "complexity" not in images:
        return []
    measured = images.drop_duplicates(["scenario", "image_id", "variant"]).groupby("scenario")["complexity"]
    shown = {scenario: values.dropna() for scenario, values in measured}
    caveats = []
    for low, high in same_but(data.recipe, "edit", "world.complexity", ["low", "high"]):
        simple, complex_ = (shown.get(name, pd.Series(dtype=float)) for name in (low, high))
        if simple.empty or complex_.empty or (complex_.median() > simple).mean() > _CLEAR:
            continue
        caveats.append(
            f"The backgrounds in {low} are hardly simpler than in {high}: their complexity has the medians "
            f"{simple.median():.1f} and {complex_.median():.1f}. Donors are chosen by their whole photographs, with "
            "the objects that are then removed."
        )
    return caveats


def _undetected(data: ReportData) -> list[str]:
    """Count, by category and reason, the photographs whose object was not found by words."""
    if data.recipe["masks"]["annotations"]["kind"] != "text":
        return []
    categories = data.photos.source.set_index("image_id")["category"]
    masks = data.photos.masks.assign(category=data.photos.masks["image_id"].map(categories))
    lost = masks[masks["status"] != OK]
    if lost.empty:
        return []
    parts = []
    for category, rows in sorted(lost.groupby("category"), key=lambda item: (-len(item[1]), str(item[0]))):
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in rows["reason"].value_counts().items())
        parts.append(f"{category} {len(rows):,} of {(masks['category'] == category).sum():,} ({reasons})")
    return [
        f"Masks are made from words, and {len(lost):,} of {counted(len(masks), 'photograph')} have none. Detectors "
        "find some categories better than others, so the remaining photographs are a selection: "
        f"{join_names(parts)}."
    ]


def _filtered(data: ReportData) -> list[str]:
    return [
        f"In {row['scenario']} the filter rejected {row['n'] - row['kept']:,} of {row['n']:,} inpainted images. "
        "Models are evaluated on the others only."
        for row in rates(data.inpainting.judgements, ["scenario"]).to_dict("records")
        if row["kept"] < row["n"]
    ]


def _unevaluated(data: ReportData) -> list[str]:
    """List the pretrained models that have not been evaluated on every image."""
    rows = data.scores.accuracy[data.scores.accuracy["trained_on"] == PRETRAINED]
    evaluated = rows.groupby("series")["n"].sum()
    incomplete = [f"{series} on {n:,}" for series, n in evaluated.items() if n < data.images.n_ok]
    if not incomplete:
        return []
    return [f"Not every model was evaluated on all {data.images.n_ok:,} images: {', '.join(incomplete)}."]


def _untrained(data: ReportData) -> list[str]:
    """Count the trainings that are not finished."""
    counts = data.trials["status"].value_counts()
    total, done = int(counts.sum()), int(counts.get("done", 0))
    if done == total:
        return []
    states = ", ".join(f"{counts[status]:,} {word}" for status, word in _TRIAL_STATES.items() if status in counts)
    return [f"{done:,} of {total:,} planned trainings are done ({states}); the others are listed below."]
