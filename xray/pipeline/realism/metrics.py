"""Numbers over many pictures, and what they rest on: mean CLIPScore, mean LPIPS."""

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
from xray.pipeline.realism.pictures import Seen


@dataclass(frozen=True)
class Value:
    """One number and what it rests on.

    Args:
        metric: its name.
        value: NaN if it could not be had.
        std: standard deviation, over KID's subsets or over pictures; NaN if there is none.
        ci_low: of the 95 % interval, see `mean_of`; NaN if there is none.
        ci_high: of the same.
        n: pictures.
        n_images: different photographs among them; 0: not counted.
        n_originals: that they are compared with; 0: with none.
        method: how it was computed.
        remark: what the reader must know.
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


class Meter:
    """Base of the meters: takes in the pictures of one scenario after the other."""

    role: ClassVar[str]
    """What its weights are called."""
    metrics: ClassVar[tuple[str, ...]]
    libraries: ClassVar[tuple[str, ...]]
    needs_prompt: ClassVar[bool] = False

    def update(self, batch: Sequence[Seen]) -> None:
        """Take in N ≥ 1 pictures."""
        raise NotImplementedError

    def values(self) -> list[Value]:
        """What they come to; they are then forgotten."""
        raise NotImplementedError


class PromptScores(Meter):
    """Mean CLIPScore of the pictures with their planned prompts.

    Args:
        clip: the model.
    """

    role = "clip"
    metrics = ("clip_score",)
    libraries = ("transformers",)
    needs_prompt = True

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._scores: list[tuple[str, float]] = []

    def update(self, batch: Sequence[Seen]) -> None:
        """See `Meter.update`; pictures without a prompt do not count."""
        prompted = [(seen, seen.prompt) for seen in batch if seen.prompt is not None]
        if prompted:
            images = [seen.picture.image for seen, _ in prompted]
            scores = clip_scores(self._clip, images, [prompt for _, prompt in prompted])
            self._scores += [(seen.image_id, float(score)) for (seen, _), score in zip(prompted, scores, strict=True)]

    def values(self) -> list[Value]:
        """The mean CLIPScore."""
        scores, self._scores = self._scores, []
        method = f"100 · max(cos, 0); {self._clip.processing}; prompts cut to {self._clip.context} tokens"
        return [mean_of("clip_score", scores, method=method)]


class Outside(Meter):
    """Mean LPIPS between the pictures and their originals, outside the object.

    Args:
        lpips: the network.
    """

    role = "lpips"
    metrics = ("lpips_background",)
    libraries = ("torchmetrics", "torchvision")

    def __init__(self, lpips: Lpips) -> None:
        self._lpips = lpips
        self._distances: list[tuple[str, float]] = []
        self._without = 0

    def update(self, batch: Sequence[Seen]) -> None:
        """See `Meter.update`."""
        for seen in batch:
            original = seen.original()
            distance = None if original is None else self._lpips.outside(seen.picture, original)
            if distance is None:
                self._without += 1
            else:
                self._distances.append((seen.image_id, distance))

    def values(self) -> list[Value]:
        """The mean LPIPS."""
        distances, without = self._distances, self._without
        self._distances, self._without = [], 0
        remark = f"without {without} pictures that have no original of their size, or are too narrow" if without else ""
        return [mean_of("lpips_background", distances, method=self._lpips.method, remark=remark, paired=True)]


def mean_of(
    metric: str, numbers: Sequence[tuple[str, float]], *, method: str = "", remark: str = "", paired: bool = False
) -> Value:
    """The mean of numbers about pictures, with a 95 % interval.

    Pictures of one photograph are not independent: the interval is that of a mean over clusters (Liang and Zeger 1986,
    with the factor G / (G - 1) and Student's t for G photographs). Where each is of another photograph, it is the
    usual one.

    Args:
        metric: its name.
        numbers: the photograph of each picture, and the number.
        method: how the numbers were computed.
        remark: what the reader must know.
        paired: whether each picture was compared with the original of its photograph.

    >>> found = mean_of("x", [("a", 1.0), ("b", 2.0), ("c", 3.0)])
    >>> found.value, found.std, round(found.ci_low, 3), round(found.ci_high, 3), found.n_images
    (2.0, 1.0, -0.484, 4.484, 3)
    """
    if not numbers:
        return Value(metric, method=method, remark="; ".join(filter(None, ["left out: there are no pictures", remark])))
    frame = pd.DataFrame(numbers, columns=["image_id", "number"])
    mean, n = float(frame["number"].mean()), len(frame)
    groups = frame["image_id"].nunique()
    half = float(stats.t.ppf(0.975, groups - 1)) * cluster_error(numbers) if groups > 1 else math.nan
    std = float(frame["number"].std())
    n_originals = groups if paired else 0
    return Value(metric, mean, std, mean - half, mean + half, n, groups, n_originals, method, remark)


def cluster_error(numbers: Sequence[tuple[str, float]]) -> float:
    """Standard error of a mean over pictures that are clustered by photograph, see `mean_of`.

    Args:
        numbers: the photograph of each picture, at least two different ones, and the number.

    >>> cluster_error([("a", 1.0), ("b", 3.0)]), cluster_error([("a", 1.0), ("a", 3.0), ("b", 1.0), ("b", 3.0)])
    (1.0, 0.0)
    """
    frame = pd.DataFrame(numbers, columns=["image_id", "number"])
    deviations_G = (frame["number"] - frame["number"].mean()).groupby(frame["image_id"]).sum().to_numpy()
    groups = len(deviations_G)
    return math.sqrt(groups / (groups - 1) * float(np.square(deviations_G).sum())) / len(frame)
