"""The images of one scenario that models are trained or tested on: ids, labels, and where they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from xray.core.hashing import digest


@dataclass(frozen=True)
class Samples:
    """N images of one scenario, in the plan's order.

    Args:
        scenario: the recipe's name.
        sample_id: of IMAGES.
        image_id: of SOURCE.
        variant_N: 0 … variants − 1.
        label_N: places of their categories in the recipe.
        shard: names of the shards that they lie in.
    """

    scenario: str
    sample_id: tuple[str, ...]
    image_id: tuple[str, ...]
    variant_N: NDArray[np.int64]
    label_N: NDArray[np.int64]
    shard: tuple[str, ...]

    @classmethod
    def of_rows(cls, scenario: str, rows: Sequence[Mapping[str, Any]], labels: Mapping[str, int]) -> Self:
        """From rows with `sample_id`, `image_id`, `variant`, `category` and `shard`."""
        return cls(
            scenario,
            tuple(row["sample_id"] for row in rows),
            tuple(row["image_id"] for row in rows),
            np.array([row["variant"] for row in rows], np.int64),
            np.array([labels[row["category"]] for row in rows], np.int64),
            tuple(row["shard"] for row in rows),
        )

    def __len__(self) -> int:
        return len(self.sample_id)

    def of_images(self, images: Collection[str]) -> Self:
        """Those of some photographs."""
        chosen = [place for place, image in enumerate(self.image_id) if image in images]
        return type(self)(
            self.scenario,
            tuple(self.sample_id[place] for place in chosen),
            tuple(self.image_id[place] for place in chosen),
            self.variant_N[chosen],
            self.label_N[chosen],
            tuple(self.shard[place] for place in chosen),
        )

    @property
    def shard_N(self) -> NDArray[np.int64]:
        """Shards as numbers, 0 … shards − 1, in the order of their names."""
        return np.unique(np.array(self.shard, dtype=str), return_inverse=True)[1].astype(np.int64)

    @property
    def hash_N(self) -> NDArray[np.uint64]:
        """A number for each photograph and variant, the same in every scenario."""
        pairs = zip(self.image_id, self.variant_N.tolist(), strict=True)
        return np.array([digest(image, variant, bits=64) for image, variant in pairs], np.uint64)
