from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2

from xray.core import schema
from xray.core.hashing import Hashes, digest
from xray.core.types import DonorRule
from xray.pipeline.plan.donors import SPARES, Donors, Photographs
from xray.pipeline.plan.rings import Pool
from xray.pipeline.plan.uniform import attempt_seeds, draw

SEEDS = [digest(number, bits=63) for number in range(60_000)]


def pool(count: int, categories: int = 4, **settings: object) -> Pool:
    rows = [
        {
            "donor_id": f"d{number}", "uri": "file:///x", "sha256": f"{number:064x}", "width": 1, "height": 1,
            "category": f"c{number % categories}", "place": None, "licence": "",
        }
        for number in range(count)
    ]  # fmt: skip
    return Pool(pa.Table.from_pylist(rows, schema.BACKGROUNDS), **settings)  # type: ignore[arg-type]


def sampled(
    donors: Pool, rule: DonorRule, count: int, *, uniform: bool = True
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    source = pa.table(
        {
            "image_id": [f"x{number}" for number in range(count)],
            "category": ["c0"] * count,
            "place": pa.nulls(count, pa.string()),
            "sha256": ["f" * 64] * count,
        }
    )
    return Donors(donors, uniform=uniform).sample(rule, SEEDS[:count], Photographs.of(source, donors))  # type: ignore[return-value]


def hashes(count: int) -> Hashes:
    return np.sort(np.array([digest("p", number, bits=63) for number in range(count)], np.uint64))


def p_value(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    expected = counts.sum() / len(counts)
    return float(chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1))


@pytest.mark.parametrize("count", [1, 2, 3, 50, 700])
def test_every_element_is_equally_likely(count: int) -> None:
    counts = np.bincount(draw(hashes(count), attempt_seeds(np.array(SEEDS, np.uint64), 0)), minlength=count)
    assert len(counts) == count
    assert count == 1 or p_value(counts) > 0.001


def test_an_element_more_changes_few_draws() -> None:
    points = hashes(2000)
    fewer, seeds = np.delete(points, 777), np.array(SEEDS, np.uint64)
    before, after = fewer[draw(fewer, seeds)], points[draw(points, seeds)]
    assert 0 < (before != after).mean() < 12 / 2000  # log₂ 2,000 levels


def test_equal_hashes_end_the_descent() -> None:
    assert set(draw(np.array([5, 5, 5], np.uint64), np.arange(9, dtype=np.uint64)).tolist()) == {0}


@pytest.mark.parametrize(("count", "rule"), [(600, "any"), (600, "other"), (3000, "any"), (3000, "other")])
def test_donors_of_large_pools_are_equally_likely(count: int, rule: str) -> None:
    rows = sampled(pool(count, categories=2), DonorRule(rule), 60_000)[:, 0]  # type: ignore[arg-type]
    counts = np.bincount(rows, minlength=count)
    suits = counts if rule == "any" else counts[1::2]
    assert suits.sum() == 60_000
    assert p_value(suits) > 0.001


def test_windows_of_an_earlier_version_are_not_uniform() -> None:
    assert (
        p_value(np.bincount(sampled(pool(1000), DonorRule("any"), 60_000, uniform=False)[:, 0], minlength=1000)) < 1e-4
    )


def test_small_pools_have_the_donors_of_an_earlier_version() -> None:
    for rule in (DonorRule("any"), DonorRule("other"), DonorRule("next")):
        small = pool(256)
        assert (sampled(small, rule, 500) == sampled(small, rule, 500, uniform=False)).all()


def test_spares_are_other_donors_that_suit() -> None:
    large = pool(2000, categories=2, removable=np.ones(2000, bool))
    rows = sampled(large, DonorRule("other", removed=True), 500)
    assert rows.shape == (500, 1 + SPARES)
    assert (rows % 2 == 1).all()
    assert all(len(set(some)) == 1 + SPARES for some in rows.tolist())


def test_a_donor_is_found_where_hardly_any_suits() -> None:
    rows = [{"donor_id": f"d{n}", "uri": "", "sha256": f"{n:064x}", "width": 1, "height": 1, "licence": "",
             "category": "c1" if n == 77 else "c0"} for n in range(3000)]  # fmt: skip
    lonely = Pool(pa.Table.from_pylist(rows, schema.BACKGROUNDS))
    assert set(sampled(lonely, DonorRule("other"), 20)[:, 0].tolist()) == {77}
