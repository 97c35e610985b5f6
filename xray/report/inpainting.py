"""Inpainted images: rejected ones, keep rates, inpainters and realism."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from xray.report.data import ReportData
from xray.report.inpainted import rejected_images
from xray.report.keep_rates import keep_tables
from xray.report.tables import NONE, Table, records
from xray.report.text import number
from xray.report.weights import filter_checks, filter_settings, inpainter_uses

_METRICS = {"fid": "FID", "kid": "KID", "clip_score": "CLIPScore", "lpips_background": "LPIPS background"}


def render(data: ReportData) -> dict[str, Any] | None:
    """Return the context of `inpainting.html.j2`; None if nothing is inpainted and no realism was measured."""
    realism = data.inpainting.realism
    if realism is not None and realism.empty:
        realism = None
    if not data.inpainted and realism is None:
        return None
    return {
        "inpainted": data.inpainted,
        "rejected": rejected_images(data),
        "keep_tables": keep_tables(data),
        "checks": filter_checks(data),
        "settings": filter_settings(data),
        "inpainters": _inpainters(data),
        "realism": None if realism is None else _realism(realism),
    }


def _inpainters(data: ReportData) -> Table:
    return Table.of(
        inpainter_uses(data),
        ("name scenario", lambda use: use.scenario),
        ("name inpainter", lambda use: use.kind),
        ("name weights, sha256", lambda use: "; ".join(f"{one.role}: {one.name} {one.sha256}" for one in use.weights)),
        ("number steps", lambda use: NONE if use.steps is None else str(use.steps)),
        ("number guidance", lambda use: NONE if use.guidance is None else str(use.guidance)),
        ("number images", lambda use: f"{use.images:,}"),
        ("prose other settings", lambda use: use.more),
    )


def _realism(table: pd.DataFrame) -> Table:
    return Table.of(
        records(table),
        ("name scenario", lambda row: row["scenario"] + ("" if row["painted"] else " (photographs)")),
        ("text metric", lambda row: _METRICS.get(row["metric"], row["metric"])),
        ("number value", lambda row: number(row["value"])),
        ("number 95 % interval", _bounds),
        ("number std", lambda row: number(row["std"])),
        ("number images", lambda row: f"{row['n']:,}"),
        ("number originals", lambda row: f"{row['n_originals']:,}" if row["n_originals"] else NONE),
        ("prose method and notes", _notes),
    )


def _bounds(row: Mapping[Hashable, Any]) -> str:
    return NONE if pd.isna(row["ci_low"]) else f"[{number(row['ci_low'])}, {number(row['ci_high'])}]"


def _notes(row: Mapping[Hashable, Any]) -> str:
    has_weights = row["weights"] and not pd.isna(row["weights"])
    weights = f"weights {row['weights']} {row['fingerprint'][:12]}" if has_weights else ""
    return "; ".join(filter(None, [row["method"], row["remark"], weights]))
