"""Regressions printed in XIMAGENET-12 (arXiv 2310.08182), and tables of accuracies whose exact fits they are.

    printed(name) -> DataFrame of text    what stands in print: "fig9", "ex1" (the same fit, compared with ResNet50), "ex3"
    fig9_table(), ex3_table() -> DataFrame    model, scenario, class, accuracy: one row a cell, accuracies in [0, 1]
    FIG9_REFERENCE, EX1_REFERENCE, EX3_REFERENCE    what is compared with

Printed coefficients are rounded to four digits. The accuracies behind them had two decimals: a coefficient of a factor
with L levels is a difference of two means of N/L of them, so a multiple of L/(100 N), and in print four digits tell which.
The residual standard deviations are those with which all printed errors, limits, t and P values round as printed:
0.1061545 to 0.1061550 for Fig. 9, 0.1290702 to 0.1290723 for EX3.
"""

from pathlib import Path

import numpy as np
import pandas as pd

FACTORS = ["model", "scenario", "class"]
FIG9_REFERENCE = {"model": "EfficientNetB0", "scenario": "Original", "class": "0"}
EX1_REFERENCE = FIG9_REFERENCE | {"model": "ResNet50 Best Weight"}
EX3_REFERENCE = {"model": "not named", "scenario": "Original", "class": "0"}
FIG9_SD = 0.1061548
EX3_SD = 0.129071


def printed(name):
    file = Path(__file__).parent / "published" / f"{name}.csv"
    return pd.read_csv(file, dtype=str, comment="#", keep_default_na=False)


def fig9_table(seed=0):
    return _table(printed("fig9"), FIG9_REFERENCE, FIG9_SD, seed)


def ex3_table(seed=0):
    return _table(printed("ex3"), EX3_REFERENCE, EX3_SD, seed)


def _table(rows, reference, sd, seed):
    levels = [[reference[name], *rows.loc[rows["factor"] == name, "level"]] for name in FACTORS]
    shape = [len(names) for names in levels]
    n, parameters = np.prod(shape), sum(shape) - len(shape) + 1
    effects = [_unrounded(rows, name, len(names) / (100 * n)) for name, names in zip(FACTORS, levels, strict=True)]
    additive = effects[0][:, None, None] + effects[1][:, None] + effects[2]
    mean = np.round((float(rows["estimate"][0]) + additive.mean()) * 100 * n) / (100 * n)
    fitted = additive - additive.mean() + mean
    accuracy = fitted + _residuals(fitted, sd**2 * (n - parameters), seed)
    cells = pd.MultiIndex.from_product(levels, names=FACTORS)
    return pd.DataFrame({"accuracy": accuracy.ravel()}, cells).reset_index()


def _unrounded(rows, factor, step):
    """Effects of a factor's levels, the reference's first."""
    estimates = rows.loc[rows["factor"] == factor, "estimate"].astype(float)
    return np.append(0.0, np.round(estimates / step) * step)


def _residuals(fitted, sum_of_squares, seed):
    """Orthogonal to the intercept and all factors, of that sum of squares, and such that accuracies stay in [0, 1]."""
    residual = np.random.Generator(np.random.PCG64(seed)).normal(size=fitted.shape)
    for _ in range(1000):
        residual = residual - residual.mean()
        for axes in ((1, 2), (0, 2), (0, 1)):
            residual = residual - residual.mean(axes, keepdims=True)
        residual *= np.sqrt(sum_of_squares / (residual**2).sum())
        if (fitted + residual).min() >= 0 and (fitted + residual).max() <= 1:
            return residual
        residual = np.clip(fitted + residual, 0.005, 0.995) - fitted
    raise AssertionError("no such residuals were found")
