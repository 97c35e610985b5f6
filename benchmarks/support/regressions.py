"""Least squares of many predictions: from cells, and by the formula of statsmodels (see `inference_speed.py`)."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

from xray.statistics import Regression
from xray.statistics import regression as from_cells
from xray.statistics.regression import clusters

FACTORS = {"model": 8, "scenario": 14, "category": 12}
PHOTOGRAPHS, ROUNDS = 15_000, 5


def predictions(rows: int, seed: int = 0) -> pd.DataFrame:
    """Single predictions in any order, as Parquet gives them: names as categories, one category to a photograph."""
    draw = np.random.Generator(np.random.PCG64(seed))
    photograph = draw.integers(0, PHOTOGRAPHS, rows, dtype=np.int32)
    own = draw.normal(0, 0.1, PHOTOGRAPHS)
    codes = {
        "model": draw.integers(0, FACTORS["model"], rows, dtype=np.int8),
        "scenario": draw.integers(0, FACTORS["scenario"], rows, dtype=np.int8),
        "category": (photograph % FACTORS["category"]).astype(np.int8),
    }
    chance = 0.9 - sum(0.02 * code for code in codes.values()) + own[photograph]
    named = {
        name: pd.Categorical.from_codes(code, [f"{name}_{k}" for k in range(FACTORS[name])])
        for name, code in codes.items()
    }
    return pd.DataFrame({**named, "image_id": photograph, "correct": draw.random(rows) < chance})


def ours(table: pd.DataFrame) -> Regression:
    return from_cells(table, "correct", list(FACTORS), cluster="image_id")


def ours_in_one_thread(table: pd.DataFrame) -> Regression:
    with mock.patch.object(clusters, "MAX_THREADS", 1):
        return ours(table)


def formula(table: pd.DataFrame) -> tuple[Any, Any]:
    """The fit with classical errors, and the same with clustered ones."""
    fit = smf.ols(f"right ~ {' + '.join(FACTORS)}", table).fit()
    return fit, fit.get_robustcov_results("cluster", groups=table["image_id"], use_t=True)


def timed(work: Callable[[pd.DataFrame], object], table: pd.DataFrame) -> tuple[float, float]:
    """Seconds by the clock, and of CPU time, which other programs on the machine disturb less."""
    start, cpu = time.perf_counter(), time.process_time()
    work(table)
    return time.perf_counter() - start, time.process_time() - cpu


def memory(table: pd.DataFrame) -> float:
    """The most that our fit asks for at a time beyond the table (MB)."""
    tracemalloc.start()
    ours(table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / 1e6


def difference(table: pd.DataFrame) -> float:
    """The largest relative difference of coefficients, classical errors and clustered errors."""
    found, (classical, clustered) = ours(table), formula(table)
    assert found.clustered is not None
    pairs = [
        (found.parameters["estimate"], classical.params),
        (found.parameters["std_error"], classical.bse),
        (found.clustered.parameters["std_error"], clustered.bse),
    ]
    return max(float(np.abs(np.asarray(mine) / np.asarray(theirs) - 1).max()) for mine, theirs in pairs)


def regression(tiny: bool) -> dict[str, float]:
    """The formula's time on a tenth of the rows over ours on all of them, each pair of a round beside the other."""
    many = predictions(10**5 if tiny else 10**7)
    some = many.iloc[: len(many) // 10].reset_index(drop=True)
    some["right"] = some["correct"].astype(np.float64)
    text = dict.fromkeys(FACTORS, str)
    asked = {
        "formula": (formula, some),
        "formula, text": (formula, some.astype(text)),
        "ours": (ours, many),
        "ours, one thread": (ours_in_one_thread, many),
        "ours, text": (ours, many.astype(text)),
        "ours, few": (ours, some),
    }
    for work, table in asked.values():
        work(table.iloc[:10_000])
    rounds = [{name: timed(*work) for name, work in asked.items()} for _ in range(ROUNDS)]
    for name, (_, table) in asked.items():
        times, cpu = (sorted(one[name][kind] for one in rounds) for kind in (0, 1))
        seconds = statistics.median(times)
        print(
            f"{name:<17}{len(table):>12,} rows {seconds:>8.3f} s ({times[0]:.3f} to {times[-1]:.3f}), "
            f"CPU {statistics.median(cpu):.3f} s, {len(table) / seconds / 1e6:.2f} million rows/s"
        )
    pairs = {
        "": ("formula", "ours", 0),
        "_one_thread": ("formula", "ours, one thread", 0),
        "_cpu": ("formula", "ours, one thread", 1),
        "_of_text": ("formula, text", "ours", 0),
        "_both_text": ("formula, text", "ours, text", 0),
        "_same_rows": ("formula", "ours, few", 0),
    }
    ratios = {
        key: sorted(one[slow][kind] / one[fast][kind] for one in rounds) for key, (slow, fast, kind) in pairs.items()
    }
    for key, (slow, fast, kind) in pairs.items():
        found, what = ratios[key], ("", ", CPU time")[kind]
        print(f"{slow} / {fast}{what}: {statistics.median(found):.1f} ({found[0]:.1f} to {found[-1]:.1f})", flush=True)
    apart = difference(some)
    beyond, table_mb = memory(many), many.memory_usage(deep=True).sum() / 1e6
    print(f"memory beyond the table of {table_mb:.0f} MB: {beyond:.1f} MB; largest relative difference: {apart:.1e}")
    return {
        **{f"cells_vs_formula{key}": statistics.median(found) for key, found in ratios.items()},
        "cells_memory_mb": beyond,
        "cells_difference": apart,
    }
