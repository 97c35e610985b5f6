from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from xray.report.background import Background, elsewhere_scenarios, hidden_scenarios, sentence
from xray.report.data import ReportData, gather

NAN = float("nan")


@pytest.fixture(scope="module")
def base(make_run: Any) -> ReportData:
    kinds = ("original", "random_background", "no_object", "blur_background")
    return gather(make_run(kinds=kinds, photographs=3, models=("net",)))


def with_entries(data: ReportData, **entries: dict[str, Any]) -> ReportData:
    return dataclasses.replace(data, recipe={**data.recipe, "scenarios": {"original": {"kind": "original"}, **entries}})


def found(data: ReportData, **changes: Any) -> str:
    """The sentence of a model with these facts."""
    row = {"scenario": "original", "accuracy": 0.9, "ci_low": 0.8, "ci_high": 0.95, "n_images": 40}
    facts = {"series": "net", "original": row, "alone": None, "shuffled": NAN, "elsewhere": None, **changes}
    return sentence(data, Background(**facts))


ALONE = {"scenario": "removed", "accuracy": 0.4, "ci_low": 0.3, "ci_high": 0.5, "n_images": 40}
REMOVED = {"removed": {"kind": "no_object", "fill": "removed"}}


def test_the_background_alone(base: ReportData) -> None:
    data = with_entries(base, **REMOVED)
    text = found(data, alone=ALONE, shuffled=0.1)
    assert text == (
        "Shown only the background, net is still right on 40 % [30, 50] of 40 photographs (its answers in random "
        "order: 10 %)."
    )
    covered = with_entries(base, removed={"kind": "no_object", "fill": "mean"})
    assert found(covered, alone=ALONE).startswith("With the object covered, net is still right on 40 %")
    assert "still" not in found(data, alone={**ALONE, "accuracy": 0.0, "ci_low": 0.0})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            {"beyond_control": 0.2, "ci_low": 0.1, "ci_high": 0.3, "control": "pasted"},
            "costs net 20 points [10, 30] more",
        ),
        ({"drop": 0.2, "ci_low": 0.1, "ci_high": 0.3}, "costs net 20 points [10, 30]."),
        ({"drop": 0.05, "ci_low": -0.1, "ci_high": 0.2}, "is not shown to cost net accuracy: 5 points [−10, 20]."),
        ({"drop": -0.05, "ci_low": -0.2, "ci_high": 0.1}, "is not shown to cost net accuracy: −5 points [−20, 10]."),
        ({"drop": 0.01, "ci_low": 0.005, "ci_high": 0.1}, "costs net 1 point [0, 10]."),
    ],
)
def test_another_background(base: ReportData, row: dict[str, Any], words: str) -> None:
    assert words in found(base, elsewhere={"scenario": "random_background", "n_images": 40, **row})


def test_both_in_one_sentence_and_neither(base: ReportData) -> None:
    row = {"scenario": "random_background", "drop": 0.2, "ci_low": 0.1, "ci_high": 0.3}
    assert "; another background costs it 20 points" in found(with_entries(base, **REMOVED), alone=ALONE, elsewhere=row)
    assert found(base) == ""
    assert found(base, elsewhere={**row, "ci_low": NAN}) == ""


def test_which_scenarios_count(base: ReportData) -> None:
    entries = {
        "covered": {"kind": "no_object"},
        "removed": {"kind": "no_object", "fill": "removed"},
        "moved": {"kind": "edit", "position": "random", "world": {"kind": "donor"}},
        "placed": {"kind": "edit", "world": {"kind": "donor"}},
        "pasted": {"kind": "edit"},
        "another": {"kind": "random_background"},
    }
    data = with_entries(base, **entries)
    assert hidden_scenarios(data) == ["removed", "covered"]
    assert elsewhere_scenarios(data) == ["placed", "another"]


def test_facts_of_a_run(base: ReportData) -> None:
    known = Background.of(base, "net")
    assert known is not None
    assert known.alone is not None
    assert known.alone["scenario"] == "no_object"
    assert known.elsewhere is not None
    assert known.elsewhere["scenario"] == "random_background"
    drops = base.scores.drops
    assert drops is not None
    row = drops[drops["scenario"] == "random_background"].iloc[0]
    assert known.extra == pytest.approx(row["drop"])
    assert Background.of(base, "another net") is None
    empty = dataclasses.replace(
        base.scores, drops=None, edits=None, accuracy=pd.DataFrame(columns=["series", "scenario"])
    )
    assert Background.of(dataclasses.replace(base, scores=empty), "net") is None
