"""The share of inpainted images that the filter kept, with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from scipy import stats

from xray.core.schema import FILTERED, OK
from xray.pipeline.realism.metrics import cluster_error
from xray.statistics.robustness.proportions import wilson

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

GROUP = ("scenario", "category", "prompt", "place")
"""Columns of the finest groups."""
INDEPENDENT, CLUSTERED = "Wilson", "Wilson, clustered by photograph"
"""Names of the intervals, in the column `interval`."""


def keep_rates(run: RunFolder, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """Compute the share of inpainted images that the filter kept, by some columns of `GROUP`: see `rates`."""
    return rates(judgements(run), by)


def judgements(run: RunFolder) -> pd.DataFrame:
    """Return the filter's judgement of each planned inpainted image; reads no image.

    Returns:
        One row per planned image with a prompt: `sample_id`, `image_id`, the columns of `GROUP`, `judged` (it was
        inpainted and filtered), `kept`, and `why` not: a code of `xray.core.schema.REASONS`, or empty.
    """
    plan = run.store.table("plan", ["sample_id", "prompt", "place"], where=pc.field("prompt").is_valid())
    columns = ["sample_id", "image_id", "category", "scenario", "status", "reason"]
    images = run.store.table("images", columns, shards=None if len(plan) else ())
    rows = images.to_pandas().merge(plan.to_pandas(), on="sample_id")
    kept = (rows["status"] == OK).to_numpy(bool)
    refused = rows["reason"].map(lambda reason: not FILTERED.isdisjoint(reason.split())).to_numpy(bool) & ~kept
    judged = rows.assign(judged=kept | refused, kept=kept, why=rows["reason"].where(~kept, ""))
    table: pd.DataFrame = judged[["sample_id", "image_id", *GROUP, "judged", "kept", "why"]]
    return table


def rates(judgements: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Compute keep rates of groups of `judgements`; the columns `by` make a group.

    Returns:
        One row per group, sorted by `by`: `n` judged images of `n_images` different photographs, `kept` of them, the
        share `rate` with `ci_low` and `ci_high` (95 %; NaN for n = 0), `interval` (`INDEPENDENT` if each image is of
        another photograph, else `CLUSTERED`, see `effective_n`; empty for n = 0), `unpainted` planned images that do
        not exist because of the photograph, its mask or the inpainter, and `reasons` of all that were not kept, as
        text, the most frequent first.
    """
    groups = judgements.groupby(list(by), dropna=False, observed=True)
    rows = [{**dict(zip(by, key, strict=True)), **_rate(group)} for key, group in groups]
    names = [*by, "n", "n_images", "kept", "rate", "ci_low", "ci_high", "interval", "unpainted", "reasons"]
    return pd.DataFrame(rows, columns=names)


def _rate(group: pd.DataFrame) -> dict[str, Any]:
    judged = group[group["judged"]]
    n, kept, photographs = len(judged), int(judged["kept"].sum()), judged["image_id"].nunique()
    reasons = _count_reasons(group["why"])
    counts = {"n": n, "n_images": photographs, "kept": kept, "unpainted": len(group) - n, "reasons": reasons}
    if not n:
        return {**counts, "rate": math.nan, "ci_low": math.nan, "ci_high": math.nan, "interval": ""}
    rate, effective = kept / n, effective_n(judged["image_id"].tolist(), judged["kept"].tolist())
    low, high = wilson(np.array(rate), np.array(effective))
    interval = INDEPENDENT if photographs == n else CLUSTERED
    return {**counts, "rate": rate, "ci_low": float(low), "ci_high": float(high), "interval": interval}


def effective_n(image_ids: Sequence[str], kept: Sequence[bool]) -> float:
    """Return the number of independent images that would estimate the keep rate as precisely as these.

    Images of one photograph are not independent. The rate's variance over clusters (see
    `xray.pipeline.realism.metrics.clustered_mean`) is compared with that of independent images, with the factor for few
    clusters of Korn and Graubard 1998 (Survey Methodology 24:193–201). If all or none are kept there is no variance
    to compare, and each photograph counts once.

    Args:
        image_ids: the photograph of each of N ≥ 1 images.
        kept: whether the filter kept it.

    >>> effective_n(["a", "b", "c"], [True, False, True]), effective_n(["a", "a", "b", "b"], [True] * 4)
    (3.0, 2.0)
    """
    n, groups = len(kept), len(set(image_ids))
    rate = sum(kept) / n
    if groups in (1, n) or rate in (0, 1):
        return float(groups)
    error = cluster_error(list(zip(image_ids, map(float, kept), strict=True)))
    few = stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, groups - 1)
    return float(min(n, max(1.0, rate * (1 - rate) / error**2 * few**2))) if error else float(n)


def _count_reasons(reasons: pd.Series[str]) -> str:
    """Count reasons, the most frequent first.

    >>> _count_reasons(pd.Series(["nsfw", "", "blank_picture", "nsfw"]))
    'nsfw 2, blank_picture 1'
    """
    counts = Counter(reason for reason in reasons if reason)
    return ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
