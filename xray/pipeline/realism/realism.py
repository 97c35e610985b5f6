"""How real painted pictures are, by scenario."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from xray.backgrounds.filtering.clip import Clip
from xray.core.progress import Progress
from xray.models.weights import fingerprint, locate
from xray.pipeline.realism.distances import Distances
from xray.pipeline.realism.metrics import Meter, Outside, PromptScores, Value
from xray.pipeline.realism.networks import Inception, Layer, Lpips
from xray.pipeline.realism.pictures import Passed

if TYPE_CHECKING:
    from xray.runs.run import Run

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
    photograph. FID and KID compare with all originals of the run (see `Passed`), also with those
    whose painted pictures were all refused. Memory does not grow with the run, but for a few numbers a picture.

    Args:
        run: with images.
        inception: weights for FID and KID, such as `inception-fid` (see `xray.models.weights.locate`).
        clip: model for CLIPScore with the planned prompt, such as `clip-vit-l14`.
        lpips: weights for LPIPS between picture and original outside the object, such as `alexnet`.
        device: `cpu`, `cuda` or `cuda:<number>`.
        features: of Inception. Fewer need fewer pictures, but are on another scale than published numbers.
        kid_subset: pictures in each of KID's 100 subsets. Where there are more than 10,000, KID sees about so many.

    Returns:
        One row a (scenario, metric): `scenario`, `kind`, `painted`, `metric` (fid, kid, clip_score, lpips_background),
        `value`, `std` (KID: over subsets; CLIPScore, LPIPS: over pictures), `ci_low` and `ci_high` (of means over
        pictures, see `metrics.mean_of`), `n` pictures, `n_images` different photographs among them (0: not
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
