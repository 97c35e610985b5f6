"""Which photographs serve as backgrounds of which."""

from __future__ import annotations

import bisect
import functools
import hashlib
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core import schema
from xray.core.hashing import digest
from xray.core.types import DonorRule
from xray.pipeline.plan.donors import SPARES, Donors, Photographs
from xray.pipeline.plan.rings import Pool

Row = dict[str, Any]
WHOLE = DonorRule("other", removed=False)
RULES = [
    DonorRule(category, removed, exclude_self, complexity)  # type: ignore[arg-type]
    for category in ("any", "same", "other", "next")
    for removed, exclude_self, complexity in ((True, True, None), (False, False, None), (True, True, "low"))
]


def photographs(count: int, chance: np.random.Generator, rare: float = 0.5) -> list[Row]:
    """Rows with the columns of SOURCE and BACKGROUNDS that sampling looks at."""
    rows = []
    for number in range(count):
        name = f"d{number}é"
        rows.append({
            "image_id": name, "donor_id": name, "uri": f"file:///{number}", "licence": "",
            "category": "rare" if chance.random() < rare else chance.choice(["common", "usual"]),
            "place": chance.choice(["p", "q", "", None]), "complexity": float(chance.random()),
            "sha256": hashlib.sha256(str(number % 40 if number < 80 else number).encode()).hexdigest(),
        })  # fmt: skip
    return rows


