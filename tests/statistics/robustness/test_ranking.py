from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xray.statistics.robustness.ranking import ranking


def predictions(right: dict[str, int], n: int = 60, trained_on: str = "pretrained") -> pd.DataFrame:
    """Models by the number of photographs, the first ones, that they are right on."""
    rows = [(model, f"{k}", k < count) for model, count in right.items() for k in range(n)]
    table = pd.DataFrame(rows, columns=["model", "image_id", "correct"])
    return table.assign(trained_on=trained_on, scenario="grey")


def ranks(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    return {row.model: (row.best_rank, row.worst_rank) for row in table.itertuples()}


def test_what_cannot_be_told_apart_is_tied() -> None:
    table = ranking(predictions({"a": 55, "b": 53, "c": 30, "d": 29, "e": 5}))
    assert ranks(table) == {"a": (1, 2), "b": (1, 2), "c": (3, 4), "d": (3, 4), "e": (5, 5)}
    assert list(table["model"]) == ["a", "b", "c", "d", "e"]
    assert (table["n_models"] == 5).all()


def test_ties_need_not_be_transitive() -> None:
    table = ranking(predictions({"a": 40, "b": 35, "c": 30}))
    assert ranks(table) == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}


def test_only_models_of_one_training_are_compared() -> None:
    both = [predictions({"a": 55, "b": 5}), predictions({"a": 30}, trained_on="original")]
    table = ranking(pd.concat(both, ignore_index=True)).set_index(["model", "trained_on"])
    assert tuple(table.loc[("a", "original"), ["best_rank", "worst_rank", "n_models"]]) == (1, 1, 1)
    assert tuple(table.loc[("b", "pretrained"), ["best_rank", "worst_rank", "n_models"]]) == (2, 2, 2)


def test_a_single_model_has_the_first_rank() -> None:
    assert ranks(ranking(predictions({"a": 7}))) == {"a": (1, 1)}


@pytest.mark.parametrize("seed", range(3))
def test_equal_models_are_told_apart_rarely(seed: int) -> None:
    draw = np.random.default_rng(seed)
    wrong = 0
    for _ in range(40):
        table = predictions(dict.fromkeys("abcd", 0))
        wrong += ranks(ranking(table.assign(correct=draw.random(len(table)) < 0.7))) != dict.fromkeys("abcd", (1, 4))
    assert wrong <= 6  # 5 % in expectation: more than 6 of 40 in 1 of 1,000
