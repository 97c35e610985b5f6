"""Metrics over the images of a scenario, with their basis: mean CLIPScore, mean LPIPS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from scipy import stats

from xray.backgrounds.filtering.clip import Clip
from xray.pipeline.realism.networks import Lpips, clip_scores
from xray.pipeline.realism.pictures import PassedImage


@dataclass(frozen=True)
class MetricValue:
    """The value of a metric and its basis; the fields are columns of the table `realism`.

    Args:
        metric: its name.
        value: NaN if it could not be computed.
        std: standard deviation over images; NaN if there is none.
        ci_low: lower end of the 95 % interval over photographs; NaN if there is none.
        ci_high: its upper end.
        n: number of images.
        n_images: number of different photographs among them; 0: not counted.
        n_originals: number of originals that they are compared with; 0: none.
        method: how it was computed.
        remark: a caveat for the reader.
    """

    metric: str
    value: float = math.nan
    std: float = math.nan
    ci_low: float = math.nan
    ci_high: float = math.nan
    n: int = 0
    n_images: int = 0
    n_originals: int = 0
    method: str = ""
    remark: str = ""


class Metric:
    """The base class of metrics: it takes the images of one scenario after the other."""

    role: ClassVar[str]
    """The name of its weights in the arguments of `realism`."""
    metrics: ClassVar[tuple[str, ...]]
    libraries: ClassVar[tuple[str, ...]]
    needs_prompt: ClassVar[bool] = False

    def update(self, batch: Sequence[PassedImage]) -> None:
        """Add N ≥ 1 images."""
        raise NotImplementedError

    def values(self) -> list[MetricValue]:
        """Return the values over the added images, and forget the images."""
        raise NotImplementedError


class ClipScore(Metric):
    """The mean CLIPScore of images with their planned prompts."""

    role = "clip"
    metrics = ("clip_score",)
    libraries = ("transformers",)
    needs_prompt = True

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._scores: list[tuple[str, float]] = []

    def update(self, batch: Sequence[PassedImage]) -> None:
        """See `Metric.update`; images without a prompt do not count."""
        prompts = [item.prompt for item in batch if item.prompt is not None]
        items = [item for item in batch if item.prompt is not None]
        if items:
            scores = clip_scores(self._clip, [item.photo.image for item in items], prompts)
            self._scores += zip((item.image_id for item in items), map(float, scores), strict=True)

    def values(self) -> list[MetricValue]:
        """Return the mean CLIPScore."""
        scores, self._scores = self._scores, []
        method = f"100 · max(cos, 0); {self._clip.processing}; prompts cut to {self._clip.context} tokens"
        return [clustered_mean("clip_score", scores, method=method)]


class BackgroundLpips(Metric):
    """The mean LPIPS between images and their originals, outside the object."""

    role = "lpips"
    metrics = ("lpips_background",)
    libraries = ("torchmetrics", "torchvision")

    def __init__(self, lpips: Lpips) -> None:
        self._lpips = lpips
        self._distances: list[tuple[str, float]] = []
        self._skipped = 0

    def update(self, batch: Sequence[PassedImage]) -> None:
        """See `Metric.update`."""
        for item in batch:
            original = item.original()
            distance = None if original is None else self._lpips.outside(item.photo, original)
            if distance is None:
                self._skipped += 1
            else:
                self._distances.append((item.image_id, distance))

    def values(self) -> list[MetricValue]:
        """Return the mean LPIPS."""
        distances, skipped = self._distances, self._skipped
        self._distances, self._skipped = [], 0
        remark = f"without {skipped} pictures that have no original of their size, or are too narrow" if skipped else ""
        return [clustered_mean("lpips_background", distances, method=self._lpips.method, remark=remark, paired=True)]


def clustered_mean(
    metric: str, numbers: Sequence[tuple[str, float]], *, method: str = "", remark: str = "", paired: bool = False
) -> MetricValue:
    """Compute the mean of one number per image, with a 95 % interval.

    Images of one photograph are not independent: the interval is that of a mean over clusters (Liang and Zeger 1986,
    with the factor G / (G - 1) and Student's t for G photographs). If each image is of another photograph, it is the
    usual one.

    Args:
        metric: see `MetricValue`, as `method` and `remark`.
        numbers: the photograph of each image, and the number.
        method: see above.
        remark: see above.
        paired: whether each image was compared with the original of its photograph.

    >>> result = clustered_mean("x", [("a", 1.0), ("b", 2.0), ("c", 3.0)])
    >>> result.value, result.std, round(result.ci_low, 3), round(result.ci_high, 3), result.n_images
    (2.0, 1.0, -0.484, 4.484, 3)
    """
    if not numbers:
        left_out = "left out: there are no pictures"
        return MetricValue(metric, method=method, remark=f"{left_out}; {remark}" if remark else left_out)
    frame = pd.DataFrame(numbers, columns=["image_id", "number"])
    mean, n = float(frame["number"].mean()), len(frame)
    groups = frame["image_id"].nunique()
    half = float(stats.t.ppf(0.975, groups - 1)) * cluster_error(numbers) if groups > 1 else math.nan
    std = float(frame["number"].std())
    n_originals = groups if paired else 0
    return MetricValue(metric, mean, std, mean - half, mean + half, n, groups, n_originals, method, remark)


def cluster_error(numbers: Sequence[tuple[str, float]]) -> float:
    """Compute the standard error of a `clustered_mean` over at least two photographs.

    >>> cluster_error([("a", 1.0), ("b", 3.0)]), cluster_error([("a", 1.0), ("a", 3.0), ("b", 1.0), ("b", 3.0)])
    (1.0, 0.0)
    """
    frame = pd.DataFrame(numbers, columns=["image_id", "number"])
    deviations_G = (frame["number"] - frame["number"].mean()).groupby(frame["image_id"]).sum().to_numpy()
    groups = len(deviations_G)
    return math.sqrt(groups / (groups - 1) * float(np.square(deviations_G).sum())) / len(frame)
