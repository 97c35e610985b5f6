"""S_robust of XIMAGENET-12 (arXiv 2310.08182): formula, parts and readings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError, unknown

About = Literal["mu", "own_mean"]
Power = Literal["variance", "std"]
Reading = Literal["poster", "class_scenario"]
Values = NDArray[np.float64]
_DEFAULTS: dict[Reading, tuple[About, Power]] = {"poster": ("mu", "variance"), "class_scenario": ("own_mean", "std")}


@dataclass(frozen=True)
class Definition:
    """The definition of S_robust in use."""

    reading: Reading
    about: About
    power: Power

    @classmethod
    def of(cls, reading: Reading, about: About | None, power: Power | None) -> Definition:
        """Validate the public arguments; None takes the reading's default."""
        if reading not in _DEFAULTS:
            raise unknown("`reading` of S_robust", reading, _DEFAULTS)
        about, power = about or _DEFAULTS[reading][0], power or _DEFAULTS[reading][1]
        if about not in ("mu", "own_mean"):
            raise unknown("reading `about`", about, ("mu", "own_mean"))
        if power not in ("variance", "std"):
            raise unknown("reading `power`", power, ("variance", "std"))
        return cls(reading, about, power)

    def variance(self, values_BK: Values, mu_B: Values) -> Values:
        """Return the mean square of each row about μ, or about the row's own mean; shape (B,)."""
        centre_B = mu_B if self.about == "mu" else values_BK.mean(axis=1)
        variance_B: Values = ((values_BK - centre_B[:, None]) ** 2).mean(axis=1)
        return variance_B

    def term(self, variance_B: Values) -> Values:
        """Return variances, or their roots."""
        return np.sqrt(variance_B) if self.power == "std" else variance_B

    def value(self, cross_B: Values, inner_B: Values) -> Values:
        """Return S_robust of its two variances."""
        return 1 - (self.term(cross_B) + self.term(inner_B))


@dataclass(frozen=True)
class SRobust:
    """S_robust with its parts.

    Args:
        sigma2_cross: σ²_cross; in the reading `class_scenario` the variance over scenarios, σe².
        sigma2_inner: σ²_inner; in the reading `class_scenario` the variance over classes, σi².
        mu: accuracy trained and tested on the original; None if it was not needed.
        n: number of scenarios.
        reading: `poster` or `class_scenario`.
        about: centre of the squares.
        power: whether the variances or their roots are summed.
    """

    sigma2_cross: float
    sigma2_inner: float
    mu: float | None
    n: int
    reading: Reading
    about: About
    power: Power

    @property
    def value(self) -> float:
        """1 − (σ²_cross + σ²_inner), or 1 − (σ_cross + σ_inner)."""
        cross, inner = np.array([self.sigma2_cross]), np.array([self.sigma2_inner])
        return float(Definition(self.reading, self.about, self.power).value(cross, inner)[0])


def s_robust(
    cross: Mapping[str, float],
    inner: Mapping[str, float],
    mu: float | None,
    about: About = "mu",
    power: Power = "variance",
    model: str = "",
) -> SRobust:
    """Compute S_robust as the poster of XIMAGENET-12 (arXiv 2310.08182) defines it.

        σ²_cross = (1/n) Σ_i (C(i) − μ)²    σ²_inner = (1/n) Σ_i (C'(i) − μ)²    S_robust = 1 − (σ²_cross + σ²_inner)

    Both sums exclude the original. The maximum is 1; it is not bounded below by 0 (−1 at μ = 1 and accuracies 0);
    accuracy above μ is penalised like accuracy below; chance everywhere scores 1; the reading changes the winner of the
    published Table 1. Report the parts and the plain drops beside it.

    Args:
        cross: C(i) by scenario, 0 … 1: trained on the original, tested on scenario i.
        inner: C'(i), 0 … 1: trained and tested on scenario i; the same scenarios.
        mu: μ, 0 … 1: trained and tested on the original.
        about: squares are about `mu`, or about each half's `own_mean`.
        power: `variance`, or `std`: roots are summed, as in the paper's summary.
        model: name for error messages.

    Raises:
        ConfigError: μ, a C(i) or a C'(i) is missing or no fraction, or an unknown reading.

    >>> result = s_robust({"grey": 0.9, "segmented": 0.6}, {"grey": 0.9, "segmented": 0.8}, mu=0.95)
    >>> round(result.sigma2_cross, 4), round(result.sigma2_inner, 4), round(result.value, 4)
    (0.0625, 0.0125, 0.925)
    """
    definition = Definition.of("poster", about, power)
    check_halves(cross, inner, mu, model)
    centre = np.array([mu], np.float64)
    sigma2_cross, sigma2_inner = (
        float(definition.variance(np.array([[*half.values()]]), centre)[0]) for half in (cross, inner)
    )
    return SRobust(sigma2_cross, sigma2_inner, float(centre[0]), len(cross), "poster", about, power)


