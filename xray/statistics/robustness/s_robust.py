"""S_robust of XIMAGENET-12 (arXiv 2310.08182) from accuracies: the formula, its parts, and its readings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import XrayError, unknown

About = Literal["mu", "own_mean"]
Power = Literal["variance", "std"]
Reading = Literal["poster", "class_scenario"]
Values = NDArray[np.float64]
READINGS: dict[Reading, tuple[About, Power]] = {"poster": ("mu", "variance"), "class_scenario": ("own_mean", "std")}
"""What each reading is about, and which power it takes, unless the caller says otherwise."""


@dataclass(frozen=True)
class SRobust:
    """S_robust with all that it rests on.

    Args:
        sigma2_cross: σ²_cross; in the reading `class_scenario` that over scenarios, σe².
        sigma2_inner: σ²_inner; in the reading `class_scenario` that over classes, σi².
        mu: accuracy trained and tested on the original; None where it was not needed.
        n: number of scenarios.
        reading: `poster` or `class_scenario`.
        about: what the squares are about.
        power: of the parts in the sum: the variances, or their roots.
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
        return float(one_minus(cross, inner, self.power)[0])


def s_robust(
    cross: Mapping[str, float],
    inner: Mapping[str, float],
    mu: float | None,
    about: About = "mu",
    power: Power = "variance",
    model: str = "",
) -> SRobust:
    """S_robust as the poster of XIMAGENET-12 (arXiv 2310.08182) defines it.

        σ²_cross = (1/n) Σ_i (C(i) − μ)²    σ²_inner = (1/n) Σ_i (C'(i) − μ)²    S_robust = 1 − (σ²_cross + σ²_inner)

    The original itself would add 0 to both sums and is no part of them. Properties: 1 at best, not bounded below by 0
    (−1 at μ = 1 and accuracies 0); accuracy above μ is punished like accuracy below; chance everywhere scores 1; the
    reading changes the winner of the published Table 1. So print the parts, and the plain drops beside them.

    Args:
        cross: C(i) by scenario, 0 … 1: trained on the original, tested on scenario i.
        inner: C'(i), 0 … 1: trained and tested on scenario i; of the same scenarios.
        mu: μ, 0 … 1: trained and tested on the original; measured, never assumed.
        about: the squares are about `mu`, or about each half's `own_mean`.
        power: `variance`, or `std`: the roots are summed, as the paper's summary has it.
        model: for error messages.

    Raises:
        XrayError: μ, a C(i) or a C'(i) is missing or no fraction (model and cell are named), or no such reading.

    >>> found = s_robust({"grey": 0.9, "segmented": 0.6}, {"grey": 0.9, "segmented": 0.8}, mu=0.95)
    >>> round(found.sigma2_cross, 4), round(found.sigma2_inner, 4), round(found.value, 4)
    (0.0625, 0.0125, 0.925)
    """
    check_reading(about, power)
    check_halves(cross, inner, mu, model)
    centre = np.array([mu], np.float64)
    halves = [spread(np.array([list(half.values())]), centre, about) for half in (cross, inner)]
    return SRobust(float(halves[0][0]), float(halves[1][0]), float(centre[0]), len(cross), "poster", about, power)


def s_robust_by_class(
    accuracies: Mapping[tuple[str, str], float],
    mu: float | None = None,
    about: About = "own_mean",
    power: Power = "std",
    model: str = "",
) -> SRobust:
    """The reading `class_scenario`: what the paper's summary writes, which needs no training within scenarios.

        S = 1 − (σi + σe)

    σe: over scenarios, of the mean accuracy of each (all classes count alike); σi: over classes, of the mean accuracy
    of each (all scenarios count alike). The original is no part of either, as in `s_robust`.

    Args:
        accuracies: by (scenario, class), 0 … 1, every class in every scenario.
        mu: accuracy on the original; needed where the squares are about it.
        about: the squares are about the scenarios' (and classes') `own_mean`, or about `mu`.
        power: `std`, or `variance`: σi² and σe² are summed.
        model: for error messages.

    Raises:
        XrayError: a cell (or μ) is missing or no fraction; model and cell are named; or no such reading.

    >>> cells = {("grey", "fox"): 0.9, ("grey", "cello"): 0.7, ("blur", "fox"): 0.5, ("blur", "cello"): 0.3}
    >>> found = s_robust_by_class(cells)  # grey 0.8, blur 0.4: σe = 0.2; fox 0.7, cello 0.5: σi = 0.1
    >>> round(found.value, 6)
    0.7
    """
    check_reading(about, power)
    scenarios = list(dict.fromkeys(scenario for scenario, _ in accuracies))
    classes = list(dict.fromkeys(category for _, category in accuracies))
    wanted = {(s, c): accuracies.get((s, c)) for s in scenarios for c in classes}
    cells = {f"the accuracy on scenario {s!r}, class {c!r}": value for (s, c), value in wanted.items()}
    _check_cells(({"mu, the accuracy on the original": mu} if about == "mu" else {}) | cells, model)
    if not cells:
        raise XrayError(f"{_of(model)}S_robust needs at least one scenario beside the original")
    centre = np.array([math.nan if mu is None else mu])
    cell_SC = np.array(list(wanted.values()), np.float64).reshape(len(scenarios), len(classes))
    scenario, category = (float(spread(cell_SC.mean(axis=axis)[None], centre, about)[0]) for axis in (1, 0))
    return SRobust(scenario, category, mu, len(scenarios), "class_scenario", about, power)


