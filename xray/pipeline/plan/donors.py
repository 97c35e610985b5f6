"""Deterministic sampling of donors and prompts, by hashing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest, mix
from xray.core.types import DonorRule
from xray.pipeline.plan.rings import ANY, Donor, Pool, Ring, copies
from xray.pipeline.plan.uniform import attempt_seeds, draw
from xray.scenarios import Prompt, Scenario
from xray.sources.categories import Category

SPARES = 2
"""Further donors of a row, for donors that turn out not to be usable."""
_WINDOW, _EARLIER_WINDOW, _MORE = 1024, 256, 32
"""Number of donors to choose from, and that of an earlier version; and further ones to consider: some do not fit."""
_CHUNK = 2**18
_ATTEMPTS, _DRAWN_AT_ONCE = 64, 2**14
"""Draws of a donor, until one fits; and photographs that are drawn for at once."""
_NONE = -1


@dataclass(frozen=True)
class Photographs:
    """N photographs that donors are sampled for, as numbers; every array has the shape (N,).

    Args:
        category: code of the category in the pool.
        next: code of the category after it.
        place: code of the place.
        fold: in which it is tested.
        itself: hash of the id.
        copy: the first bits of the SHA-256 of its bytes.
        group: hash of its group; 0 if the pool has none.
    """

    category: NDArray[np.int64]
    next: NDArray[np.int64]
    place: NDArray[np.int64]
    fold: NDArray[np.int64]
    itself: Hashes
    copy: Hashes
    group: Hashes

    @classmethod
    def of(cls, source: pa.Table, pool: Pool) -> Self:
        """Look photographs (SOURCE) up in a pool."""
        images, categories, places = (source.column(name).to_pylist() for name in ("image_id", "category", "place"))
        return cls(
            np.array([pool.code("category", one) for one in categories], np.int64),
            np.array([pool.code("category", pool.after(one)) for one in categories], np.int64),
            np.array([pool.code("place", one) for one in places], np.int64),
            np.array([pool.fold_of(one) for one in images], np.int64),
            np.array([digest(image, bits=63) for image in images], np.uint64),
            copies(source.column("sha256")),
            pool.groups_of(images),
        )


class Donors:
    """Samples donors; adding a photograph to the pool, or removing one, changes hardly any other sample.

    Of up to 1,024 donors, the suitable one with the lowest hash with the seed is chosen (rendezvous hashing: Thaler &
    Ravishankar, IEEE/ACM Trans. Networking 6, 1998); the spares have the next lowest hashes. Of more, donors are drawn
    from a tree (see `uniform.draw`) until one is suitable. Either way each suitable one is equally likely, whatever the
    order of the pool. Where hardly any is suitable, so that 64 draws are not enough, the 1,024 suitable ones that
    follow a point on the ring of all hashes are considered; their chances differ by a few percent. So they do in runs
    that an earlier version planned: it considered 256 that follow a point, and for them so does this one.

    Suitable are donors of another place, whose category is as the rule says, and that are neither a copy of the
    photograph nor of its group.

    Args:
        pool: the donors.
        uniform: false: as an earlier version sampled from more than 256 donors.
    """

    def __init__(self, pool: Pool, *, uniform: bool = True) -> None:
        self.pool, self.uniform = pool, uniform

    def columns(self, rows: NDArray[np.int64]) -> dict[str, list[Any]]:
        """The columns of PLAN about donors: null where `sample` returned -1, `donor_spares` null without spares."""
        spares: list[Any] = [None] * len(rows)
        if rows.shape[1] > 1:
            donors = ([self.pool.donor(row) for row in some if row != _NONE] for some in rows[:, 1:].tolist())
            spares = [[donor._asdict() for donor in some] for some in donors]
        none = Donor(None, None, None)
        chosen = [none if row == _NONE else self.pool.donor(row) for row in rows[:, 0].tolist()]
        return {
            "donor_id": [donor.donor_id for donor in chosen],
            "donor_uri": [donor.uri for donor in chosen],
            "donor_sha256": [donor.sha256 for donor in chosen],
            "donor_spares": spares,
        }

    def sample(self, rule: DonorRule, seeds: Sequence[int], photographs: Photographs) -> NDArray[np.int64]:
        """Sample donors of N photographs: rows of the pool, shape (N, 1), or with spares (N, 1 + SPARES); -1 is none.

        The seeds, 0 … 2^63 - 1, determine the result.
        """
        ring, points = self.pool.ring(rule), np.array([digest(seed, "donor", bits=63) for seed in seeds], np.uint64)
        category = {"same": photographs.category, "next": photographs.next}.get(rule.category)
        fold = photographs.fold if self.pool.keeps_folds(rule) else None
        anything = np.full(len(seeds), ANY)
        keys = zip(*(anything if codes is None else codes for codes in (category, fold)), points, strict=True)
        spans = [ring.span(int(one), int(other), point) for one, other, point in keys]
        low, size, start = np.array(spans, np.int64).reshape(-1, 3).T
        asked = (
            np.array(seeds, np.uint64),
            *(getattr(photographs, field.name) for field in fields(photographs)),
            low,
            size,
            start,
        )
        window = _WINDOW if self.uniform else _EARLIER_WINDOW
        search = _Search(self.pool, ring, rule, 1 + SPARES * self.pool.removes(rule), window)
        rows = np.full((len(seeds), search.count), _NONE, np.int64)
        many = (size > _WINDOW) if self.uniform else np.zeros(len(seeds), bool)
        for first in np.unique(low[many]):
            group = np.flatnonzero(many & (low == first))
            for part in np.array_split(group, -(-len(group) // _DRAWN_AT_ONCE)):
                rows[part] = search.drawn([values[part] for values in asked])
        few = ~many
        if few.any():
            rows[few] = search.rows([values[few] for values in asked], window + _MORE)
        return rows


@dataclass(frozen=True)
class _Search:
    """A search for the `count` donors with the lowest hashes, among the `window` that follow a point."""

    pool: Pool
    ring: Ring
    rule: DonorRule
    count: int
    window: int

    def rows(self, asked: Sequence[NDArray[Any]], width: int) -> NDArray[np.int64]:
        """Return rows of the pool, or `_NONE`, shape (N, count).

        Args:
            asked: seeds, the columns of `Photographs`, and the donors' first index, number and start; (N,) each.
            width: number of donors to consider; more only for photographs with too few suitable ones.
        """
        if len(asked[0]) > 1 and len(asked[0]) * width > _CHUNK:
            halves = zip(*(np.array_split(values, 2) for values in asked), strict=True)
            return np.concatenate([self.rows(half, width) for half in halves])
        rows = np.full((len(asked[0]), self.count), _NONE, np.int64)
        if not len(rows) or not len(self.ring.donors):
            return rows
        seeds, *photographs, low, size, start = (values[:, None] for values in asked)
        steps = np.arange(max(1, min(width, int(size.max()))))
        ahead = start + steps
        ahead -= size * (ahead >= size)
        inside = steps < size
        donors = self.ring.donors[low + np.where(inside, ahead, 0)]
        fits = self._fits(donors, inside, *photographs)
        rank = fits.cumsum(axis=1)
        fits &= rank <= self.window
        hashes = np.where(fits, mix(self.pool.points[donors] ^ seeds), np.uint64(2**64 - 1))
        best = _lowest(hashes, self.count)
        chosen = self.pool.order[np.take_along_axis(donors, best, axis=1)]
        rows[:, : best.shape[1]] = np.where(np.take_along_axis(fits, best, axis=1), chosen, _NONE)
        lack = (rank[:, -1] < self.window) & (size[:, 0] > width)
        if lack.any():
            rows[lack] = self.rows([values[lack] for values in asked], 4 * width)
        return rows

    def drawn(self, asked: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Return rows of the pool for photographs with the same group of donors, shape (N, count); see `rows`."""
        seeds, *photographs, low, size, _ = asked
        donors = self.ring.donors[low[0] : low[0] + size[0]]
        points = self.ring.points[low[0] : low[0] + size[0]]
        chosen = np.full((len(seeds), self.count), _NONE, np.int64)
        number, left = np.zeros(len(seeds), np.int64), np.arange(len(seeds))
        # No photograph has all of its donors before `count` attempts: these are drawn at once, which is faster.
        first_seeds = [attempt_seeds(seeds, attempt) for attempt in range(self.count)]
        first = draw(points, np.concatenate(first_seeds)).reshape(self.count, -1)
        for attempt in range(_ATTEMPTS):
            drawn = first[attempt] if attempt < self.count else draw(points, attempt_seeds(seeds[left], attempt))
            one = donors[drawn][:, None]
            fits = self._fits(one, np.ones(one.shape, bool), *(values[left, None] for values in photographs))[:, 0]
            fits &= ~(chosen[left] == one).any(axis=1)
            chosen[left[fits], number[left[fits]]] = one[fits, 0]
            number[left[fits]] += 1
            left = left[number[left] < self.count]
            if not len(left):
                break
        rows: NDArray[np.int64] = np.where(chosen == _NONE, _NONE, self.pool.order[chosen])
        if len(left):
            rows[left] = self.rows([values[left] for values in asked], self.window + _MORE)
        return rows

    def _fits(
        self,
        donors: NDArray[np.int32],
        inside: NDArray[np.bool_],
        category: NDArray[np.int64],
        _next: NDArray[np.int64],
        place: NDArray[np.int64],
        _fold: NDArray[np.int64],
        itself: Hashes,
        copy: Hashes,
        group: Hashes,
    ) -> NDArray[np.bool_]:
        fits: NDArray[np.bool_] = inside & (self.pool.codes("place")[donors] != place)
        if self.rule.exclude_self:
            fits &= (self.pool.points[donors] != itself) & (self.pool.copies[donors] != copy)
            if self.pool.groups is not None:
                fits &= self.pool.groups[donors] != group
        else:
            fits |= inside & (self.pool.points[donors] == itself)
        if self.rule.category == "other":
            fits &= self.pool.codes("category")[donors] != category
        return fits


def _lowest(number_NM: Hashes, count: int) -> NDArray[np.int64]:
    """Return the indices of the lowest numbers of each row, in their order; fewer if there are fewer columns."""
    if count == 1:
        lowest: NDArray[np.int64] = number_NM.argmin(axis=1)[:, None]
        return lowest
    lowest = number_NM.argpartition(min(count, number_NM.shape[1]) - 1, axis=1)[:, :count]
    order = np.take_along_axis(number_NM, lowest, axis=1).argsort(axis=1, kind="stable")
    ordered: NDArray[np.int64] = np.take_along_axis(lowest, order, axis=1)
    return ordered


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
