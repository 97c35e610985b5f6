"""Rejected, failed and converted rows with their reasons, and the progress of every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from xray.core.schema import OK
from xray.core.uri import base_name
from xray.report.data import ReportData
from xray.report.tables import NONE, Table, meaning_of, records

_EXAMPLES = 3
_TABLES = ("photographs", "masks", "images")
_STATUSES = ("ok", "rejected", "failed")


def render(data: ReportData) -> dict[str, Any]:
    """Return the context of `reasons.html.j2`."""
    rows = records(reasons(data))
    shown = {image for row in rows for image in [*row["examples"], *(row["seen"] or ())[:1]]}
    source = data.photos.source[data.photos.source["image_id"].isin(shown)]
    names = dict(zip(source["image_id"], source["uri"].map(base_name), strict=True))
    return {
        "reasons": Table.of(
            rows,
            ("text status", lambda row: row["status"]),
            ("code reason", lambda row: row["code"]),
            ("prose meaning", lambda row: meaning_of(row["code"])),
            ("number photographs", lambda row: f"{row['photographs']:,}"),
            ("number masks", lambda row: f"{row['masks']:,}"),
            ("number images", lambda row: f"{row['images']:,}"),
            ("name examples", lambda row: ", ".join(names.get(one) or one for one in row["examples"])),
            ("prose seen in one of them", lambda row: _seen(row["seen"], names)),
        ),
        "progress": Table.of(
            records(progress(data)),
            ("name scenario", lambda row: row["scenario"]),
            ("number planned", lambda row: f"{row['planned']:,}"),
            ("number ok", lambda row: f"{row['ok']:,}"),
            ("number rejected", lambda row: f"{row['rejected']:,}"),
            ("number failed", lambda row: f"{row['failed']:,}"),
            ("number predictions", lambda row: f"{row['predictions']:,}"),
        ),
    }


def _seen(seen: tuple[str, str] | None, names: Mapping[str, str]) -> str:
    return NONE if seen is None else f"{names.get(seen[0]) or seen[0]}: {seen[1]}"


def reasons(data: ReportData) -> pd.DataFrame:
    """Count reasons: one row per `status` and `code`, rejections and failures first, by frequency.

    The columns `photographs`, `masks` and `images` count rows of these tables; `examples` are photographs; `seen` is
    one of them with the detail of its rejection, or None.
    """
    tables = zip(_TABLES, (data.photos.source, data.photos.masks, data.images.rows), strict=True)
    rows = pd.concat([_reason_rows(table, name) for name, table in tables])
    groups = rows.groupby(["status", "code"])
    counts = groups["table"].value_counts().unstack("table", fill_value=0).reindex(columns=_TABLES, fill_value=0)
    counts["examples"] = groups["image_id"].agg(lambda ids: sorted(set(ids))[:_EXAMPLES])
    detailed = rows[rows["detail"].fillna("") != ""].sort_values("image_id").drop_duplicates(["status", "code"])
    seen = {(row["status"], row["code"]): (row["image_id"], row["detail"]) for row in records(detailed)}
    counts["seen"] = pd.Series([seen.get(key) for key in counts.index], counts.index, dtype="object")
    counts = counts.reset_index()
    order = counts.assign(used=counts["status"] == OK, n=-counts[list(_TABLES)].sum(axis=1))
    return counts.loc[order.sort_values(["used", "n"], kind="stable").index]


def _reason_rows(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return one row per reason code of a table."""
    columns = ["image_id", "status", "reason", "detail"]
    rows = table.loc[(table["status"] != OK) | (table["reason"] != ""), columns].astype("str")
    codes = rows["reason"].str.split().map(lambda codes: codes or ["unstated"])
    return rows.assign(table=name, code=codes).explode("code")[["image_id", "status", "code", "table", "detail"]]


def progress(data: ReportData) -> pd.DataFrame:
    """Count planned, ok, rejected and failed images and predictions, by scenario in the recipe's order."""
    scenarios = pd.Index(data.scenarios, name="scenario")
    counts = data.images.rows.groupby(["scenario", "status"]).size().unstack(fill_value=0)
    table = counts.reindex(index=scenarios, columns=list(_STATUSES), fill_value=0).astype(int)
    table.insert(0, "planned", [int(data.images.planned.get(name, 0)) for name in scenarios])
    predictions = data.scores.predictions["scenario"].value_counts()
    return table.assign(predictions=predictions.reindex(scenarios, fill_value=0).astype(int)).reset_index()
