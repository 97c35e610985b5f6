"""Deterministic sampling of donors and prompts, by hashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.core.hashing import digest, mix
from xray.scenarios import Prompt, Scenario
from xray.sources.categories import Category

_WINDOW, _SPARE = 256, 32
"""Number of donors to choose from; and further ones to consider, since some do not fit."""
_CHUNK = 2**18
_NONE, _UNKNOWN = -1, -2


class Donors:
    """The background pool, for sampling; adding or removing a photograph changes hardly any other sample.

    The donors lie on a ring by a hash of their id. From a point that the seed determines, up to 256 suitable ones are
    considered, and the one with the lowest hash with the seed is chosen (rendezvous hashing: Thaler & Ravishankar,
    IEEE/ACM Trans. Networking 6, 1998): each is equally likely, whatever the order of the pool.

    `pool`: BACKGROUNDS.
    """

    def __init__(self, pool: pa.Table) -> None:
        self._pool = pool
        names = (name for some in pool.column("donor_id").chunks for name in some.to_pylist())
        points = np.fromiter((digest(name, bits=63) for name in names), np.uint64, len(pool))
        self._order = np.argsort(points, kind="stable").astype(np.int32)
        self._points = points[self._order]
        self._codes: dict[str, dict[str | None, int]] = {}
        self._of: dict[str, NDArray[np.int32]] = {}
        for column in ("category", "place"):
            encoded = pc.dictionary_encode(pool.column(column).cast(pa.string())).unify_dictionaries()
            known = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
            self._codes[column] = {value: code for code, value in enumerate(known)}
            codes = [np.asarray(some.indices.fill_null(_NONE), np.int32) for some in encoded.chunks]
            self._of[column] = np.concatenate([np.empty(0, np.int32), *codes])[self._order]

    def columns(self, rows: Sequence[int | None]) -> dict[str, pa.Array]:
        """Columns `donor_id`, `donor_uri` and `donor_sha256` for rows of the pool; null for None."""
        sampled = [(index, row) for index, row in enumerate(rows) if row is not None]
        columns = {}
        for name, column in (("donor_id", "donor_id"), ("donor_uri", "uri"), ("donor_sha256", "sha256")):
            known, values = self._pool.column(column), [None] * len(rows)
            for index, row in sampled:  # `take` would concatenate all chunks first
                values[index] = known[row].as_py()
            columns[name] = pa.array(values, pa.string())
        return columns

    def sample(
        self, seeds: Sequence[int], categories: Sequence[str], places: Sequence[str | None], images: Sequence[str]
    ) -> list[int | None]:
        """Sample, for each photograph, the row of a donor of another place and category; None if there is none.

        The seeds, 0 … 2^63 - 1, determine the result.
        """
        if not len(self._order) or not seeds:
            return [None] * len(seeds)
        points = np.array([digest(seed, "donor", bits=63) for seed in seeds], np.uint64)
        photographs = (
            np.array(seeds, np.uint64),
            np.array([self._codes["category"].get(one, _UNKNOWN) for one in categories]),
            np.array([self._codes["place"].get(one, _UNKNOWN) for one in places]),
            np.array([digest(image, bits=63) for image in images], np.uint64),
            np.searchsorted(self._points, points, side="right"),
        )
        return [None if row == _NONE else int(row) for row in self._sample(photographs, _WINDOW + _SPARE)]

    def _sample(self, photographs: Sequence[NDArray[Any]], width: int) -> NDArray[np.int64]:
        """Rows of the pool, or `_NONE`, shape (N,).

        Args:
            photographs: seeds, codes of categories and places, their own points, and their start on the ring; (N,).
            width: number of donors to consider; more only for photographs with too few suitable ones.
        """
        if len(photographs[0]) > 1 and len(photographs[0]) * width > _CHUNK:
            halves = zip(*(np.array_split(values, 2) for values in photographs), strict=True)
            return np.concatenate([self._sample(half, width) for half in halves])
        seeds, category, place, itself, start = (values[:, None] for values in photographs)
        count = len(self._order)
        ring = start + np.arange(min(width, count))
        ring -= count * (ring >= count)
        fits = (self._of["category"][ring] != category) & (self._of["place"][ring] != place)
        fits &= self._points[ring] != itself
        rank = fits.cumsum(axis=1)
        fits &= rank <= _WINDOW
        lowest = np.where(fits, mix(self._points[ring] ^ seeds), np.uint64(2**64 - 1)).argmin(axis=1)
        rows = np.where(rank[:, -1] > 0, self._order[(start[:, 0] + lowest) % count], _NONE)
        lack = rank[:, -1] < _WINDOW
        if width < count and lack.any():
            rows[lack] = self._sample([values[lack] for values in photographs], 4 * width)
        return rows


@dataclass(frozen=True)
class Sampler:
    """Everything random in a plan: the run's seed, the background pool, and the categories by name."""

    seed: int
    donors: Donors
    categories: Mapping[str, Category]

    def prompt(self, scenario: Scenario, number: int, category: str, variant: int) -> Prompt | None:
        """The prompt for the background of a photograph, if the scenario inpaints."""
        known = self.categories.get(category)
        return scenario.prompt(known, number, variant) if scenario.inpaints and known else None