def backgrounds(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pylist([{"width": 9, "height": 9, **row} for row in rows], schema=schema.BACKGROUNDS)


def sampled(
    rows: list[Row],
    asked: list[Row],
    rule: DonorRule,
    seeds: list[int],
    folds: dict[str, int] | None = None,
    removable: np.ndarray[Any, Any] | None = None,
) -> list[list[int]]:
    """The rows of the donors and spares of photographs, without those that are missing."""
    pool = Pool(backgrounds(rows), folds, removable)
    source = pa.table({name: [row[name] for row in asked] for name in ("image_id", "category", "place", "sha256")})
    found = Donors(pool, uniform=False).sample(rule, seeds, Photographs.of(source, pool))
    return [[row for row in some if row >= 0] for some in found.tolist()]


points = functools.cache(functools.partial(digest, bits=63))


def one_by_one(
    rows: list[Row],
    asked: Row,
    rule: DonorRule,
    seed: int,
    folds: dict[str, int] | None = None,
    removable: np.ndarray[Any, Any] | None = None,
) -> list[int]:
    """As `Donors` says that it samples, without haste."""
    known = sorted({row["category"] for row in rows})
    after = dict(zip(known, known[1:] + known[:1], strict=True)).get(asked["category"])
    pool = [
        row
        for row in range(len(rows))
        if (folds is None or folds[rows[row]["donor_id"]] == folds[asked["image_id"]])
        and (removable is None or not rule.removed or removable[row])
    ]
    by_complexity = sorted(pool, key=lambda row: rows[row]["complexity"])
    allowed, low = set(pool), set(by_complexity[: max(2, -(-len(pool) // 10))])

    def suits(row: int) -> bool:
        donor = rows[row]
        if row not in (low if rule.complexity == "low" else allowed):
            return False
        own = asked["category"]
        wanted = {"any": donor["category"], "same": own, "other": donor["category"], "next": after}[rule.category]
        if donor["category"] != wanted or (rule.category == "other" and donor["category"] == own):
            return False
        itself = donor["donor_id"] == asked["image_id"]
        if not rule.exclude_self and itself:
            return True
        other_place = asked["place"] is None or donor["place"] != asked["place"]
        return other_place and not (rule.exclude_self and (itself or donor["sha256"] == asked["sha256"]))

    def mixed(row: int) -> int:
        number = point[row] ^ seed
        number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        number = (number ^ (number >> 27)) * 0x94D049BB133111EB % 2**64
        return number ^ (number >> 31)

    point = [points(row["donor_id"]) for row in rows]
    ring = sorted(range(len(rows)), key=point.__getitem__)
    start = bisect.bisect([point[row] for row in ring], digest(seed, "donor", bits=63))
    around = [ring[(start + step) % len(ring)] for step in range(len(ring))]
    count = 1 + SPARES * (rule.removed and removable is not None)
    return sorted([row for row in around if suits(row)][:256], key=mixed)[:count]


@pytest.mark.parametrize("rule", [WHOLE, *RULES], ids=str)
@pytest.mark.parametrize(("count", "rare"), [(0, 0.5), (1, 0.5), (7, 0.5), (900, 0.5), (3000, 0.02)])
@pytest.mark.parametrize("own", [False, True])
def test_donors_are_sampled_together_as_one_by_one(
    rule: DonorRule, count: int, rare: float, own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last pool has so few of a category that most photographs must look far around the ring."""
    monkeypatch.setattr("xray.pipeline.plan.donors._CHUNK", 3 * 4096)
    chance = np.random.default_rng(count)
    rows = photographs(count, chance, rare)
    asked = (rows if own else []) + photographs(60, chance)
    asked = asked[:: max(1, len(asked) // 15)]
    seeds = [digest(number, bits=63) for number in range(len(asked))]
    folds = {row["image_id"]: number % 3 for number, row in enumerate([*asked, *rows])} if own else None
    removable = chance.random(count) < 0.8 if own else None
    expected = [one_by_one(rows, one, rule, seed, folds, removable) for one, seed in zip(asked, seeds, strict=True)]
    assert sampled(rows, asked, rule, seeds, folds, removable) == expected


def test_copies_of_a_photograph_are_no_donors_of_it() -> None:
    rows = photographs(3, np.random.default_rng(1))
    for row, category in zip(rows, ("a", "b", "c"), strict=True):
        row |= {"category": category, "place": None}
    rows[1]["sha256"] = rows[0]["sha256"]
    assert {some[0] for some in sampled(rows, rows[:1] * 50, WHOLE, list(range(50)))} == {2}


def test_the_next_category_is_the_next_in_order_and_then_the_first() -> None:
    rows = [
        row | {"category": category, "place": None}
        for row, category in zip(photographs(9, np.random.default_rng(2)), "cabcabcab", strict=True)
    ]
    found = sampled(rows, rows, DonorRule("next"), list(range(9)))
    assert [rows[some[0]]["category"] for some in found] == list("abcabcabc")


@pytest.mark.parametrize(("level", "expected"), [("low", {0, 1}), ("median", {4, 5}), ("high", {8, 9})])
def test_complexity_selects_tenths_of_the_pool(level: Any, expected: set[int]) -> None:
    rows = [
        row | {"complexity": float(number), "place": None}
        for number, row in enumerate(photographs(10, np.random.default_rng(3)))
    ]
    asked = [{"image_id": "x", "category": "x", "place": None, "sha256": "f" * 64}] * 60
    found = sampled(rows, asked, DonorRule("any", complexity=level), list(range(60)))
    assert {some[0] for some in found} == expected


@given(st.integers(1, 4), st.sampled_from(["low", "median", "high"]))
def test_every_level_of_complexity_has_a_donor(count: int, level: Any) -> None:
    rows = photographs(count, np.random.default_rng(count))
    asked = [{"image_id": "x", "category": "x", "place": None, "sha256": "f" * 64}]
    assert sampled(rows, asked, DonorRule("any", complexity=level), [7])[0]


def test_without_known_complexity_no_level_has_a_donor() -> None:
    rows = [row | {"complexity": None} for row in photographs(5, np.random.default_rng(4))]
    asked = [{"image_id": "x", "category": "x", "place": None, "sha256": "f" * 64}]
    assert sampled(rows, asked, DonorRule("any", complexity="low"), [7]) == [[]]


@settings(max_examples=20)
@given(st.integers(0, 2**63 - 1))
def test_spares_are_what_would_be_chosen_without_the_donor(seed: int) -> None:
    rows = photographs(30, np.random.default_rng(5))
    asked = [{"image_id": "x", "category": "x", "place": None, "sha256": "f" * 64}]
    usable = np.ones(30, bool)
    first, *spares = sampled(rows, asked, DonorRule("any"), [seed], removable=usable)[0]
    usable[first] = False
    assert sampled(rows, asked, DonorRule("any"), [seed], removable=usable)[0][:SPARES] == spares


def test_donors_are_equally_likely() -> None:
    rows = [row | {"place": None} for row in photographs(12, np.random.default_rng(6))]
    asked = [{"image_id": "x", "category": "x", "place": None, "sha256": "f" * 64}] * 12_000
    found = Counter(
        some[0] for some in sampled(rows, asked, DonorRule("any"), [digest(n, bits=63) for n in range(12_000)])
    )
    assert sum((count - 1000) ** 2 / 1000 for count in found.values()) < 31.3  # chi², 11 degrees of freedom, P = .001


def test_columns_hold_donors_and_spares() -> None:
    pool = Pool(backgrounds(photographs(3, np.random.default_rng(7))), None, np.ones(3, bool))
    columns = Donors(pool).columns(np.array([[0, 2, -1], [-1, -1, -1]]))
    assert columns["donor_id"] == ["d0é", None]
    assert columns["donor_uri"] == ["file:///0", None]
    assert [[one["donor_id"] for one in some] for some in columns["donor_spares"]] == [["d2é"], []]
    assert Donors(pool).columns(np.array([[1]]))["donor_spares"] == [None]
