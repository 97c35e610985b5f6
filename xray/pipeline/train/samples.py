"""The images of one scenario that models are trained or tested on: ids, labels and shards."""

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
        scenario: its name in the recipe.
        sample_id: of IMAGES.
        image_id: of SOURCE.
        variant_N: 0 … variants − 1.
        label_N: indices of their categories in the recipe.
        shard: names of the shards that hold them.
    """

    scenario: str
    sample_id: tuple[str, ...]
    image_id: tuple[str, ...]
    variant_N: NDArray[np.int64]
    label_N: NDArray[np.int64]
    shard: tuple[str, ...]

    @classmethod
    def of_rows(cls, scenario: str, rows: Sequence[Mapping[str, Any]], labels: Mapping[str, int]) -> Self:
        """Create them from rows with `sample_id`, `image_id`, `variant`, `category` and `shard`.

        Args:
            scenario: its name in the recipe.
            rows: N rows.
            labels: index by category name.
        """
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

    def of_images(self, image_ids: Collection[str]) -> Self:
        """Select the images of some photographs."""
        indices = [index for index, image in enumerate(self.image_id) if image in image_ids]
        return type(self)(
            self.scenario,
            tuple(self.sample_id[index] for index in indices),
            tuple(self.image_id[index] for index in indices),
            self.variant_N[indices],
            self.label_N[indices],
            tuple(self.shard[index] for index in indices),
        )

    @property
    def shard_N(self) -> NDArray[np.int64]:
        """Shards as numbers, 0 … shards − 1, in the order of their names."""
        return np.unique(np.array(self.shard, dtype=str), return_inverse=True)[1].astype(np.int64)

    @property
    def hash_N(self) -> NDArray[np.uint64]:
        """A hash of each photograph and variant, the same in every scenario."""
        pairs = zip(self.image_id, self.variant_N.tolist(), strict=True)
        return np.array([digest(image, variant, bits=64) for image, variant in pairs], np.uint64)
