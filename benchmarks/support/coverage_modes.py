"""What `intervals.py` measures: each mode prints its settings and returns figures.

`runs` is the number of simulations of a setting; of the settings, every `step`-th is tried.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

import numpy as np

from support.coverage import POSTER, Method, Result, Simulation, measured, share_held
from support.coverage import differences as difference_coverage
from support.settings import Setting, few_changes, fresh, fresh_few_changes, published
from support.shares import accuracy_coverages, clear, drop_intervals
from support.trainings import Trainings
from xray.statistics.robustness.s_robust import Definition

Figures = dict[str, float | bool]
BY_CLASS = Definition("class_scenario", "own_mean", "std")
READINGS = [Definition("poster", *pair) for pair in itertools.product(("mu", "own_mean"), ("variance", "std"))]
LEAST, MEDIAN, LEAST_DROP, BIAS = 0.91, 0.94, 0.93, 0.0003


def s_robust(runs: int, step: int) -> Figures:
    """Coverage of S_robust, and its bias."""
    figures: Figures = {}
    for name, settings in (("published", published()), ("fresh", fresh())):
        results = tried(map(Simulation, settings[::step]), ("shift", "bare", "bca", "percentile"), runs)
        figures |= summary(name, results)
        if name == "published":
            bias = float(results[0].truth - results[0].debiased.mean())
            error = float(results[0].debiased.std() / np.sqrt(len(results[0].debiased)))
            plug_in = float(results[0].truth - results[0].plug_in.mean())
            print(f"bias at no drop, 60 photographs: {bias:+.5f} ± {error:.5f}, plug-in {plug_in:+.5f}")
            figures |= {"bias": bias, "bias_reached": abs(bias) <= BIAS + 2 * error, "bias_of_plug_in": plug_in}
    return figures


def few(runs: int, step: int) -> Figures:
    """Coverage of S_robust where few verdicts change."""
    figures = summary("few", tried(map(Simulation, few_changes()[::step]), ("shift", "bare"), runs))
    for definition in READINGS:
        own_mean = definition.about == "own_mean"  # it needs two scenarios
        settings = [s for s in fresh_few_changes()[::step] if s.drops_Hn.shape[1] > own_mean]
        results = tried([Simulation(s, definition) for s in settings], ("shift", "bare"), runs)
        figures |= summary(f"few_fresh_{definition.about}_{definition.power}", results)
    return figures


def readings(runs: int, step: int) -> Figures:
    """Coverage of other readings of S_robust."""
    settings = [s for s in published() if s.photographs < 1000][::step]
    figures: Figures = {}
    for definition in READINGS[1:]:
        results = tried([Simulation(s, definition) for s in settings], ("shift", "percentile"), runs)
        figures |= summary(f"{definition.about}_{definition.power}", results)
    alone = [dataclasses.replace(s, drops_Hn=s.drops_Hn[:1]) for s in settings]
    figures |= summary("cross_term", tried(map(Simulation, alone), ("shift", "percentile"), runs))
    by_class = [
        dataclasses.replace(s, mu=0.8, photographs=n, categories=c, spread=spread)
        for s, (n, c, spread) in itertools.product(
            [s for s in alone if s.photographs == 60], [(60, 3, 0.0), (60, 12, 0.1), (144, 12, 0.0), (400, 12, 0.1)]
        )
    ]
    results = tried([Simulation(s, BY_CLASS) for s in by_class[::step]], ("shift", "bare", "percentile"), runs)
    return figures | summary("class_scenario", results)


def refused(runs: int, step: int) -> Figures:
    """Coverage of no loss where hard photographs are refused."""
    settings = [
        Setting("refused unevenly", np.zeros((2, n)), photographs, mu, kept=(0.95, 0.4))
        for photographs, n, mu in ((60, 8, 0.92), (200, 1, 0.75), (200, 8, 0.92), (1000, 8, 0.75))
    ]
    results = tried(map(Simulation, settings[::step]), ("shift",), runs)
    least = min(result.held["shift"] for result in results)
    return {"refused_holds_0": least, "refused_holds_0_reached": least >= MEDIAN}


def differences(runs: int, step: int) -> Figures:
    """Coverage of differences between models."""
    cases = itertools.product(((0.0, 0.0), (0.0, 0.02), (0.02, 0.1)), (139, 400))
    held: dict[str, list[float]] = {"shift": [], "bca": []}
    for seed, (drops, photographs) in enumerate([*cases][::step]):
        sides = [Setting(f"{100 * drop:g} points", np.full((2, 8), drop), photographs) for drop in drops]
        found = {method: difference_coverage(sides[0], sides[1], method, runs, seed) for method in ("shift", "bca")}
        text = "; ".join(f"{m} {100 * share:.1f} %, width {width:.4f}" for m, (share, width) in found.items())
        print(f"{sides[0].name} beside {sides[1].name}, {photographs} photographs: {text}", flush=True)
        for method, (share, _) in found.items():
            held[method].append(share)
    return {"differences_least": min(held["shift"]), "differences_least_bca": min(held["bca"])}


def drops(runs: int, step: int) -> Figures:
    """Coverage of drops, and false clear losses."""
    cases = itertools.product((0.95, 0.8), (60, 139, 1000), (1, 3), (0.0, 0.02, 0.1, 0.4))
    held: dict[str, list[float]] = {"Bonett-Price": [], "percentile": []}
    false: dict[str, list[float]] = {"Bonett-Price": [], "percentile": []}
    for seed, (mu, photographs, variants, drop) in enumerate([*cases][::step]):
        setting = Setting(f"{100 * drop:g} points", np.full((1, 1), drop), photographs, mu, variants=variants)
        found = drop_intervals(setting, 4 * runs, seed)
        for method, bounds_2S in found.items():
            held[method].append(share_held(bounds_2S, drop))
            if drop == 0:
                false[method].append(clear(bounds_2S))
        last = ", ".join(f"{method} {100 * shares[-1]:.1f} %" for method, shares in held.items())
        if drop == 0:
            last += "; above 0: " + ", ".join(f"{method} {100 * shares[-1]:.1f} %" for method, shares in false.items())
        print(f"{setting}: {last}", flush=True)
    least, most = min(held["Bonett-Price"]), max(false["Bonett-Price"])
    error = float(np.sqrt(0.025 * 0.975 / (4 * runs)))
    return {
        "drops_least": least,
        "drops_least_reached": least >= LEAST_DROP,
        "drops_least_percentile": min(held["percentile"]),
        "false_clear_loss": most,
        "false_clear_loss_reached": most <= 0.025 + 2 * error,
        "false_clear_loss_percentile": max(false["percentile"]),
    }


def accuracies(runs: int, step: int) -> Figures:
    """Coverage of accuracies with three variants of each photograph."""
    cases = itertools.product((0.5, 0.7, 0.85, 0.95), (60, 139, 400, 1000), (0.5, 0.75, 0.9))
    effective, rows = [], []
    for seed, (mu, photographs, shared) in enumerate([*cases][::step]):
        setting = Setting("0 points", np.zeros((1, 1)), photographs, mu, shared, variants=3)
        by_photograph, by_row = accuracy_coverages(setting, runs, 10, seed)
        print(f"{setting}: effective rows {100 * by_photograph:.1f} %, rows {100 * by_row:.1f} %", flush=True)
        effective.append(by_photograph)
        rows.append(by_row)
    reached = min(effective) >= 0.93 and max(effective) <= 0.98
    return {
        "accuracies_least": min(effective),
        "accuracies_most": max(effective),
        "accuracies_reached": reached,
        "accuracies_least_of_rows": min(rows),
    }


def trainings(runs: int, step: int) -> Figures:
    """Coverage of S_robust over trainings, too, with repeats and with one of each."""
    held: dict[bool, list[float]] = {False: [], True: []}
    settings = [Trainings(*one) for one in itertools.product((1, 4, 12), (1, 2, 3, 5), (0.0, 0.1, 0.4))]
    for seed, setting in enumerate(settings[::step]):
        share, width, bias = setting.coverage(runs, seed)
        held[setting.repeats > 1].append(share)
        print(
            f"{setting}; truth {1 - setting.truth:.4f}, bias {-bias:+.5f}: {100 * share:.1f} % ({width:.4f})",
            flush=True,
        )
    least, median = min(held[True]), float(np.median(held[True]))
    reached = least >= LEAST - 2 * float(np.sqrt(LEAST * (1 - LEAST) / runs)) and median >= MEDIAN
    figures: Figures = {"trainings_least": least, "trainings_median": median, "trainings_reached": reached}
    return figures | {"trainings_given_networks_least": min(held[False])}


def tried(simulations: Iterable[Simulation], methods: Sequence[Method], runs: int) -> list[Result]:
    """Measure and print each setting."""
    results = []
    for seed, simulation in enumerate(simulations):
        result = measured(simulation, methods, runs, seed)
        held = ", ".join(f"{m} {100 * result.held[m]:.1f} % ({result.width[m]:.4f})" for m in methods)
        bias = result.truth - result.debiased.mean()
        about = "" if simulation.definition == POSTER else f" [{' '.join(dataclasses.astuple(simulation.definition))}]"
        print(f"{simulation.setting}{about}; truth {1 - result.truth:.4f}, bias {bias:+.5f}: {held}", flush=True)
        results.append(result)
    return results


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
