"""A recipe of edits, and predictions of a model that is right by rule, for scores and reports of edited images."""

from __future__ import annotations

import numpy as np
import pandas as pd

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
                "names_donor": None if donor is None else name == "any" and k >= 8,
                "donor_id": None if donor is None else f"photo-{9 - k}",
            })  # fmt: skip
    return pd.DataFrame(rows)
