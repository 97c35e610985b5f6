"""FID and KID: distances between the distributions of images and originals."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import extra
from xray.core.types import Pixels
from xray.pipeline.realism.metrics import Metric, MetricValue
from xray.pipeline.realism.networks import Inception
from xray.pipeline.realism.pictures import PassedImage

SUBSETS = 100
"""Number of KID's subsets."""
_SAMPLE = 10_000
"""Maximum number of images whose features KID keeps; up to twice as many, 160 MB, while images are added."""


class Distances(Metric):
    """FID and KID between images and originals.

    FID: Heusel et al. 2017 (https://arxiv.org/abs/1706.08500); KID: Bińkowski et al. 2018
    (https://arxiv.org/abs/1801.01401). FID keeps only sums, KID the features of at most 10,000 images and originals.

    Args:
        network: gives the features. The distances are computed on the CPU.
        subset: images in each of KID's 100 subsets; fewer if there are less than twice as many.
        seed: of KID's subsets.
    """

    role = "inception"
    metrics = ("fid", "kid")
    libraries = ("torchmetrics", "torch-fidelity")

    def __init__(self, network: Inception, subset: int = 1000, seed: int = 0) -> None:
        with extra("realism"):
            from torchmetrics.image.fid import FrechetInceptionDistance

        self._network, self._features = network, network.layer
        self._subset, self._seed = subset, seed
        self._fid = FrechetInceptionDistance(_identity(network.layer), reset_real_features=False)
        self._images, self._originals = FeatureSample(_SAMPLE), FeatureSample(_SAMPLE)

    def update_originals(self, batch: Sequence[tuple[str, Pixels]]) -> None:
        """Add N ≥ 1 originals with their ids; they are kept for all scenarios."""
        self._add([name for name, _ in batch], [image for _, image in batch], self._originals)

    def update(self, batch: Sequence[PassedImage]) -> None:
        """See `Metric.update`."""
        self._add([item.sample_id for item in batch], [item.photo.image for item in batch], self._images)

    def _add(self, ids: Sequence[str], images: Sequence[Pixels], sample: FeatureSample) -> None:
        import torch

        features_ND = self._network.features(images)
        self._fid.update(torch.from_numpy(features_ND).double(), real=sample is self._originals)
        sample.add(ids, features_ND)

    def values(self) -> list[MetricValue]:
        """Return FID and KID."""
        values = [self._fid_value(), self._kid_value()]
        self._fid.reset()
        self._images = FeatureSample(_SAMPLE)
        return values

    def _fid_value(self) -> MetricValue:
        n, n_originals = int(self._fid.fake_features_num_samples), int(self._fid.real_features_num_samples)
        smaller = min(n, n_originals)
        method = f"Inception-v3, {self._features} features, antialiased to 299 × 299"
        value, remark = math.nan, "left out: it needs two pictures and two originals"
        if smaller >= 2:
            value, remark = float(self._fid.compute()), ""
        if 2 <= smaller <= self._features:
            remark = (
                f"biased: covariances of {self._features} features from {smaller} pictures have rank {smaller - 1}; "
                "compare only with FIDs of as many pictures, and prefer KID"
            )
        return MetricValue("fid", value, n=n, n_originals=n_originals, method=method, remark=remark)

    def _kid_value(self) -> MetricValue:
        n, n_originals = len(self._images), len(self._originals)
        size = min(self._subset, n // 2, n_originals // 2)
        mean, std, remark = math.nan, math.nan, "left out: it needs four pictures and four originals"
        method = f"Inception-v3, {self._features} features, cubic kernel"
        if size >= 2:
            mean, std = self._kid(size)
            method += f", std over {SUBSETS} subsets of {size}"
            remark = "" if size == self._subset else f"subsets of {size}, not {self._subset}: half of what there is"
        return MetricValue("kid", mean, std, n=n, n_originals=n_originals, method=method, remark=remark)

    def _kid(self, size: int) -> tuple[float, float]:
        import torch
        from torchmetrics.image.kid import KernelInceptionDistance

        with warnings.catch_warnings():  # it warns that it keeps all features; it gets a sample
            warnings.simplefilter("ignore", UserWarning)
            kid = KernelInceptionDistance(_identity(self._features), SUBSETS, size)
        kid.update(torch.from_numpy(self._originals.features()).double(), real=True)
        kid.update(torch.from_numpy(self._images.features()).double(), real=False)
        with torch.random.fork_rng(devices=[]):  # it samples subsets with torch's global generator
            torch.default_generator.manual_seed(self._seed)
            mean, std = kid.compute()
        return float(mean), float(std)


class FeatureSample:
    """The features of at most `size` images, sampled by a hash of their ids: the same ones in any order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[str, NDArray[np.float32]]] = []

    def __len__(self) -> int:
        return min(len(self._kept), self._size)

    def add(self, ids: Sequence[str], features_ND: NDArray[np.float32]) -> None:
        """Add N images with their features, shape (N, D)."""
        self._kept += zip((hashlib.sha256(name.encode()).hexdigest() for name in ids), features_ND, strict=True)
        if len(self._kept) > 2 * self._size:
            self._cut()

    def features(self) -> NDArray[np.float32]:
        """Return the features of the sampled images, shape (n, D)."""
        self._cut()
        return np.stack([features for _, features in self._kept])

    def _cut(self) -> None:
        self._kept = sorted(self._kept, key=itemgetter(0))[: self._size]


def _identity(features: int) -> Any:
    """Create a network for torchmetrics that returns its input: features are computed once for both distances."""
    import torch

    network = torch.nn.Identity()
    network.num_features = features  # type: ignore[assignment]
    return network
