"""Compute the example of `s_robust.md`: four simulated models in each definition of S_robust.

python docs/readings.py
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from xray.statistics import drops, s_robusts

PAGE = Path(__file__).with_name("s_robust.md")
BEGIN, END = "<!-- docs/readings.py -->\n", "<!-- end -->\n"
PHOTOGRAPHS = 1200
CATEGORIES = {"fox": 0.04, "cello": 0.0, "airship": -0.04}
SCENARIOS = ("original", "blurred", "grey", "elsewhere")
# Accuracy by scenario when trained on the original, and when trained on the scenario itself.
MODELS = {
    "steady": ([0.80, 0.77, 0.76, 0.74], [0.80, 0.79, 0.79, 0.78]),
    "fragile": ([0.93, 0.91, 0.90, 0.38], [0.93, 0.92, 0.92, 0.90]),
    "better elsewhere": ([0.70, 0.88, 0.90, 0.92], [0.70, 0.88, 0.90, 0.92]),
    "guessing": ([1 / 12] * 4, [1 / 12] * 4),
}
READINGS = [("mu", "variance"), ("mu", "std"), ("own_mean", "variance"), ("own_mean", "std")]


def predictions() -> pd.DataFrame:
    """Return simulated predictions; the difficulty of a photograph is the same in every scenario."""
    generator = np.random.Generator(np.random.PCG64(12))
    category = np.resize([*CATEGORIES], PHOTOGRAPHS)
    hard = generator.random(PHOTOGRAPHS)
    rows = []
    for model, halves in MODELS.items():
        cells = [("original", scenario, accuracy) for scenario, accuracy in zip(SCENARIOS, halves[0], strict=True)]
        cells += [(scenario, scenario, accuracy) for scenario, accuracy in zip(SCENARIOS, halves[1], strict=True)][1:]
        for trained_on, scenario, accuracy in cells:
            shift = [0.0 if model == "guessing" else CATEGORIES[name] for name in category]
            mixed = np.where(generator.random(PHOTOGRAPHS) < 0.5, hard, generator.random(PHOTOGRAPHS))
            correct = mixed < accuracy + np.array(shift)
            rows.append(
                pd.DataFrame({"model": model, "trained_on": trained_on, "scenario": scenario, "category": category})
                .assign(image_id=np.arange(PHOTOGRAPHS), variant=0, fold=0, correct=correct)
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)


def table() -> pd.DataFrame:
    """Return one row per model: accuracies, mean drop, S_robust in each definition."""
    simulated = predictions()
    cross = simulated[simulated["trained_on"] == "original"]
    accuracy = cross.pivot_table(index="model", columns="scenario", values="correct")
    lost = drops(cross, "original").groupby("model")["drop"].mean()
    result = pd.DataFrame({"on the original": accuracy["original"].map("{:.2f}".format)})
    result["worst scenario"] = accuracy.min(axis=1).map("{:.2f}".format)
    result["points lost"] = (100 * lost).map("{:.1f}".format)
    for about, power in READINGS:
        scores = s_robusts(simulated, about=about, power=power, resamples=1000).set_index("model")
        texts = scores["s_robust"].map("{:.4f}".format)
        if (about, power) == READINGS[0]:
            texts += [
                f" [{low:.4f}, {high:.4f}]" for low, high in zip(scores["ci_low"], scores["ci_high"], strict=True)
            ]
        result[f"{'μ' if about == 'mu' else 'own mean'}, {power}"] = texts
    by_class = s_robusts(cross, reading="class_scenario", resamples=200).set_index("model")
    result["classes and scenarios"] = by_class["s_robust"].map("{:.4f}".format)
    return result.loc[[*MODELS]].rename_axis("model").reset_index()


def markdown() -> str:
    """Return the table as Markdown."""
    rows = table()
    lines = [rows.columns, ["---"] * len(rows.columns), *rows.to_numpy()]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def page(text: str) -> str:
    """Return the page with a newly computed table."""
    return re.sub(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", lambda _: markdown(), text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
