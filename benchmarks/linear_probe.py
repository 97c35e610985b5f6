"""Time of linear probes: the features of all images beside an evaluation of them, then the fits.

    python benchmarks/linear_probe.py

EfficientNet-Lite0 on drawn photographs in four scenarios, in one Ray session on two CPUs: `xray evaluate` predicts each
image; then features of every image are computed, and `xray sweep` with `tune: head` fits a head for each scenario and
fold. The first two start actors of their own, the third tasks. The start of the Ray session is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

from support.runs import planned, with_whole_donors

from xray.cluster.session import connected
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.train.features import compute_features
from xray.pipeline.train.sweep import sweep

PROCESSES = 2
MODEL = {"efficientnet-lite0": "lite:efficientnet-lite0"}
SCENARIOS = ("original", "blur_background", "random_background", "segmented")
FOLDS = 3


def timed(work: Any, *arguments: Any) -> float:
    """Return the seconds that a function takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--images", type=int, default=55, help="photographs; each in four scenarios")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.tiny:
        chosen.images = 12
    training = {"models": MODEL, "tune": "head", "folds": FOLDS}
    with tempfile.TemporaryDirectory() as folder:
        run = planned(Path(folder), chosen.images, scenarios=with_whole_donors(SCENARIOS), training=training)
        with connected(workers=PROCESSES):
            generate(run)
            evaluating = timed(evaluate, run, MODEL)
            featuring = timed(compute_features, run, MODEL)
            fitting = timed(sweep, run)
        heads, images = len(SCENARIOS) * FOLDS, len(run.store.table("features", ["sample_id"]))
    print(f"{images} images: predictions {evaluating:.1f} s, features {featuring:.1f} s; {heads} heads {fitting:.1f} s")
    figures = {
        "features_vs_evaluation": round(featuring / evaluating, 3),
        "fit_seconds": round(fitting, 2),
        "seconds_per_head": round(fitting / heads, 3),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
