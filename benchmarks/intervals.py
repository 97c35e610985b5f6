"""How often 95 % intervals hold the truth, and how far estimates are off on average; simulations, on one core.

    python benchmarks/intervals.py [MODE …] [--runs N] [--settings FROM:TO]

What is measured are the functions that `xray.statistics` uses, on simulated verdicts (`support/settings.py`): some
photographs are easy and some hard in all scenarios. The modes:

- s_robust: 42 settings (7 patterns of drops in 8 scenarios, both halves, 1 and 3 variants, 60, 139 and 1,000
  photographs); beside the default interval (`shift`) BCa and percentile of the plug-in;
- s_robust_drawn: 40 settings that are drawn by a seed, of other patterns, accuracies, numbers and correlations;
- few: 72 settings in which few verdicts change or none (20 to 60 photographs, 1 to 8 scenarios, drops of 0.5 to 2
  points); beside `shift` without its pseudo-photographs (`bare`);
- few_drawn: 40 drawn ones of that kind, in four readings;
- readings: sums of roots, and squares about the own mean;
- cross_term: the cross half alone;
- class_scenario: that reading, with 3 and 12 categories; class_scenario_drawn: 24 drawn settings;
- refused: scenarios without effect that refuse hard photographs more often than easy ones;
- differences: of two models on the same photographs (`compare_s_robust`);
- drops: intervals of a drop, and how often one of a scenario without effect lies above 0 (a false "clear loss");
- accuracies: Wilson's interval with one to five variants of each photograph, beside that of rows;
- accuracies_drawn: 60 drawn settings, half of them with 2 to 10 wrong photographs;
- ratios: of two accuracies (background robustness, size bias), RFS, centre bias, and areas under curves, in 88 drawn
  settings; beside percentile and basic bootstrap;
- trainings: networks whose accuracy differs by 2 points from training to training: 1, 4 and 12 folds, 1 to 5 repeats
  (`training: {repeats: 3}`). One repeat is what intervals are without: given the networks.

Settings are numbered from 0 in each mode, and simulated from seeds of their number: `--settings 34:40` repeats exactly
these lines of a mode's table. A coverage of 95 % of 500 runs has a Monte Carlo error of 1 %.
"""

from __future__ import annotations

import argparse
import json
import os

MODES = (
    *("s_robust", "s_robust_drawn", "few", "few_drawn", "readings", "cross_term"),
    *("class_scenario", "class_scenario_drawn", "refused", "differences"),
    *("drops", "accuracies", "accuracies_drawn", "ratios", "trainings"),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modes", nargs="*", help=f"{', '.join(MODES)}; default: all")
    options.add_argument("--runs", type=int, default=500, help="simulations of each setting")
    options.add_argument("--settings", type=numbers, default=(0, None), metavar="FROM:TO", help="numbers of settings")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if wrong := set(chosen.modes) - {*MODES}:
        options.error(f"unknown mode {sorted(wrong)[0]!r}, choose from {', '.join(MODES)}")
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy
    from support import coverage_modes, share_modes
    from support.part import Part

    part = Part(10, step=11) if chosen.tiny else Part(chosen.runs, *chosen.settings)
    figures: dict[str, float | bool] = {}
    for mode in chosen.modes or MODES:
        print(f"\n{mode}", flush=True)
        figures |= getattr(share_modes if hasattr(share_modes, mode) else coverage_modes, mode)(part)
    print(json.dumps({name: rounded(value) for name, value in figures.items()}))


def numbers(text: str) -> tuple[int, int | None]:
    """Read `FROM:TO`, each of which may be missing."""
    first, colon, end = text.partition(":")
    if not colon or not all(part.isdecimal() or not part for part in (first, end)):
        raise argparse.ArgumentTypeError(f"{text!r} is not FROM:TO, such as 34:40 or 12:")
    return int(first or 0), int(end) if end else None


def rounded(value: float | bool) -> float | bool:
    """Round to four digits."""
    return value if isinstance(value, bool) else float(f"{value:.4g}")


if __name__ == "__main__":
    main()
