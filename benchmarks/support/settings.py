"""Settings in which intervals are tried: true drops, and how verdicts hang together (see `intervals.py`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

Values = NDArray[np.float64]
FRESH_SEED, FEW_SEED, ACCURACIES_SEED, RATIOS_SEED, CLASSES_SEED = (
    20_261_130,
    20_261_201,
    20_261_202,
    20_261_203,
    20_261_205,
)


@dataclass(frozen=True)
class Setting:
    """A model and its photographs.

    A verdict is right where √shared · ease of the photograph + √(1 − shared) · chance exceeds what the true accuracy
    needs: photographs are easy or hard in all scenarios, variants and both halves.

    Args:
        name: of the pattern of drops.
        drops_Hn: true drops in n scenarios of H halves (trained on the original, trained within), shape (H, n).
        photographs: their number N.
        mu: true accuracy on the original.
        shared: correlation of what decides two verdicts on a photograph.
        variants: images of each photograph in a scenario; the original has one.
        categories: photographs are of so many categories in turn; 0: no categories.
        spread: true accuracies of categories are from mu − spread to mu + spread.
        kept: shares of the easier and the harder half of photographs that are kept in each scenario.
    """

    name: str
    drops_Hn: Values
    photographs: int
    mu: float = 0.92
    shared: float = 0.75
    variants: int = 1
    categories: int = 0
    spread: float = 0.0
    kept: tuple[float, float] = (1.0, 1.0)

    def __str__(self) -> str:
        of_categories = f" of {self.categories} categories ± {self.spread:.2f}" if self.categories else ""
        return (
            f"{self.name}, {self.drops_Hn.shape[1]} scenarios × {self.variants}, {self.photographs} photographs"
            f"{of_categories}, original {self.mu:.2f}, shared {self.shared:.2f}"
        )

    @property
    def cells(self) -> pd.MultiIndex:
        """Model, training, scenario (and category) of each accuracy: the original, then each half's scenarios."""
        names = [f"s{k:02}" for k in range(self.drops_Hn.shape[1])]
        cells = [("original", "original"), *(("original", name) for name in names), *((name, name) for name in names)]
        categories = [(f"c{c:02}",) for c in range(self.categories)] or [()]
        used = cells[: 1 + self.drops_Hn.size]
        return pd.MultiIndex.from_tuples([("m", *cell, *category) for cell in used for category in categories])

    @property
    def accuracies_CK(self) -> Values:
        """True accuracies, by category (a single one if there are none) and cell."""
        offset_C = np.linspace(-self.spread, self.spread, self.categories) if self.categories else np.zeros(1)
        return self.mu - np.concatenate([[0.0], self.drops_Hn.ravel()]) + offset_C[:, None]

    def ease(self, simulations: int, generator: np.random.Generator) -> Values:
        """Draw the ease of each photograph, shape (N, S)."""
        return generator.standard_normal((self.photographs, simulations))

    def simulated(self, ease_NS: Values, generator: np.random.Generator) -> Values:
        """Return accuracies of photographs over their variants, shape (N, S, K); NaN for what was refused."""
        needed_CK = -ndtri(self.accuracies_CK)
        needed_N1K = needed_CK[np.arange(self.photographs) % len(needed_CK), None]
        shape = (*ease_NS.shape, needed_CK.shape[1])
        accuracy_NSK = np.zeros(shape)
        for _ in range(self.variants):
            chance_NSK = np.sqrt(1 - self.shared) * generator.standard_normal(shape)
            verdict_NSK = np.sqrt(self.shared) * ease_NS[..., None] + chance_NSK > needed_N1K
            accuracy_NSK += verdict_NSK / self.variants
        accuracy_NSK[..., 0] = verdict_NSK[..., 0]
        if self.kept != (1.0, 1.0):
            n_halves, n_scenarios = self.drops_Hn.shape
            kept_NS1 = np.where(ease_NS > 0, *self.kept)[..., None]
            refused_NSn = generator.random((*ease_NS.shape, n_scenarios)) >= kept_NS1
            accuracy_NSK[..., 1:][np.tile(refused_NSn, n_halves)] = np.nan
        return accuracy_NSK


