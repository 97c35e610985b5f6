from __future__ import annotations

import pandas as pd
import pytest

from xray.statistics.robustness.mask_doubts import mask_doubts


def predictions(n: int = 17, model: str = "m", **right: float) -> pd.DataFrame:
    """Return predictions of `n` photographs of 4 categories; `right`: the share of right ones by scenario."""
    rows = [
        {"model": model, "trained_on": "pretrained", "scenario": scenario, "image_id": f"{k:03d}", "category": k % 4,
         "correct": k < round(share * n)}
        for scenario, share in right.items()
        for k in range(n)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def doubts(rows: pd.DataFrame) -> list[str]:
    return mask_doubts(rows, "original", ["no_object"], ["segmented"])


@pytest.mark.parametrize(
    ("right", "n"),
    [
        ({"original": 1.0, "no_object": 0.765, "segmented": 1.0}, 0),  # right masks
        ({"original": 1.0, "no_object": 1.0, "segmented": 0.0}, 2),  # the ignored band alone
        ({"original": 1.0, "no_object": 1.0, "segmented": 0.714}, 2),  # bright parts of cut-outs
        ({"original": 1.0, "no_object": 1.0, "segmented": 0.95}, 1),
        ({"original": 0.9, "no_object": 0.2, "segmented": 0.1}, 0),
        ({"original": 1.0, "segmented": 0.1}, 0),
        ({"original": 1.0, "no_object": 1.0}, 1),
        ({"no_object": 1.0, "segmented": 0.0}, 0),
    ],
)
def test_accuracies_that_masks_must_explain(right: dict[str, float], n: int) -> None:
    assert len(doubts(predictions(**right))) == n


def test_models_at_chance_and_few_photographs_say_nothing() -> None:
    assert doubts(predictions(original=0.25, no_object=0.25, segmented=0.0)) == []
    assert doubts(predictions(7, original=1.0, no_object=1.0, segmented=0.0)) == []


def test_each_model_is_named() -> None:
    right = {"original": 1.0, "no_object": 1.0}
    named = doubts(pd.concat([predictions(model="a", **right), predictions(model="b", **right)]))
    assert [text.split()[5] for text in named] == ["a", "b"]


def test_a_model_without_the_reference_is_left_out() -> None:
    rows = pd.concat([predictions(model="a", no_object=1.0), predictions(original=1.0, no_object=1.0)])
    assert len(doubts(rows)) == 1


@pytest.mark.parametrize(("lost", "n"), [(0, 1), (4, 1), (5, 0)])
def test_at_most_two_percent_lost_is_nothing_lost(lost: int, n: int) -> None:
    assert len(doubts(predictions(200, original=1.0, no_object=1 - lost / 200))) == n