def cross_term(
    accuracies: Mapping[str, float], mu: float | None, about: About = "mu", power: Power = "variance"
) -> float:
    """The cross term of S_robust (XIMAGENET-12, arXiv 2310.08182), the half that needs no training.

        σ²_cross = (1/n) Σ_i (C(i) − μ)²

    C(i): accuracy on scenario i of a model trained on the original; μ: its accuracy on the original; n: scenarios
    other than the original. S_robust = 1 − (σ²_cross + σ²_inner). Properties: 0 at best; scenarios in which the model
    is *better* than on the original are punished like those in which it is worse; a model at chance everywhere scores
    a perfect 0; estimated from few images it is biased upwards, by about the mean variance of the drops.

    Args:
        accuracies: C(i) by scenario, 0 … 1, without the original.
        mu: μ, 0 … 1; measured, never assumed.
        about: the reading: squares about `mu` (the poster), or about the scenarios' `own_mean`.
        power: `variance`, or `std`, its square root, as the paper's summary has it.

    Raises:
        XrayError: μ or a C(i) is missing, or no such reading.

    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95), 4)
    0.2125
    >>> round(cross_term({"blur_background": 0.90, "random_background": 0.30}, mu=0.95, about="own_mean"), 4)
    0.09
    """
    check_reading(about, power)
    if mu is None or math.isnan(mu):
        raise XrayError("the cross term needs mu, the accuracy on the original: it is missing")
    missing = sorted(scenario for scenario, accuracy in accuracies.items() if math.isnan(accuracy))
    if missing or not accuracies:
        raise XrayError(f"the cross term needs the accuracy on {', '.join(missing) or 'at least one scenario'}")
    variance = float(spread(np.array([list(accuracies.values())]), np.array([mu]), about)[0])
    return math.sqrt(variance) if power == "std" else variance


def check_reading(about: str, power: str) -> None:
    """Look whether there is a reading of that name.

    Raises:
        XrayError: there is none.
    """
    if about not in ("mu", "own_mean"):
        raise unknown("reading `about`", about, ("mu", "own_mean"))
    if power not in ("variance", "std"):
        raise unknown("reading `power`", power, ("variance", "std"))


def checked_reading(reading: Reading, about: About | None, power: Power | None) -> tuple[About, Power]:
    """What the squares are about, and the power; as the reading has them where they are None.

    Raises:
        XrayError: no such reading.
    """
    if reading not in READINGS:
        raise unknown("`reading` of S_robust", reading, READINGS)
    about, power = about or READINGS[reading][0], power or READINGS[reading][1]
    check_reading(about, power)
    return about, power


def spread(values_BK: Values, mu_B: Values, about: About) -> Values:
    """Mean squares of each row about μ, or about the row's own mean; shape (B,)."""
    centre_B = mu_B if about == "mu" else values_BK.mean(axis=1)
    variance_B: Values = ((values_BK - centre_B[:, None]) ** 2).mean(axis=1)
    return variance_B


def one_minus(cross_B: Values, inner_B: Values, power: Power) -> Values:
    """S_robust of its parts, which are variances."""
    return 1 - (np.sqrt(cross_B) + np.sqrt(inner_B)) if power == "std" else 1 - (cross_B + inner_B)


def check_halves(
    cross: Mapping[str, float] | None, inner: Mapping[str, float] | None, mu: float | None, model: str
) -> None:
    """Look whether all cells are there and fractions; a half that is None is not asked for.

    Raises:
        XrayError: one is not; model and cell are named.
    """
    cells: dict[str, float | None] = {"mu, the accuracy trained and tested on the original": mu}
    for scenario in sorted({*(cross or ()), *(inner or ())}):
        if cross is not None:
            cells[f"C({scenario}), trained on the original and tested on {scenario!r}"] = cross.get(scenario)
        if inner is not None:
            cells[f"C'({scenario}), trained and tested on {scenario!r}"] = inner.get(scenario)
    _check_cells(cells, model)
    if len(cells) == 1:
        raise XrayError(f"{_of(model)}S_robust needs at least one scenario beside the original")


def _check_cells(cells: Mapping[str, float | None], model: str) -> None:
    if missing := [name for name, value in cells.items() if value is None or math.isnan(value)]:
        more = f" (and {len(missing) - 1} more cells)" if len(missing) > 1 else ""
        raise XrayError(f"{_of(model)}S_robust needs {missing[0]}: it is missing{more}")
    for name, value in cells.items():
        if value is not None and not 0 <= value <= 1:
            raise XrayError(f"{_of(model)}{name}, is {value:g}: an accuracy is a fraction, 0 … 1")


def _of(model: str) -> str:
    return f"model {model!r}: " if model else ""
