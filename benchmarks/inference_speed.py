"""Speed of statistics, on one core.

    python benchmarks/inference_speed.py [bootstrap] [regression] [--tiny]

- bootstrap: S_robust of 8 models with intervals, from predictions on 15,000 photographs in the original and 14
  scenarios, trained on the original and trained within each scenario; 10,000 resamples. Beside it the same by picking
  the drawn rows of the table of photographs (`values[drawn].mean(axis=0)`), a few resamples, scaled up;
- regression: coefficients, classical errors and errors clustered by photograph from 10⁷ predictions (8 models, 14
  scenarios, 12 categories, 15,000 photographs, in any order), beside the statsmodels formula on 10⁶ of them, in turns.
  `cells_vs_formula`: seconds of the formula on 10⁶ rows over ours on 10⁷, columns of names being categories for both.
  Ours counts in up to 4 threads; `…_one_thread`: in one; `…_cpu`: the same in CPU time.
  `…_of_text`: text, as pandas reads it, for the formula alone; `…_both_text`: for both; `…_same_rows`: categories,
  10⁶ rows for both. Memory is what the allocator was asked for beyond the table.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("modes", nargs="*", help="bootstrap, regression; default: all")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # before numpy
    from support.intervals import bootstrap
    from support.regressions import regression

    modes: dict[str, Callable[[bool], dict[str, float]]] = {
        "bootstrap": bootstrap,
        "regression": regression,
    }
    if wrong := set(chosen.modes) - modes.keys():
        options.error(f"unknown mode {sorted(wrong)[0]!r}, choose from {', '.join(modes)}")
    figures: dict[str, float] = {}
    for mode in chosen.modes or modes:
        figures |= modes[mode](chosen.tiny)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