def published() -> list[Setting]:
    """Return 42 settings: seven patterns of drops in 8 scenarios, 1 and 3 variants, 60, 139 and 1,000 photographs."""
    ramp_n = np.linspace(-0.02, 0.4, 8)
    patterns = {
        "0 points": np.zeros((2, 8)),
        "0 to 2 points": np.tile(np.linspace(0, 0.02, 8), (2, 1)),
        "2 points": np.full((2, 8), 0.02),
        "10 points": np.full((2, 8), 0.1),
        "40 points": np.full((2, 8), 0.4),
        "60 points in one scenario": np.tile([0.6] + [0.0] * 7, (2, 1)),
        "-2 to 40 points, half of it within": np.stack([ramp_n, ramp_n / 2]),
    }
    return [
        Setting(name, drops_Hn, photographs, variants=variants)
        for name, drops_Hn in patterns.items()
        for variants in (1, 3)
        for photographs in (60, 139, 1000)
    ]


def fresh(count: int = 40, seed: int = FRESH_SEED) -> list[Setting]:
    """Draw settings of eight patterns in turn; nothing was chosen by them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    patterns: dict[str, Callable[[int], Values]] = {
        "no drop": lambda n: np.zeros(n),
        "equal, small": lambda n: np.full(n, generator.uniform(0.005, 0.03)),
        "ramp": lambda n: np.linspace(0, generator.uniform(0.02, 0.3), n),
        "equal": lambda n: np.full(n, generator.uniform(0.05, 0.2)),
        "equal, large": lambda n: np.full(n, generator.uniform(0.2, 0.45)),
        "one scenario": lambda n: np.eye(n)[0] * generator.uniform(0.2, 0.6),
        "gains and drops": lambda n: np.linspace(-0.04, generator.uniform(0.05, 0.3), n),
        "random": lambda n: np.minimum(0.5, generator.exponential(0.05, n)),
    }
    result = []
    for k in range(count):
        name = [*patterns][k % len(patterns)]
        drops_n = patterns[name](int(generator.integers(3, 21)))
        photographs = round(float(np.exp(generator.uniform(np.log(60), np.log(1000)))))
        mu, shared = generator.uniform(0.6, 0.95), generator.uniform(0.5, 0.9)
        drops_Hn = np.stack([drops_n, drops_n * generator.choice([0.5, 1.0])])
        result.append(Setting(name, drops_Hn, photographs, float(mu), float(shared), int(generator.integers(1, 5))))
    return result


def fresh_classes(count: int = 24, seed: int = CLASSES_SEED) -> list[Setting]:
    """Draw settings of up to 8 scenarios, 2 to 12 categories and 5 to 30 photographs of each, without an inner half."""
    generator, result = np.random.Generator(np.random.PCG64(seed)), []
    for setting in fresh(count, seed):
        categories, spread = int(generator.integers(2, 13)), float(generator.choice([0.0, generator.uniform(0, 0.15)]))
        photographs = categories * int(generator.integers(5, 31))
        drops_Hn, mu = setting.drops_Hn[:1, :8], min(setting.mu, 0.8)
        result.append(
            replace(setting, drops_Hn=drops_Hn, photographs=photographs, mu=mu, categories=categories, spread=spread)
        )
    return result


def few_changes() -> list[Setting]:
    """Return settings in which few verdicts change: few photographs, few scenarios, small drops, a good model."""
    return [
        Setting(f"{100 * drop:g} points", np.full((2, n), drop), photographs, mu, 0.95, variants)
        for mu, variants in ((0.92, 3), (0.99, 1))
        for photographs in (20, 30, 60)
        for n in (1, 2, 3, 8)
        for drop in (0.005, 0.01, 0.02)
    ]


def fresh_few_changes(count: int = 40, seed: int = FEW_SEED) -> list[Setting]:
    """Draw settings in which few verdicts change; nothing was chosen by them."""
    generator = np.random.Generator(np.random.PCG64(seed))
    result = []
    for k in range(count):
        n, drop = int(generator.integers(1, 21)), generator.uniform(0.002, 0.06)
        name = ("equal", "one scenario", "ramp")[k % 3]
        drops_n = {"equal": np.full(n, drop), "one scenario": drop * np.eye(n)[0], "ramp": np.linspace(drop, 0, n)}[
            name
        ]
        drops_Hn = np.stack([drops_n, drops_n * generator.choice([0.0, 0.5, 1.0])])
        photographs, mu = int(generator.integers(15, 100)), generator.uniform(0.9, 0.995)
        shared, variants = generator.uniform(0.85, 1.0), int(generator.choice([1, 1, 2, 3]))
        result.append(Setting(f"{name}, {100 * drop:.1f} points", drops_Hn, photographs, mu, shared, variants))
    return result


def drawn_accuracies(count: int = 60, seed: int = ACCURACIES_SEED) -> list[Setting]:
    """Draw single scenarios of one to five variants; every other one has 2 to 10 wrong photographs on average."""
    generator, result = np.random.Generator(np.random.PCG64(seed)), []
    for k in range(count):
        photographs = round(float(np.exp(generator.uniform(np.log(20), np.log(1000)))))
        wrong, mu = generator.uniform(2, 10), generator.uniform(0.3, min(0.95, 1 - 2 / photographs))
        name, mu = ("few wrong", 1 - min(0.5, wrong / photographs)) if k % 2 else ("any", mu)
        result.append(
            Setting(name, np.zeros((1, 1)), photographs, float(mu), float(generator.uniform(0.3, 0.98)), 1 + k // 2 % 5)
        )
    return result


def drawn_pairs(count: int = 40, seed: int = RATIOS_SEED) -> list[Setting]:
    """Draw pairs of scenarios whose accuracies are equal, nearly equal, or different, from low to high."""
    generator, result = np.random.Generator(np.random.PCG64(seed)), []
    for k in range(count):
        second = generator.uniform(0.1, 0.6) if k % 2 else generator.uniform(0.6, 0.99)
        losses = {"equal": 0.0, "nearly equal": generator.uniform(0, 0.05), "different": generator.uniform(-0.1, 0.5)}
        name = [*losses][k % 3]
        first = float(np.clip(second - losses[name], 0.02, 0.99))
        photographs = round(float(np.exp(generator.uniform(np.log(15), np.log(400)))))
        drops_Hn, shared = np.array([[second - first, 0.0]]), generator.uniform(0.3, 0.99)
        result.append(Setting(name, drops_Hn, photographs, float(second), float(shared), int(generator.integers(1, 4))))
    return result


def drawn_grids(count: int = 24, seed: int = RATIOS_SEED + 1) -> list[Setting]:
    """Draw nine scenarios, the cells of a map, whose accuracies are equal, random, or lower in one or around."""
    generator, result = np.random.Generator(np.random.PCG64(seed)), []
    around = np.arange(9) != 4
    for k in range(count):
        patterns = {
            "equal cells": np.zeros(9),
            "random cells": generator.exponential(0.08, 9) * around,
            "one cell": np.eye(9)[0] * generator.uniform(0.02, 0.4),
            "all around": around * generator.uniform(0.01, 0.3),
        }
        name, mu = [*patterns][k % 4], generator.uniform(0.5, 0.98)
        drops_Hn = np.minimum(patterns[name], mu - 0.02)[None]
        photographs = round(float(np.exp(generator.uniform(np.log(15), np.log(300)))))
        shared = generator.uniform(0.3, 0.98)
        result.append(Setting(name, drops_Hn, photographs, float(mu), float(shared), int(generator.integers(1, 4))))
    return result


def drawn_curves(count: int = 24, seed: int = RATIOS_SEED + 2) -> list[Setting]:
    """Draw five scenarios, the levels of a curve, whose accuracies are equal or fall; half of the models are good."""
    generator, result = np.random.Generator(np.random.PCG64(seed)), []
    for k in range(count):
        mu = generator.uniform(0.9, 0.99) if k % 2 else generator.uniform(0.6, 0.9)
        name, loss = ("equal levels", 0.0) if k % 4 < 2 else ("falling", generator.uniform(0.02, 0.5))
        drops_Hn, shared = np.linspace(0, loss, 5)[None], generator.uniform(0.3, 0.98)
        photographs = round(float(np.exp(generator.uniform(np.log(15), np.log(300)))))
        result.append(Setting(name, drops_Hn, photographs, float(mu), float(shared), int(generator.integers(1, 3))))
    return result
