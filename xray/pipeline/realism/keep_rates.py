"""How many painted pictures the filter kept, and how sure that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.compute as pc
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from xray.core.schema import FILTERED, OK
from xray.pipeline.realism.metrics import cluster_error

if TYPE_CHECKING:
    from xray.runs.run import Run

GROUP = ("scenario", "category", "prompt", "place")
"""The finest groups that keep rates are told of."""
INDEPENDENT, CLUSTERED = "Wilson", "Wilson, clustered by photograph"
"""Kinds of intervals."""


def keep_rates(run: Run, by: Sequence[str] = GROUP) -> pd.DataFrame:
    """How many of the painted pictures the filter kept; reads no picture.

    Args:
        run: with images.
        by: what makes a group: some of `GROUP`.

    Returns:
        See `rates`.
    """
    return rates(judgements(run), by)


def judgements(run: Run) -> pd.DataFrame:
    """What became of each picture that was to be painted; reads no picture.

    Returns:
        One row a planned picture with a prompt: `sample_id`, `image_id`, those of `GROUP`, `judged` (it was painted,
        and the filter looked at it), `kept`, and `why` not, a code of `xray.core.schema.REASONS` or empty.
    """
    images = run.table("images", ["sample_id", "image_id", "category", "scenario", "status", "reason"])
    plan = run.table("plan", ["sample_id", "prompt", "place"], where=pc.field("prompt").is_valid())
    rows = images.to_pandas().merge(plan.to_pandas(), on="sample_id")
    kept = (rows["status"] == OK).to_numpy(bool)
    refused = rows["reason"].map(lambda reason: not FILTERED.isdisjoint(reason.split())).to_numpy(bool) & ~kept
    judged = rows.assign(judged=kept | refused, kept=kept, why=rows["reason"].where(~kept, ""))
    found: pd.DataFrame = judged[["sample_id", "image_id", *GROUP, "judged", "kept", "why"]]
    return found


def rates(judgements: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Keep rates of groups.

    Args:
        judgements: as `judgements` returns them.
        by: which of its columns make a group.

    Returns:
        One row a group, sorted by `by`: `n` pictures that were painted and judged, of `n_images` different
        photographs, `kept` of them, their share `rate` with `ci_low` and `ci_high` (95 %; NaN for n = 0), which
        `interval` that is (`INDEPENDENT` where each picture is of another photograph, else `CLUSTERED`, see
        `effective_n`; empty for n = 0), `unpainted` planned ones of which there is no picture, for a reason that lies
        in the photograph, its mask or the painter, and `reasons` of all that are not kept, as text, the most frequent
        first.
    """
    groups = judgements.groupby(list(by), dropna=False, observed=True)
    rows = [{**dict(zip(by, key, strict=True)), **_rate(group)} for key, group in groups]
    names = [*by, "n", "n_images", "kept", "rate", "ci_low", "ci_high", "interval", "unpainted", "reasons"]
    return pd.DataFrame(rows, columns=names)


def _rate(group: pd.DataFrame) -> dict[str, Any]:
    judged = group[group["judged"]]
    n, kept, photographs = len(judged), int(judged["kept"].sum()), judged["image_id"].nunique()
    told = {"n": n, "n_images": photographs, "kept": kept, "unpainted": len(group) - n, "reasons": _tally(group["why"])}
    if not n:
        return {**told, "rate": math.nan, "ci_low": math.nan, "ci_high": math.nan, "interval": ""}
    rate, effective = kept / n, effective_n(judged["image_id"].tolist(), judged["kept"].tolist())
    low, high = proportion_confint(rate * effective, effective, method="wilson")
    interval = INDEPENDENT if photographs == n else CLUSTERED
    return {**told, "rate": rate, "ci_low": float(low), "ci_high": float(high), "interval": interval}


def effective_n(image_ids: Sequence[str], kept: Sequence[bool]) -> float:
    """How many independent pictures tell as much of a rate as these, of which several show one photograph.

    The rate's variance over clusters (see `xray.pipeline.realism.metrics.mean_of`) is compared with that of independent
    pictures, with the factor for few clusters of Korn and Graubard 1998 (Survey Methodology 24:193–201). Where all
    or none are kept there is no variance to compare, and each photograph counts once.

    Args:
        image_ids: the photograph of each of N ≥ 1 pictures.
        kept: whether it was kept.

    Returns:
        1 … N; N where each picture is of another photograph.

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


def _tally(reasons: pd.Series[str]) -> str:
    """How often each reason, the most frequent first.

    >>> _tally(pd.Series(["nsfw", "", "blank_picture", "nsfw"]))
    'nsfw 2, blank_picture 1'
    """
    counts = Counter(reason for reason in reasons if reason)
    return ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