def s_robust_by_class(
    accuracies: Mapping[tuple[str, str], float],
    mu: float | None = None,
    about: About = "own_mean",
    power: Power = "std",
    model: str = "",
) -> SRobust:
    """Compute the reading `class_scenario`, from the paper's summary; it needs no training within scenarios.

        S = 1 − (σi + σe)

    σe: over scenarios, of the mean accuracy of each (classes have equal weight); σi: over classes, of the mean accuracy
    of each (scenarios have equal weight). Both exclude the original.

    Args:
        accuracies: by (scenario, class), 0 … 1, every class in every scenario.
        mu: accuracy on the original; needed if the squares are about it.
        about: squares are about the `own_mean` of scenarios (and classes), or about `mu`.
        power: `std`, or `variance`: σi² and σe² are summed.
        model: name for error messages.

    Raises:
        ConfigError: a cell (or μ) is missing or no fraction, or an unknown reading.

    >>> cells = {("grey", "fox"): 0.9, ("grey", "cello"): 0.7, ("blur", "fox"): 0.5, ("blur", "cello"): 0.3}
    >>> round(s_robust_by_class(cells).value, 6)  # grey 0.8, blur 0.4: σe = 0.2; fox 0.7, cello 0.5: σi = 0.1
    0.7
    """
    definition = Definition.of("class_scenario", about, power)
    scenarios = list(dict.fromkeys(scenario for scenario, _ in accuracies))
    classes = list(dict.fromkeys(category for _, category in accuracies))
    cells = {(s, c): accuracies.get((s, c)) for s in scenarios for c in classes}
    named = {f"the accuracy on scenario {s!r}, class {c!r}": value for (s, c), value in cells.items()}
    _check_cells(({"mu, the accuracy on the original": mu} if about == "mu" else {}) | named, model)
    if not cells:
        raise ConfigError(f"{_prefix(model)}S_robust needs at least one scenario beside the original")
    centre = np.array([math.nan if mu is None else mu])
    cell_SC = np.array([*cells.values()], np.float64).reshape(len(scenarios), len(classes))
    over_scenarios, over_classes = (
        float(definition.variance(cell_SC.mean(axis=axis)[None], centre)[0]) for axis in (1, 0)
    )
    return SRobust(over_scenarios, over_classes, mu, len(scenarios), "class_scenario", about, power)


def cross_term(
    accuracies: Mapping[str, float], mu: float | None, about: About = "mu", power: Power = "variance"
) -> float:
    """Compute the cross term of S_robust (XIMAGENET-12, arXiv 2310.08182), the half that needs no training.

        σ²_cross = (1/n) Σ_i (C(i) − μ)²

    C(i): accuracy on scenario i of a model trained on the original; μ: its accuracy on the original. The minimum is 0;
    scenarios that are *better* than the original are penalised like those that are worse; chance everywhere scores a
    perfect 0; with few images it is biased upwards, by about the mean variance of the drops.

    Args:
        accuracies: C(i) by scenario, 0 … 1, without the original.
        mu: μ, 0 … 1.
        about: squares are about `mu` (the poster), or about the scenarios' `own_mean`.
        power: `variance`, or `std`, its square root, as in the paper's summary.

    Raises:
        ConfigError: μ or a C(i) is missing, or an unknown reading.

    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95), 4)
    0.2125
    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95, about="own_mean"), 4)
    0.09
    """
    definition = Definition.of("poster", about, power)
    if mu is None or math.isnan(mu):
        raise ConfigError("the cross term needs mu, the accuracy on the original: it is missing")
    missing = sorted(scenario for scenario, accuracy in accuracies.items() if math.isnan(accuracy))
    if missing or not accuracies:
        raise ConfigError(f"the cross term needs the accuracy on {', '.join(missing) or 'at least one scenario'}")
    return float(definition.term(definition.variance(np.array([[*accuracies.values()]]), np.array([mu])))[0])


def check_halves(
    cross: Mapping[str, float] | None, inner: Mapping[str, float] | None, mu: float | None, model: str
) -> None:
    """Check that all cells are present and fractions; None skips a half."""
    cells: dict[str, float | None] = {"mu, the accuracy trained and tested on the original": mu}
    for scenario in sorted({*(cross or ()), *(inner or ())}):
        if cross is not None:
            cells[f"C({scenario}), trained on the original and tested on {scenario!r}"] = cross.get(scenario)
        if inner is not None:
            cells[f"C'({scenario}), trained and tested on {scenario!r}"] = inner.get(scenario)
    _check_cells(cells, model)
    if len(cells) == 1:
        raise ConfigError(f"{_prefix(model)}S_robust needs at least one scenario beside the original")


def _check_cells(cells: Mapping[str, float | None], model: str) -> None:
    if missing := [name for name, value in cells.items() if value is None or math.isnan(value)]:
        more = f" (and {len(missing) - 1} more cells)" if len(missing) > 1 else ""
        raise ConfigError(f"{_prefix(model)}S_robust needs {missing[0]}: it is missing{more}")
    for name, value in cells.items():
        if value is not None and not 0 <= value <= 1:
            raise ConfigError(f"{_prefix(model)}{name}, is {value:g}: an accuracy is a fraction, 0 … 1")


def _prefix(model: str) -> str:
    return f"model {model!r}: " if model else ""
