"""How often 95 % intervals hold the truth, and how far estimates are off on average; simulations, on one core.

    python benchmarks/intervals.py [s_robust] [few] [readings] [refused] [differences] [drops] [accuracies] [trainings]
        [--runs N]

What is measured are the functions that `xray.statistics` uses, on simulated verdicts (`support/settings.py`): some
photographs are easy and some hard in all scenarios.

- s_robust: 42 settings (7 patterns of drops in 8 scenarios, both halves, 1 and 3 variants, 60, 139 and 1,000
  photographs), and 40 that are drawn by a seed, of other patterns, accuracies, numbers and correlations. Beside the
  default interval (`shift`): BCa and percentile of the plug-in;
- few: 72 settings in which few verdicts change or none (20 to 60 photographs, 1 to 8 scenarios, drops of 0.5 to 2
  points), and 40 drawn ones, in four readings; beside `shift` without its pseudo-photographs (`bare`);
- readings: sums of roots, squares about the own mean, the cross half alone, and the reading `class_scenario`;
- refused: scenarios without effect that refuse hard photographs more often than easy ones;
- differences: of two models on the same photographs (`compare_s_robust`);
- drops: intervals of a drop, and how often one of a scenario without effect lies above 0 (a false "clear loss");
- accuracies: Wilson's interval with three variants of each photograph;
- trainings: networks whose accuracy differs by 2 points from training to training: 1, 4 and 12 folds, 1 to 5 repeats
  (`training: {repeats: 3}`). One repeat is what intervals are without: given the networks.

A coverage of 95 % of 500 runs has a Monte Carlo error of 1 %.
"""

from __future__ import annotations

import argparse
import json
import os

MODES = ("s_robust", "few", "readings", "refused", "differences", "drops", "accuracies", "trainings")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modes", nargs="*", help=f"{', '.join(MODES)}; default: all")
    options.add_argument("--runs", type=int, default=500, help="simulations of each setting")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if wrong := set(chosen.modes) - {*MODES}:
        options.error(f"unknown mode {sorted(wrong)[0]!r}, choose from {', '.join(MODES)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy
    from support import coverage_modes

    figures: dict[str, float | bool] = {}
    for mode in chosen.modes or MODES:
        print(f"\n{mode}", flush=True)
        figures |= getattr(coverage_modes, mode)(10 if chosen.tiny else chosen.runs, 11 if chosen.tiny else 1)
    print(json.dumps({name: rounded(value) for name, value in figures.items()}))


def rounded(value: float | bool) -> float | bool:
    """Round to four digits."""
    return value if isinstance(value, bool) else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
