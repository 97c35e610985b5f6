"""Whether an S_robust means anything: a model at chance everywhere scores 1."""

from __future__ import annotations

import pandas as pd

from xray.statistics.robustness.accuracy import accuracy_table


def chance_warnings(
    predictions: pd.DataFrame, s_robusts: pd.DataFrame, reference: str = "original", confidence: float = 0.95
) -> list[str]:
    """Which models' S_robust rests on accuracies that chance would reach too.

    Chance is 1 / K for a classifier of K categories, and 0 for a segmenter, of which no object is marked by chance. An
    accuracy is no better than chance where its Wilson interval reaches down to it.

    Args:
        predictions: one row a (sample, model), with the columns of PREDICTIONS.
        s_robusts: as `matched_s_robusts`; rows without an S_robust are left out.
        reference: the scenario that shows the photograph as it is.
        confidence: of the intervals.

    Returns:
        A sentence for each such model.
    """
    said = []
    for row in s_robusts.dropna(subset="s_robust").to_dict("records"):
        mine = predictions[(predictions["model"] == row["model"]) & (predictions["trained_on"] != "pretrained")]
        segments = "union" in mine and bool(mine["union"].notna().any())
        chance = 0.0 if segments else 1 / max(1, mine["category"].nunique())
        cells = accuracy_table(mine, ("trained_on", "scenario"), confidence).set_index(["trained_on", "scenario"])
        names = str(row["scenarios"]).split(", ")
        mu, low_mu, high_mu = (
            float(cells[name].loc[(reference, reference)]) for name in ("accuracy", "ci_low", "ci_high")
        )
        others = cells.loc[[*((reference, name) for name in names), *((name, name) for name in names)]]
        low = int((others["ci_low"] <= chance).sum())
        told = [f"{low} of the {len(others)} accuracies on other scenarios"] if low else []
        if low_mu <= chance:
            told.insert(0, f"mu, {100 * mu:.1f} % [{100 * low_mu:.1f}, {100 * high_mu:.1f}]")
        if told:
            said.append(
                f"{row['model']}: no better than chance ({100 * chance:.1f} %): {', and '.join(told)}. "
                f"Chance everywhere scores 1.0, so this S_robust says little of robustness"
            )
    return said
