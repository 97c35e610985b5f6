"""Warnings of S_robust at chance level: a model at chance everywhere scores 1."""

from __future__ import annotations

import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table


def chance_warnings(
    predictions: pd.DataFrame, s_robusts: pd.DataFrame, reference: str = "original", confidence: float = 0.95
) -> list[str]:
    """Warn of models whose S_robust is based on accuracies at chance level.

    Chance is 1 / K for a classifier of K categories, and 0 for a segmenter. An accuracy is at chance level if its
    Wilson interval includes chance.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        s_robusts: as returned by `matched_s_robusts`; rows without an S_robust are skipped.
        reference: the scenario with the unchanged photograph.
        confidence: confidence level, inside (0, 1).

    Returns:
        One sentence per such model.
    """
    warnings = []
    for row in s_robusts.dropna(subset="s_robust").to_dict("records"):
        own = predictions[(predictions["model"] == row["model"]) & (predictions["trained_on"] != "pretrained")]
        segments = "union" in own and bool(own["union"].notna().any())
        chance = 0.0 if segments else 1 / max(1, own["category"].nunique())
        cells = accuracy_table(own, ("trained_on", "scenario"), confidence).set_index(["trained_on", "scenario"])
        names = str(row["scenarios"]).split(", ")
        mu, low_mu, high_mu = (
            float(cells[name].loc[(reference, reference)]) for name in ("accuracy", "ci_low", "ci_high")
        )
        others = cells.loc[[*((reference, name) for name in names), *((name, name) for name in names)]]
        low = int((others["ci_low"] <= chance).sum())
        parts = [f"{low} of the {len(others)} accuracies on other scenarios"] if low else []
        if low_mu <= chance:
            parts.insert(0, f"mu, {100 * mu:.1f} % [{100 * low_mu:.1f}, {100 * high_mu:.1f}]")
        if parts:
            warnings.append(
                f"{row['model']}: no better than chance ({100 * chance:.1f} %): {', and '.join(parts)}. "
                f"Chance everywhere scores 1.0, so this S_robust says little about robustness"
            )
    return warnings
