"""How often intervals of S_robust hold the truth: modes of `intervals.py`.

Each mode prints its numbered settings and returns figures of those it has tried.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from support.coverage import POSTER, Method, Result, Simulation, measured
from support.coverage import differences as difference_coverage
from support.part import Figures, Part
from support.settings import Setting, few_changes, fresh, fresh_classes, fresh_few_changes, published
from support.trainings import Trainings
from xray.statistics.robustness.s_robust import Definition

BY_CLASS = Definition("class_scenario", "own_mean", "std")
READINGS = [Definition("poster", *pair) for pair in itertools.product(("mu", "own_mean"), ("variance", "std"))]
METHODS: tuple[Method, ...] = ("shift", "bare", "bca", "percentile")
LEAST, MEDIAN, BIAS = 0.91, 0.94, 0.0003


def s_robust(part: Part) -> Figures:
    """Coverage of S_robust, and its bias."""
    results = tried(map(Simulation, published()), METHODS, part)
    figures = summary("published", results)
    if part.first:  # the bias is that of the first setting
        return figures
    bias = float(results[0].truth - results[0].debiased.mean())
    error = float(results[0].debiased.std() / np.sqrt(len(results[0].debiased)))
    plug_in = float(results[0].truth - results[0].plug_in.mean())
    print(f"bias at no drop, 60 photographs: {bias:+.5f} ± {error:.5f}, plug-in {plug_in:+.5f}")
    return figures | {"bias": bias, "bias_reached": abs(bias) <= BIAS + 2 * error, "bias_of_plug_in": plug_in}


def s_robust_drawn(part: Part) -> Figures:
    """Coverage of S_robust in settings that nothing was chosen by."""
    return summary("fresh", tried(map(Simulation, fresh()), METHODS, part))


def few(part: Part) -> Figures:
    """Coverage of S_robust where few verdicts change."""
    return summary("few", tried(map(Simulation, few_changes()), ("shift", "bare"), part))


def few_drawn(part: Part) -> Figures:
    """Coverage of S_robust where few verdicts change, in four readings, in settings that nothing was chosen by."""
    simulations = [
        Simulation(setting, definition)
        for definition in READINGS
        for setting in fresh_few_changes()
        if setting.drops_Hn.shape[1] > (definition.about == "own_mean")  # a mean of one scenario leaves no deviation
    ]
    return by_reading("few_fresh_", tried(simulations, ("shift", "bare"), part))


def readings(part: Part) -> Figures:
    """Coverage of sums of roots, and of squares about the own mean."""
    settings = [setting for setting in published() if setting.photographs < 1000]
    simulations = [Simulation(setting, definition) for definition in READINGS[1:] for setting in settings]
    return by_reading("", tried(simulations, ("shift", "percentile"), part))


def cross_term(part: Part) -> Figures:
    """Coverage of the cross half alone."""
    return summary("cross_term", tried(map(Simulation, cross_halves()), ("shift", "percentile"), part))


def class_scenario(part: Part) -> Figures:
    """Coverage of the reading `class_scenario`."""
    shapes = ((60, 3, 0.0), (60, 12, 0.1), (144, 12, 0.0), (400, 12, 0.1))
    settings = [
        dataclasses.replace(setting, mu=0.8, photographs=n, categories=categories, spread=spread)
        for n, categories, spread in shapes
        for setting in cross_halves()
        if setting.photographs == 60
    ]
    simulations = [Simulation(setting, BY_CLASS) for setting in settings]
    return summary("class_scenario", tried(simulations, ("shift", "bare", "percentile"), part))


def class_scenario_drawn(part: Part) -> Figures:
    """Coverage of the reading `class_scenario` in settings that nothing was chosen by."""
    simulations = [Simulation(setting, BY_CLASS) for setting in fresh_classes()]
    return summary("class_scenario_fresh", tried(simulations, ("shift", "bare", "percentile"), part))


def refused(part: Part) -> Figures:
    """Coverage of no loss where hard photographs are refused."""
    settings = [
        Setting("refused unevenly", np.zeros((2, n)), photographs, mu, kept=(0.95, 0.4))
        for photographs, n, mu in ((60, 8, 0.92), (200, 1, 0.75), (200, 8, 0.92), (1000, 8, 0.75))
    ]
    least = min(result.held["shift"] for result in tried(map(Simulation, settings), ("shift",), part))
    return {"refused_holds_0": least, "refused_holds_0_reached": least >= MEDIAN}


def differences(part: Part) -> Figures:
    """Coverage of differences between models."""
    cases = itertools.product(((0.0, 0.0), (0.0, 0.02), (0.02, 0.1)), (139, 400))
    held: dict[str, list[float]] = {"shift": [], "bca": []}
    for seed, (drops, photographs) in part.of(cases):
        sides = [Setting(f"{100 * drop:g} points", np.full((2, 8), drop), photographs) for drop in drops]
        found = {
            method: difference_coverage(sides[0], sides[1], method, part.runs, seed) for method in ("shift", "bca")
        }
        text = "; ".join(f"{m} {100 * share:.1f} %, width {width:.4f}" for m, (share, width) in found.items())
        print(f"{seed}: {sides[0].name} beside {sides[1].name}, {photographs} photographs: {text}", flush=True)
        for method, (share, _) in found.items():
            held[method].append(share)
    return {"differences_least": min(held["shift"]), "differences_least_bca": min(held["bca"])}


def trainings(part: Part) -> Figures:
    """Coverage of S_robust over trainings, too, with repeats and with one of each."""
    held: dict[bool, list[float]] = {False: [], True: []}
    settings = [Trainings(*one) for one in itertools.product((1, 4, 12), (1, 2, 3, 5), (0.0, 0.1, 0.4))]
    for seed, setting in part.of(settings):
        share, width, bias = setting.coverage(part.runs, seed)
        held[setting.repeats > 1].append(share)
        print(
            f"{seed}: {setting}; truth {1 - setting.truth:.4f}, bias {-bias:+.5f}: {100 * share:.1f} % ({width:.4f})",
            flush=True,
        )
    figures: Figures = {"trainings_given_networks_least": min(held[False])} if held[False] else {}
    if held[True]:
        least, median = min(held[True]), float(np.median(held[True]))
        reached = least >= LEAST - 2 * float(np.sqrt(LEAST * (1 - LEAST) / part.runs)) and median >= MEDIAN
        figures |= {"trainings_least": least, "trainings_median": median, "trainings_reached": reached}
    return figures


def cross_halves() -> list[Setting]:
    """Return the smaller of the published settings, of models that were not trained on the scenarios."""
    return [dataclasses.replace(s, drops_Hn=s.drops_Hn[:1]) for s in published() if s.photographs < 1000]


def tried(simulations: Iterable[Simulation], methods: Sequence[Method], part: Part) -> list[Result]:
    """Measure and print each setting."""
    results = []
    for number, simulation in part.of(simulations):
        result = measured(simulation, methods, part.runs, number)
        held = ", ".join(f"{m} {100 * result.held[m]:.1f} % ({result.width[m]:.4f})" for m in methods)
        bias = result.truth - result.debiased.mean()
        about = "" if simulation.definition == POSTER else f" [{' '.join(dataclasses.astuple(simulation.definition))}]"
        setting = f"{number}: {simulation.setting}{about}"
        print(f"{setting}; truth {1 - result.truth:.4f}, bias {bias:+.5f}: {held}", flush=True)
        results.append(result)
    return results


def by_reading(prefix: str, results: Sequence[Result]) -> Figures:
    """Return the figures of each reading."""
    figures: Figures = {}
    for definition in dict.fromkeys(result.definition for result in results):
        name = f"{prefix}{definition.about}_{definition.power}"
        figures |= summary(name, [result for result in results if result.definition == definition])
    return figures


def summary(name: str, results: Sequence[Result]) -> Figures:
    """Return least and median coverage of each method; `shift` is the one that is required to hold.

    The least of many settings is below its truth by chance: two Monte Carlo errors of a coverage of 91 % are allowed.
    """
    figures: Figures = {}
    for method in results[0].held:
        held = [result.held[method] for result in results]
        suffix = "" if method == "shift" else f"_{method}"
        figures |= {f"{name}_least{suffix}": min(held), f"{name}_median{suffix}": float(np.median(held))}
    error = float(np.sqrt(LEAST * (1 - LEAST) / len(results[0].plug_in)))
    least, median = figures[f"{name}_least"], figures[f"{name}_median"]
    print(
        f"{name}: {len(results)} settings, least {100 * least:.1f} ± {100 * error:.1f} %, median {100 * median:.1f} %"
    )
    return figures | {f"{name}_reached": least >= LEAST - 2 * error and median >= MEDIAN}
