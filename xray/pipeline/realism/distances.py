"""FID and KID: distances between the distributions of images and originals."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import extra
from xray.core.types import Pixels
from xray.pipeline.realism.kid import kid
from xray.pipeline.realism.metrics import Metric, MetricValue
from xray.pipeline.realism.networks import Inception
from xray.pipeline.realism.pictures import PassedImage

_SAMPLE = 10_000
"""Maximum number of images whose features KID keeps; up to twice as many, 160 MB, while images are added."""


class Distances(Metric):
    """FID and KID between images and originals.

    FID: Heusel et al. 2017 (https://arxiv.org/abs/1706.08500); KID: see `xray.pipeline.realism.kid`. FID keeps only
    sums, KID the features of at most 10,000 images and originals.

    Args:
        network: gives the features. The distances are computed on the CPU.
    """

    role = "inception"
    metrics = ("fid", "kid")
    libraries = ("torchmetrics", "torch-fidelity")

    def __init__(self, network: Inception) -> None:
        with extra("realism"):
            from torchmetrics.image.fid import FrechetInceptionDistance

        self._network, self._features = network, network.layer
        self._fid = FrechetInceptionDistance(_identity(network.layer), reset_real_features=False)
        self._images, self._originals = FeatureSample(_SAMPLE), FeatureSample(_SAMPLE)

    def update_originals(self, batch: Sequence[tuple[str, Pixels]]) -> None:
        """Add N ≥ 1 originals with their ids; they are kept for all scenarios."""
        photos = [name for name, _ in batch]
        self._add(photos, photos, [image for _, image in batch], self._originals)

    def update(self, batch: Sequence[PassedImage]) -> None:
        """See `Metric.update`."""
        ids, photos = [item.sample_id for item in batch], [item.image_id for item in batch]
        self._add(ids, photos, [item.photo.image for item in batch], self._images)

    def _add(self, ids: Sequence[str], photos: Sequence[str], images: Sequence[Pixels], sample: FeatureSample) -> None:
        import torch

        features_ND = self._network.features(images)
        self._fid.update(torch.from_numpy(features_ND).double(), real=sample is self._originals)
        sample.add(ids, photos, features_ND)

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
        photos, originals = self._images.photos(), self._originals.photos()
        method = f"Inception-v3, {self._features} features, cubic kernel, all pairs of different photographs"
        result = MetricValue("kid", n=n, n_images=len(set(photos)), n_originals=n_originals, method=method)
        if min(len(set(photos)), len(set(originals))) < 2:
            return replace(result, remark="left out: it needs two photographs and two originals")
        return replace(result, **kid(self._images.features(), self._originals.features(), photos, originals)._asdict())


class FeatureSample:
    """The features of at most `size` images, sampled by a hash of their ids: the same ones in any order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[str, str, NDArray[np.float32]]] = []

    def __len__(self) -> int:
        return min(len(self._kept), self._size)

    def add(self, ids: Sequence[str], photos: Sequence[str], features_ND: NDArray[np.float32]) -> None:
        """Add N images with their photographs and features, shape (N, D)."""
        keys = (hashlib.sha256(name.encode()).hexdigest() for name in ids)
        self._kept += zip(keys, photos, features_ND, strict=True)
        if len(self._kept) > 2 * self._size:
            self._cut()

    def features(self) -> NDArray[np.float32]:
        """Return the features of the sampled images, shape (n, D)."""
        self._cut()
        return np.stack([features for _, _, features in self._kept])

    def photos(self) -> list[str]:
        """Return the photographs of the sampled images, in the order of their features."""
        self._cut()
        return [photo for _, photo, _ in self._kept]

    def _cut(self) -> None:
        self._kept = sorted(self._kept, key=itemgetter(0))[: self._size]


def _identity(features: int) -> Any:
    """Create a network for torchmetrics that returns its input: features are computed once for both distances."""
    import torch

    network = torch.nn.Identity()
    network.num_features = features  # type: ignore[assignment]
    return network
