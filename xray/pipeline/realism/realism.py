"""Realism of inpainted images, by scenario."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from xray.backgrounds.filtering.clip import Clip
from xray.core.progress import Progress
from xray.models.weights import checked_fingerprint, locate
from xray.pipeline.realism.distances import Distances
from xray.pipeline.realism.metrics import BackgroundLpips, ClipScore, Metric, MetricValue
from xray.pipeline.realism.networks import Inception, Layer, Lpips
from xray.pipeline.realism.pictures import PassedImages

if TYPE_CHECKING:
    from xray.runs.folder import RunFolder

_METRICS: tuple[type[Metric], ...] = (Distances, ClipScore, BackgroundLpips)


def realism(
    run: RunFolder,
    *,
    inception: str | None = None,
    clip: str | None = None,
    lpips: str | None = None,
    device: str = "cpu",
    features: Layer = 2048,
) -> pd.DataFrame:
    """Measure the images with status ok, by scenario, and write the table `realism` into the run.

    Measured are the scenarios that inpaint and, as a baseline, those that put the object on another photograph. FID and
    KID compare with all originals of the run (see `PassedImages`), including those whose inpainted images were all
    rejected. Apart from a few numbers per image, memory does not grow with the run.

    Args:
        run: with images.
        inception: weights for FID and KID, such as `inception-fid` (see `xray.models.weights.locate`).
        clip: model for CLIPScore with the planned prompt, such as `clip-vit-l14`.
        lpips: weights for LPIPS between image and original outside the object, such as `alexnet`.
        device: `cpu`, `cuda` or `cuda:<number>`.
        features: of Inception. Fewer need fewer images, but are on another scale than published values.

    Returns:
        One row per (scenario, metric): `scenario`, `kind`, `painted`, `metric` (fid, kid, clip_score,
        lpips_background), `value`, `std` (CLIPScore, LPIPS: over images), `ci_low` and `ci_high` (over photographs: of
        KID see `kid.kid`, of CLIPScore and LPIPS `metrics.clustered_mean`), `n` images, `n_images` different
        photographs among them (0: not counted), `n_originals`, `method`, `remark`, `weights` as given, their
        `fingerprint`, `libraries`. A metric without weights, or with too few images, has the value NaN and the reason
        in `remark`.

    Raises:
        XrayError: no images yet, no such scenario, missing or unsafe weights.
    """
    images = PassedImages(run)
    references = {"inception": inception, "clip": clip, "lpips": lpips}
    given = {role: reference for role, reference in references.items() if reference is not None}
    paths = {role: locate(reference) for role, reference in given.items()}
    fingerprints = {role: checked_fingerprint(reference) for role, reference in given.items()}
    load: dict[str, Callable[[Path], Metric]] = {
        "inception": lambda file: Distances(Inception(file, features, device)),
        "clip": lambda folder: ClipScore(Clip(str(folder), device)),
        "lpips": lambda file: BackgroundLpips(Lpips(file, device)),
    }
    metrics = {role: load[role](path) for role, path in paths.items()}
    _add_originals(metrics, images)
    rows = []
    for scenario, inpainted in images.inpainted.items():
        _add_images(metrics, images, scenario)
        for kind in _METRICS:
            values = metrics[kind.role].values() if kind.role in metrics else _left_out(kind)
            facts = {
                "weights": references[kind.role],
                "fingerprint": fingerprints.get(kind.role),
                "libraries": _versions(kind) if kind.role in metrics else None,
            }
            if inpainted or not kind.needs_prompt:
                described = {"scenario": scenario, "kind": images.kind(scenario), "painted": inpainted}
                rows += [{**described, **asdict(value), **facts} for value in values]
    table = pd.DataFrame(rows)
    run.store.write_table("realism", pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None))
    return table


def _add_originals(metrics: Mapping[str, Metric], images: PassedImages) -> None:
    distances = [metric for metric in metrics.values() if isinstance(metric, Distances)]
    if distances:
        with Progress("originals", images.n_originals, "images") as progress:
            for batch in images.originals():
                for metric in distances:
                    metric.update_originals(batch)
                progress.advance(len(batch))


def _add_images(metrics: Mapping[str, Metric], images: PassedImages, scenario: str) -> None:
    if metrics:
        with Progress(scenario, images.count(scenario), "images") as progress:
            for batch in images.batches(scenario, originals=BackgroundLpips.role in metrics):
                for metric in metrics.values():
                    metric.update(batch)
                progress.advance(len(batch))


def _left_out(kind: type[Metric]) -> list[MetricValue]:
    remark = f"left out: no weights were given (`{kind.role}`)"
    return [MetricValue(metric, remark=remark) for metric in kind.metrics]


def _versions(kind: type[Metric]) -> str:
    return ", ".join(f"{library} {importlib.metadata.version(library)}" for library in kind.libraries)
