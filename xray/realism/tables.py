"""How real painted pictures are, by scenario, and how many of them the filter kept."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from statsmodels.stats.proportion import proportion_confint

from xray.backgrounds.clip import Clip
from xray.progress import Progress
from xray.realism.distances import Distances
from xray.realism.meters import Meter, Outside, PromptScores, Value
from xray.realism.networks import Inception, Layer, Lpips
from xray.realism.passed import Passed
from xray.schema import FILTERED, OK
from xray.weights import fingerprint, locate

if TYPE_CHECKING:
    from xray.run import Run

_METERS: tuple[type[Meter], ...] = (Distances, PromptScores, Outside)


def realism(
    run: Run,
    *,
    inception: str | None = None,
    clip: str | None = None,
    lpips: str | None = None,
    device: str = "cpu",
    features: Layer = 2048,
    kid_subset: int = 1000,
) -> pd.DataFrame:
    """Measure the pictures that passed, by scenario, and write the table `realism` into the run.

    Measured are the scenarios that paint and, as a reference line, those that put the object before another
    photograph. FID and KID compare with all originals of the run (see `xray.realism.passed.Passed`), also with those
    whose painted pictures were all refused. Memory does not grow with the run, but for a few numbers a picture.

    Args:
        run: with images.
        inception: weights for FID and KID, such as `inception-fid` (see `xray.weights.locate`).
        clip: model for CLIPScore with the planned prompt, such as `clip-vit-l14`.
        lpips: weights for LPIPS between picture and original outside the object, such as `alexnet`.
        device: `cpu`, `cuda` or `cuda:<number>`.
        features: of Inception. Fewer need fewer pictures, but are on another scale than published numbers.
        kid_subset: pictures in each of KID's 100 subsets. Where there are more than 10,000, KID sees about so many.

    Returns:
        One row a (scenario, metric): `scenario`, `kind`, `painted`, `metric` (fid, kid, clip_score, lpips_background),
        `value`, `std` (KID: over subsets; CLIPScore, LPIPS: over pictures), `ci_low` and `ci_high` (of means over
        pictures, see `xray.realism.meters.mean_of`), `n` pictures, `n_images` different photographs among them (0: not
        counted), `n_originals`, `method`, `remark`, `weights` as they were named, their `fingerprint`, `libraries`. A
        metric without weights, or with too few pictures, has the value NaN, and its remark says why.

    Raises:
        XrayError: no images yet, no such scenario, weights that are not there or not safe.
    """
    passed = Passed(run)
    named = {"inception": inception, "clip": clip, "lpips": lpips}
    paths = {role: locate(reference) for role, reference in named.items() if reference is not None}
    hashes = {role: fingerprint(path) for role, path in paths.items()}
    load: dict[str, Callable[[Path], Meter]] = {
        "inception": lambda file: Distances(Inception(file, features, device), kid_subset, run.recipe_object.seed),
        "clip": lambda folder: PromptScores(Clip(str(folder), device)),
        "lpips": lambda file: Outside(Lpips(file, device)),
    }
    meters = {role: load[role](path) for role, path in paths.items()}
    _measure_originals(meters, passed)
    rows = []
    for scenario in passed.worlds:
        _measure(meters, passed, scenario)
        for meter in _METERS:
            found = meters[meter.role].values() if meter.role in meters else _left_out(meter)
            facts = {
                "weights": named[meter.role],
                "fingerprint": hashes.get(meter.role),
                "libraries": _versions(meter) if meter.role in meters else None,
            }
            if passed.worlds[scenario] or not meter.needs_prompt:
                rows += [_row(passed, scenario, value, facts) for value in found]
    table = pd.DataFrame(rows)
    run.write_table("realism", pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None))
    return table


def _measure_originals(meters: Mapping[str, Meter], passed: Passed) -> None:
    wanting = [meter for meter in meters.values() if isinstance(meter, Distances)]
    if wanting:
        with Progress("originals", passed.n_originals, "pictures") as progress:
            for batch in passed.originals():
                for meter in wanting:
                    meter.update_originals(batch)
                progress.advance(len(batch))


def _measure(meters: Mapping[str, Meter], passed: Passed, scenario: str) -> None:
    if meters:
        with Progress(scenario, passed.count(scenario), "pictures") as progress:
            for batch in passed.pictures(scenario, originals=Outside.role in meters):
                for meter in meters.values():
                    meter.update(batch)
                progress.advance(len(batch))


def _left_out(meter: type[Meter]) -> list[Value]:
    remark = f"left out: no weights were given (`{meter.role}`)"
    return [Value(metric, remark=remark) for metric in meter.metrics]


def _row(passed: Passed, scenario: str, value: Value, facts: Mapping[str, str | None]) -> dict[str, Any]:
    told = {"scenario": scenario, "kind": passed.kind(scenario), "painted": passed.worlds[scenario]}
    return {**told, **asdict(value), **facts}


def _versions(meter: type[Meter]) -> str:
    return ", ".join(f"{library} {importlib.metadata.version(library)}" for library in meter.libraries)


def keep_rates(run: Run) -> pd.DataFrame:
    """How many of the painted pictures the filter kept; reads no picture.

    Args:
        run: with images.

    Returns:
        One row a (scenario, category, prompt, place): `n` pictures that were painted and judged, `kept` of them,
        `rate`, `ci_low` and `ci_high` (Wilson, 95 %, as if pictures were independent; NaN for n = 0), `unpainted`
        planned rows of which there is no picture, for a reason that lies in the photograph, its mask or the painter,
        and `reasons` of all that are not kept, as text, the most frequent first.
    """
    images = run.table("images", ["sample_id", "category", "scenario", "status", "reason"])
    plan = run.table("plan", ["sample_id", "prompt", "place"], where=ds.field("prompt").is_valid())
    rows = images.to_pandas().merge(plan.to_pandas(), on="sample_id")
    kept = (rows["status"] == OK).to_numpy(bool)
    refused = rows["reason"].map(lambda reason: not FILTERED.isdisjoint(reason.split())).to_numpy(bool) & ~kept
    rows = rows.assign(kept=kept, judged=kept | refused, why=rows["reason"].where(~kept, ""))
    by = ["scenario", "category", "prompt", "place"]
    table = (
        rows.groupby(by, dropna=False, observed=True)
        .agg(n=("judged", "sum"), kept=("kept", "sum"), rows=("judged", "size"), reasons=("why", _tally))
        .reset_index()
    )
    table["unpainted"] = table.pop("rows") - table["n"]
    n = table["n"].where(table["n"] > 0).to_numpy(float)
    table["rate"] = table["kept"] / n
    low, high = proportion_confint(table["kept"].to_numpy(float), n, method="wilson")
    table["ci_low"], table["ci_high"] = np.asarray(low, float), np.asarray(high, float)
    rates: pd.DataFrame = table[[*by, "n", "kept", "rate", "ci_low", "ci_high", "unpainted", "reasons"]]
    return rates


def _tally(reasons: pd.Series[str]) -> str:
    """How often each reason, the most frequent first.

    >>> _tally(pd.Series(["nsfw", "", "blank_picture", "nsfw"]))
    'nsfw 2, blank_picture 1'
    """
    counts = Counter(reason for reason in reasons if reason)
    return ", ".join(f"{reason} {n}" for reason, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
