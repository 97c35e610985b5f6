"""How often intervals of drops, accuracies and ratios of them hold the truth: modes of `intervals.py`."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from support.coverage import share_held
from support.part import Figures, Part
from support.settings import Setting, drawn_accuracies, drawn_curves, drawn_grids, drawn_pairs
from support.shares import accuracy_coverages, clear, drop_intervals, measure_coverages
from xray.statistics.robustness.curves import area_interval, areas
from xray.statistics.robustness.measures import Measure, centre, foreground_sensitivity, ratio

LEAST, MOST = 0.93, 0.98
NAMES = [f"s{k}" for k in range(9)]
LEVELS = np.arange(5.0)
AREA = Measure(
    "area",
    tuple(NAMES[: len(LEVELS)]),
    lambda mean_BL: areas(mean_BL, LEVELS)[:, None],
    lambda accuracy_NL, group_N, confidence: area_interval(accuracy_NL, LEVELS, group_N, confidence),
    "",
)
MEASURES = (ratio("ratio", *NAMES[:2]), foreground_sensitivity(*NAMES[:2]), AREA, centre(NAMES))


def drops(part: Part) -> Figures:
    """Coverage of drops, and false clear losses."""
    cases = itertools.product((0.95, 0.8), (60, 139, 1000), (1, 3), (0.0, 0.02, 0.1, 0.4))
    held: dict[str, list[float]] = {"Bonett-Price": [], "percentile": []}
    false: dict[str, list[float]] = {"Bonett-Price": [], "percentile": []}
    for seed, (mu, photographs, variants, drop) in part.of(cases):
        setting = Setting(f"{100 * drop:g} points", np.full((1, 1), drop), photographs, mu, variants=variants)
        found = drop_intervals(setting, 4 * part.runs, seed)
        for method, bounds_2S in found.items():
            held[method].append(share_held(bounds_2S, drop))
            if drop == 0:
                false[method].append(clear(bounds_2S))
        last = ", ".join(f"{method} {100 * shares[-1]:.1f} %" for method, shares in held.items())
        if drop == 0:
            last += "; above 0: " + ", ".join(f"{method} {100 * shares[-1]:.1f} %" for method, shares in false.items())
        print(f"{seed}: {setting}: {last}", flush=True)
    least, most = min(held["Bonett-Price"]), max(false["Bonett-Price"], default=0.0)
    error = float(np.sqrt(0.025 * 0.975 / (4 * part.runs)))
    return {
        "drops_least": least,
        "drops_least_reached": least >= LEAST,
        "drops_least_percentile": min(held["percentile"]),
        "false_clear_loss": most,
        "false_clear_loss_reached": most <= 0.025 + 2 * error,
        "false_clear_loss_percentile": max(false["percentile"], default=0.0),
    }


def accuracies(part: Part) -> Figures:
    """Coverage of accuracies with one to five variants of each photograph."""
    cases = itertools.product((1, 2, 3, 4, 5), (0.5, 0.7, 0.85, 0.95), (60, 139, 400, 1000), (0.5, 0.75, 0.9))
    return _accuracies(
        "accuracies",
        (Setting("0 points", np.zeros((1, 1)), n, mu, shared, variants) for variants, mu, n, shared in cases),
        part,
    )


def accuracies_drawn(part: Part) -> Figures:
    """Coverage of accuracies in settings that nothing was chosen by, half of them with few wrong photographs."""
    return _accuracies("accuracies_fresh", drawn_accuracies(), part)


def ratios(part: Part) -> Figures:
    """Coverage of ratios of accuracies, RFS, centre biases, and areas under curves, in drawn settings."""
    held: dict[str, list[tuple[float, float, float]]] = {}
    for seed, setting in part.of([*drawn_pairs(), *drawn_grids(), *drawn_curves()]):
        for measure in MEASURES:
            if len(measure.scenarios) != setting.drops_Hn.shape[1]:
                continue
            coverage = measure_coverages(setting, measure, part.runs, seed)
            shares = ", ".join(f"{name} {100 * share:.1f} % ({width:.3f})" for name, (share, width) in coverage.items())
            print(f"{seed}: {measure.name}, {setting}: {shares}", flush=True)
            own, percentile, basic = (share for share, _ in coverage.values())
            held.setdefault(measure.name.replace(" ", "_"), []).append((own, percentile, basic))
    figures: Figures = {}
    for name, shares in held.items():
        least = np.min(shares, axis=0)
        figures |= {f"{name}_least": least[0], f"{name}_median": float(np.median(shares, axis=0)[0])}
        figures |= {f"{name}_least_percentile": least[1], f"{name}_least_basic": least[2]}
        figures[f"{name}_reached"] = bool(least[0] >= LEAST - 2 * np.sqrt(LEAST * (1 - LEAST) / part.runs))
    return figures


def _accuracies(name: str, settings: Iterable[Setting], part: Part) -> Figures:
    effective: dict[bool, list[float]] = {False: [], True: []}
    rows = []
    for seed, setting in part.of(settings):
        by_photograph, by_row = accuracy_coverages(setting, part.runs, 10, seed)
        print(f"{seed}: {setting}: effective rows {100 * by_photograph:.1f} %, rows {100 * by_row:.1f} %", flush=True)
        effective[setting.variants > 1].append(by_photograph)
        rows.append(by_row)
    figures: Figures = {f"{name}_least_of_rows": min(rows)}
    for variants, held in effective.items():
        if held:
            prefix = name if variants else f"{name}_of_single_rows"
            figures |= {f"{prefix}_least": min(held), f"{prefix}_most": max(held)}
        if held and variants:  # the textbook interval of single rows is below in some settings
            figures[f"{name}_reached"] = min(held) >= LEAST and max(held) <= MOST
    return figures
