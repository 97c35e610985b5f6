"""A recipe of edits, and predictions of a model that is right by rule, for scores and reports of edited images."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa

from xray.core.schema import PREDICTIONS
from xray.runs.recipe import recipe_from, recipe_values

CELLS = [(row, column) for row in range(3) for column in range(3)]
SCENARIOS = {
    "original": "original",
    "pasted": "edit",
    "resampled": {"kind": "edit", "direction": 1},
    "background": {"kind": "no_object", "fill": "removed"},
    "size-0.2": {"kind": "edit", "size": 0.2},
    "size-0.1": {"kind": "edit", "size": 0.1},
    "same": {"kind": "edit", "world": {"kind": "donor", "category": "same"}},
    "any": {"kind": "edit", "world": {"kind": "donor", "category": "any"}},
    "noisy_object": {"kind": "noise", "region": "object"},
    "noisy_background": {"kind": "noise", "region": "background"},
    **{
        f"cell-{row}{column}": {"kind": "edit", "size": 0.1, "position": {"cell": [row, column]}}
        for row, column in CELLS
    },
}
RIGHT = {
    "original": 10, "pasted": 9, "resampled": 8, "background": 2, "size-0.2": 8, "size-0.1": 5, "same": 9, "any": 7,
    "noisy_object": 6, "noisy_background": 8,
    **dict(zip([f"cell-{row}{column}" for row, column in CELLS], (6, 7, 6, 7, 8, 7, 5, 6, 6), strict=True)),
}  # fmt: skip
"""Number of the ten photographs that the model is right about, by scenario: photograph k if k is below it."""


def edited_recipe(names=tuple(SCENARIOS)):
    """Return the recipe's plain values."""
    return recipe_values(recipe_from({"source": "shapes", "scenarios": {name: SCENARIOS[name] for name in names}}))


def edited_predictions(names=tuple(SCENARIOS), photographs=10):
    """Return PREDICTIONS; on `any` backgrounds two of the three wrong answers name the donor's category."""
    rows = []
    for name in names:
        for k in range(photographs):
            right = k < RIGHT[name]
            donor = {"any": "whale", "same": "fox"}.get(name)
            rows.append({
                "sample_id": f"{name}-{k}", "image_id": f"photo-{k}", "category": "fox", "scenario": name, "variant": 0,
                "model": "m", "weights": "00", "trained_on": "pretrained", "fold": -1, "top1": 0, "top5": [0],
                "p_true": float(np.float32(0.9 if right else 0.2)), "correct": right, "donor_category": donor,
                "names_donor": None if donor is None else right if name == "same" else k >= 8,
                "donor_id": None if donor is None else f"photo-{9 - k}",
            })  # fmt: skip
    return pd.DataFrame(rows)


def edited_run(make_run, names=tuple(SCENARIOS), categories=("fox",)):
    """Return a run of these scenarios, made by the fixture `make_run`; there are no edited images in it."""
    run = make_run(models=("m",), kinds=("original",), categories=categories, photographs=10)
    run.recipe["scenarios"] = edited_recipe(names)["scenarios"]
    rows = edited_predictions(names).astype(object).replace({float("nan"): None}).to_dict("records")
    run.tables["predictions"] = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    return run


def with_images(run, scenarios, cut=()):
    """Give the run an image of each of its ten photographs in some scenarios; objects of `cut` are cut by the frame."""
    row = next(row for row in run.tables["images"].to_pylist() if row["status"] == "ok")
    images = [
        row | {"sample_id": f"{scenario}-{k}", "image_id": f"photo-{k}", "scenario": scenario,
               "provenance": json.dumps({"drawn": {"cut_sides": ["left"] if k in cut else []}})}
        for scenario in scenarios
        for k in range(10)
    ]  # fmt: skip
    schema = run.tables["images"].schema
    run.tables["images"] = pa.concat_tables([run.tables["images"], pa.Table.from_pylist(images, schema=schema)])
    return run
