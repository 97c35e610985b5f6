"""What a donor's own object adds to the drop of `random_background`: whole donors beside ones without their objects.

    python benchmarks/donors.py [--photos FOLDER] [--model lite:efficientnet-lite0] [--remover telea]

FOLDER has `images/GROUP/NAME.*`, `masks/GROUP/NAME.png`, and `groups.csv` with the ImageNet classes of each group
(columns `group` and `imagenet1k_indices`); without one, photographs are drawn, and the figures mean nothing. All
goes through `plan`, `generate`, `evaluate` and `score`. Figures, over donors of another category than the object's:

- wrong, naming: wrong answers, and how many of these name the donor's category; `share`, with its Wilson interval,
  which takes the answers as independent (they are of few photographs: the truth is wider).
- chance: the share to expect if answers did not depend on donors: the same answers with each other's donors.
- unrecognized: the same over donors that the network does not recognize without their object.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1"}

from support.photographs import CATEGORIES, write_photographs

from xray.cluster.session import connected
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.score import score
from xray.runs.folder import RunFolder
from xray.runs.recipe import Recipe, recipe_from

MAX_DROP, MAX_NAMING = 0.5, 0.15


def recipe_of(
    photos: Path, images: str, categories: dict[str, list[int]], model: str, variants: int, remover: str | None
) -> Recipe:
    """Return a recipe with the same photographs on donors with and without their objects."""
    donors: dict[str, Any] = {"kind": "random_background", "variants": variants}
    return recipe_from(
        {
            "categories": categories,
            "source": {"kind": "imagefolder", "root": str(photos / images)},
            "masks": {"annotations": {"kind": "png", "root": str(photos / "masks")}},
            "scenarios": {
                "original": "original",
                "pasted": "edit",
                "whole": {**donors, "donor": "whole"},
                "removed": donors,
                "removed_other": {**donors, "category": "other"},
                "background": {"kind": "no_object", "fill": "removed"},
            },
            "bad_rows": 0.1,
            "remover": remover,
            "models": {"model": model},
        }
    )


def groups(photos: Path) -> dict[str, list[int]]:
    with (photos / "groups.csv").open(encoding="utf-8") as file:
        return {row["group"]: [*map(int, row["imagenet1k_indices"].split())] for row in csv.DictReader(file)}


def figures(run: RunFolder) -> dict[str, dict[str, Any]]:
    """Return the drop of each scenario, and how many of its wrong answers name the donor's category."""
    drops = score(run).drops.set_index("scenario")["drop"]
    return {
        row["scenario"]: {
            "drop": round(float(drops[row["scenario"]]), 4),
            "wrong": row["wrong"],
            "naming": row["naming_donor"],
            "share": rounded(row["share"]),
            "interval": [rounded(row["share_low"]), rounded(row["share_high"])],
            "chance": rounded(row["chance_share"]),
            "unrecognized": [int(row["unrecognized_naming"]), int(row["unrecognized_wrong"])],
            "unrecognized_chance": rounded(row["unrecognized_chance"]),
        }
        for row in run.store.table("donor_answers").to_pylist()
    }


def rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 3)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder of photographs and masks; default: drawn ones")
    options.add_argument("--model", default="lite:efficientnet-lite0")
    options.add_argument("--remover", help="default: patchmatch where installed, else telea")
    options.add_argument("--variants", type=int, default=3, help="donors of each photograph")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name, connected():
        photos, images, categories = Path(name) / "drawn", "photos", CATEGORIES
        if chosen.photos:
            photos, images, categories = chosen.photos, "images", groups(chosen.photos)
        else:
            write_photographs(photos, 6)
        variants = 1 if chosen.tiny else chosen.variants
        recipe = recipe_of(photos, images, categories, chosen.model, variants, chosen.remover)
        run = RunFolder(str(Path(name) / "run"))
        write_plan(run, recipe, survey(recipe))
        generate(run)
        evaluate(run, {"model": chosen.model})
        found = figures(run)
    for scenario, values in found.items():
        print(scenario, values)
    half = found["removed"]["drop"] < MAX_DROP * found["whole"]["drop"]
    few = (found["removed"]["share"] or 0) <= MAX_NAMING
    print(json.dumps({**found, "drop_below_half": half, "naming_donor_reached": few}))


if __name__ == "__main__":
    main()
