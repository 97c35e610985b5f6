"""The background pool as numbers: which donors there are, and which of them suit a rule."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.core.hashing import Hashes, digest
from xray.core.types import DonorRule

ANY, NONE, UNKNOWN = -3, -1, -2
"""Codes of categories, places and folds: of every donor, of donors without one, and of those that the pool lacks."""
_TENTHS = {"low": (0, 1), "median": (4, 6), "high": (9, 10)}
"""The part of the donors, sorted by complexity, that each level of complexity stands for."""


class Donor(NamedTuple):
    """A donor, as PLAN names it; None if there is none."""

    donor_id: str | None
    uri: str | None
    sha256: str | None


@dataclass(frozen=True)
class Ring:
    """The donors that suit a rule in the order of their hashes, in groups that are each a ring of their own.

    Args:
        donors: indices into the pool's order, shape (N,).
        points: their hashes, shape (N,).
        groups: first index and number of each group's donors, by category and fold.
    """

    donors: NDArray[np.int32]
    points: Hashes
    groups: Mapping[tuple[int, int], tuple[int, int]]

    def span(self, category: int, fold: int, point: np.uint64) -> tuple[int, int, int]:
        """Return the first index and the number of a group's donors, and how many of them precede a point."""
        low, size = self.groups.get((category, fold), (0, 0))
        start = int(np.searchsorted(self.points[low : low + size], point, side="right"))
        return low, size, start % size if size else 0


