"""FID and KID: how far the distribution of pictures is from that of originals."""

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
from xray.core.images import Pixels
from xray.pipeline.realism.metrics import Meter, Value
from xray.pipeline.realism.networks import Inception
from xray.pipeline.realism.pictures import Seen

SUBSETS = 100
"""Of KID."""
_SAMPLE = 10_000
"""Pictures whose features KID keeps at most; twice as many, 160 MB, while pictures come in."""


class Distances(Meter):
    """FID and KID between pictures and originals.

    FID: Heusel et al. 2017 (https://arxiv.org/abs/1706.08500); KID: Bińkowski et al. 2018
    (https://arxiv.org/abs/1801.01401). FID keeps sums only, KID the features of at most 10,000 pictures and originals.

    Args:
        network: whose features are compared. The distances themselves are computed on the CPU.
        subset: pictures in each of KID's 100 subsets; fewer if there are less than twice as many.
        seed: decides KID's subsets.
    """

    role = "inception"
    metrics = ("fid", "kid")
    libraries = ("torchmetrics", "torch-fidelity")

    def __init__(self, network: Inception, subset: int = 1000, seed: int = 0) -> None:
        with extra("realism"):
            from torchmetrics.image.fid import FrechetInceptionDistance

        self._network, self._features = network, network.layer
        self._subset, self._seed = subset, seed
        self._fid = FrechetInceptionDistance(_as_given(network.layer), reset_real_features=False)
        self._pictures, self._originals = Sample(_SAMPLE), Sample(_SAMPLE)

    def update_originals(self, batch: Sequence[tuple[str, Pixels]]) -> None:
        """Take in N ≥ 1 originals with their ids; they stay."""
        self._take([name for name, _ in batch], [image for _, image in batch], self._originals)

    def update(self, batch: Sequence[Seen]) -> None:
        """See `Meter.update`."""
        self._take([seen.sample_id for seen in batch], [seen.picture.image for seen in batch], self._pictures)

    def _take(self, ids: Sequence[str], images: Sequence[Pixels], sample: Sample) -> None:
        import torch

        features_ND = self._network.features(images)
        self._fid.update(torch.from_numpy(features_ND).double(), real=sample is self._originals)
        sample.add(ids, features_ND)

    def values(self) -> list[Value]:
        """FID and KID."""
        found = [self._fid_value(), self._kid_value()]
        self._fid.reset()
        self._pictures = Sample(_SAMPLE)
        return found

    def _fid_value(self) -> Value:
        n, n_originals = int(self._fid.fake_features_num_samples), int(self._fid.real_features_num_samples)
        fewest = min(n, n_originals)
        method = f"Inception-v3, {self._features} features, antialiased to 299 × 299"
        value, remark = math.nan, "left out: it needs two pictures and two originals"
        if fewest >= 2:
            value, remark = float(self._fid.compute()), ""
        if 2 <= fewest <= self._features:
            remark = (
                f"biased: covariances of {self._features} features from {fewest} pictures have rank {fewest - 1}; "
                "compare only with FIDs of as many pictures, and prefer KID"
            )
        return Value("fid", value, n=n, n_originals=n_originals, method=method, remark=remark)

    def _kid_value(self) -> Value:
        n, n_originals = len(self._pictures), len(self._originals)
        size = min(self._subset, n // 2, n_originals // 2)
        mean, std, remark = math.nan, math.nan, "left out: it needs four pictures and four originals"
        method = f"Inception-v3, {self._features} features, cubic kernel"
        if size >= 2:
            mean, std = self._kid(size)
            method += f", std over {SUBSETS} subsets of {size}"
            remark = "" if size == self._subset else f"subsets of {size}, not {self._subset}: half of what there is"
        return Value("kid", mean, std, n=n, n_originals=n_originals, method=method, remark=remark)

    def _kid(self, size: int) -> tuple[float, float]:
        import torch
        from torchmetrics.image.kid import KernelInceptionDistance

        with warnings.catch_warnings():  # that it keeps all features: it gets a sample
            warnings.simplefilter("ignore", UserWarning)
            kid = KernelInceptionDistance(_as_given(self._features), SUBSETS, size)
        kid.update(torch.from_numpy(self._originals.features()).double(), real=True)
        kid.update(torch.from_numpy(self._pictures.features()).double(), real=False)
        with torch.random.fork_rng(devices=[]):  # it draws subsets from torch's own generator
            torch.default_generator.manual_seed(self._seed)
            mean, std = kid.compute()
        return float(mean), float(std)


class Sample:
    """The features of at most `size` pictures, drawn by a hash of their ids: the same ones in whatever order.

    Args:
        size: how many.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: list[tuple[str, NDArray[np.float32]]] = []

    def __len__(self) -> int:
        return min(len(self._kept), self._size)

    def add(self, ids: Sequence[str], features_ND: NDArray[np.float32]) -> None:
        """Take in N pictures, each with its features."""
        self._kept += zip((hashlib.sha256(name.encode()).hexdigest() for name in ids), features_ND, strict=True)
        if len(self._kept) > 2 * self._size:
            self._cut()

    def features(self) -> NDArray[np.float32]:
        """Those of the pictures that were drawn, shape (n, D)."""
        self._cut()
        return np.stack([features for _, features in self._kept])

    def _cut(self) -> None:
        self._kept = sorted(self._kept, key=itemgetter(0))[: self._size]


def _as_given(features: int) -> Any:
    """A network for torchmetrics that leaves features as they are: they are made once for both distances."""
    import torch

    network = torch.nn.Identity()
    network.num_features = features  # type: ignore[assignment]
    return network