class Pool:
    """The background pool, sorted by a hash of the donors' ids; arrays have the shape (N,) and this order.

    Args:
        table: BACKGROUNDS; with `complexity` if a rule asks for it.
        folds: in which photographs are tested, by id, if the pool is the run's own: donors are then of the
            photograph's fold, so that no model is trained on a photograph that it is tested on.
        removable: for each row of the table, whether its object can be removed, if the pool is the run's own: only such
            donors serve rules with `removed`. None: the pool shows no objects.
        partial: the plan is of the first photographs only, and no model is trained until it is completed: their donors
            without objects are among them, of any fold.
        groups: of photographs that are not alone, by id, if the pool is the run's own: a donor is of another group.

    Attributes:
        order: rows of the table.
        points: hashes of the donors' ids.
        copies: the first bits of their SHA-256.
        groups: hashes of their groups; None: each is alone.
    """

    def __init__(
        self,
        table: pa.Table,
        folds: Mapping[str, int] | None = None,
        removable: NDArray[np.bool_] | None = None,
        *,
        partial: bool = False,
        groups: Mapping[str, str] | None = None,
    ) -> None:
        self._table, self._folds, self._partial, self._named = table, folds, partial, groups or {}
        points = np.fromiter((digest(name, bits=63) for name in self._ids()), np.uint64, len(table))
        self.order: NDArray[np.int32] = np.argsort(points, kind="stable").astype(np.int32)
        self.points: Hashes = points[self.order]
        self.copies = copies(table.column("sha256"))[self.order]
        self.groups = self.groups_of(self._ids())[self.order] if groups else None
        self._removable = None if removable is None else removable[self.order]
        chunks = table.select(Donor._fields).to_batches()  # `take` would join all chunks
        self._firsts = [0, *itertools.accumulate(map(len, chunks))][:-1]
        self._chunks = [(chunk.columns, first) for chunk, first in zip(chunks, self._firsts, strict=True)]
        self._names: dict[str, dict[str | None, int]] = {}
        self._codes: dict[str, NDArray[np.signedinteger]] = {}
        for column in ("category", "place"):
            self._encode(column)
        known = sorted(name for name in self._names["category"] if name is not None)
        self._after = dict(zip(known, [*known[1:], *known[:1]], strict=True))
        self._rings: dict[DonorRule, Ring] = {}

    def __len__(self) -> int:
        return len(self.order)

    def _ids(self) -> Iterator[str]:
        return (name for some in self._table.column("donor_id").chunks for name in some.to_pylist())

    def _encode(self, column: str) -> None:
        encoded = pc.dictionary_encode(self._table.column(column).cast(pa.string())).unify_dictionaries()
        known = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
        self._names[column] = {value: code for code, value in enumerate(known)}
        kind = np.int16 if len(known) < 2**15 else np.int32
        codes = [some.indices.fill_null(NONE).to_numpy().astype(kind) for some in encoded.chunks]
        self._codes[column] = np.concatenate([np.empty(0, kind), *codes])[self.order]

    def code(self, column: str, value: str | None) -> int:
        """The code of a category or place; `UNKNOWN` if no donor has it."""
        return self._names[column].get(value, UNKNOWN)

    def codes(self, column: str) -> NDArray[np.signedinteger]:
        """The codes of the donors' categories or places; `NONE` if they have none."""
        return self._codes[column]

    def after(self, category: str) -> str | None:
        """The category after another one, in sorted order of those that donors have; after the last the first."""
        return self._after.get(category)

    def fold_of(self, image: str) -> int:
        """The fold of a photograph, or of a donor of it; `ANY` without folds."""
        return ANY if self._folds is None else self._folds.get(image, UNKNOWN)

    def groups_of(self, images: Iterable[str]) -> Hashes:
        """The hashes of the groups of photographs, or of donors, shape (N,); 0 without groups."""
        if not self._named:
            return np.zeros(sum(1 for _ in images), np.uint64)
        return np.array([digest(self._named.get(image, image), bits=63) for image in images], np.uint64)

    def keeps_folds(self, rule: DonorRule) -> bool:
        """Whether the donors of a rule are of the photograph's fold."""
        return self._folds is not None and not (self._partial and self.removes(rule))

    def removes(self, rule: DonorRule) -> bool:
        """Whether the donors of a rule are photographs of the run without their objects."""
        return rule.removed and self._removable is not None

    def donor(self, row: int) -> Donor:
        """The donor in a row of the table."""
        columns, first = self._chunks[bisect.bisect(self._firsts, row) - 1]
        return Donor(*(column[row - first].as_py() for column in columns))

    def ring(self, rule: DonorRule) -> Ring:
        """The donors that suit a rule, grouped by fold, and by category if the rule asks for one."""
        if rule not in self._rings:
            self._rings[rule] = self._ring(rule)
        return self._rings[rule]

    def _ring(self, rule: DonorRule) -> Ring:
        donors = np.arange(len(self), dtype=np.int32)
        if self._removable is not None and rule.removed:
            donors = donors[self._removable]
        fold = self._folds_of(donors) if self.keeps_folds(rule) else None
        if rule.complexity is not None:
            chosen = self._of_complexity(donors, fold, *_TENTHS[rule.complexity])
            donors, fold = donors[chosen], None if fold is None else fold[chosen]
        category = self.codes("category")[donors] if rule.category in ("same", "next") else None
        if fold is None and category is None:  # millions of donors need no further memory
            points = self.points if len(donors) == len(self) else self.points[donors]
            return Ring(donors, points, {(ANY, ANY): (0, len(donors))})
        anything = np.full(len(donors), ANY, np.int32)
        category, fold = (anything if codes is None else codes for codes in (category, fold))
        grouped = np.lexsort((fold, category))  # stable: within a group the order stays
        donors, category, fold = donors[grouped], category[grouped], fold[grouped]
        first = np.flatnonzero((np.diff(category, prepend=-9) != 0) | (np.diff(fold, prepend=-9) != 0))
        sizes = np.diff(first, append=len(donors))
        keys = zip(category[first].tolist(), fold[first].tolist(), strict=True)
        spans = zip(first.tolist(), sizes.tolist(), strict=True)
        return Ring(donors, self.points[donors], dict(zip(keys, spans, strict=True)))

    def _folds_of(self, donors: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.fromiter(map(self.fold_of, self._ids()), np.int32, len(self))[self.order][donors]

    def _of_complexity(
        self, donors: NDArray[np.int32], fold: NDArray[np.int32] | None, low: int, high: int
    ) -> NDArray[np.bool_]:
        """Whether donors are, sorted by complexity, between two tenths of those of their fold; shape of `donors`."""
        complexity = self._table.column("complexity").to_numpy()[self.order][donors].astype(float)
        chosen = np.zeros(len(donors), bool)
        parts = [fold == one for one in np.unique(fold)] if fold is not None else [np.ones(len(donors), bool)]
        for part in parts:
            known = np.flatnonzero(np.isfinite(complexity) & part)
            ordered = known[complexity[known].argsort(kind="stable")]
            first = max(0, min(low * len(known) // 10, len(known) - 2))  # two, so that none has only itself
            chosen[ordered[first : max(-(-high * len(known) // 10), first + 2)]] = True
        return chosen


def copies(sha256: pa.ChunkedArray) -> Hashes:
    """Return the first bits of files' hashes, by which copies of a file are known, shape (N,); 0 for an empty one."""
    texts: Iterable[str] = (text for some in sha256.chunks for text in some.to_pylist())
    return np.fromiter((int(text[:15] or "0", 16) for text in texts), np.uint64, len(sha256))
