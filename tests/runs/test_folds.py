from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.runs.folds import NOT_TESTED, assign_folds, fold_notes, split_photographs
from xray.runs.training import Training

MODELS = ["timm:resnet50"]
SIZES = st.dictionaries(st.sampled_from("abcd"), st.integers(4, 15), min_size=1)


def photographs(sizes: dict[str, int]) -> dict[str, str]:
    return {f"{category}{number}": category for category, size in sizes.items() for number in range(size)}


@given(SIZES, st.integers(2, 4), st.integers(0, 2**63 - 1))
def test_folds_divide_each_category_and_the_whole_evenly(sizes: dict[str, int], folds: int, seed: int) -> None:
    categories = photographs(sizes)
    folds_of = assign_folds(categories, Training(models=MODELS, folds=folds), seed)
    assert folds_of.keys() == categories.keys()
    for category, size in sizes.items():
        counts = Counter(folds_of[image] for image in categories if categories[image] == category)
        assert {counts[fold] for fold in range(folds)} <= {size // folds, -(-size // folds)}
    counts = Counter(folds_of.values())
    assert max(counts.values()) - min(counts[fold] for fold in range(folds)) <= 1


@given(SIZES, st.integers(0, 9), st.randoms())
def test_folds_do_not_depend_on_the_order_of_photographs(sizes: dict[str, int], seed: int, random: object) -> None:
    categories = photographs(sizes)
    names = sorted(categories)
    random.shuffle(names)  # type: ignore[attr-defined]
    training = Training(models=MODELS, folds=3)
    assert assign_folds({name: categories[name] for name in names}, training, seed) == assign_folds(
        categories, training, seed
    )


@given(SIZES, SIZES)
def test_added_photographs_change_no_earlier_fold(first: dict[str, int], more: dict[str, int]) -> None:
    training = Training(models=MODELS, folds=4)
    before = assign_folds(photographs(first), training, seed=0)
    added = {category: first.get(category, 0) + more.get(category, 0) for category in first.keys() | more.keys()}
    after = assign_folds(photographs(added), training, seed=0, before=before)
    assert {image: after[image] for image in before} == before
    counts = Counter(after[image] for image, category in photographs(added).items() if category == "a")
    assert not counts or max(counts.values()) - min(counts[fold] for fold in range(4)) <= 1


def test_seeds_give_different_folds() -> None:
    categories = photographs({"a": 12})
    training = Training(models=MODELS, folds=3)
    assert assign_folds(categories, training, seed=0) != assign_folds(categories, training, seed=1)


def test_a_plain_split_tests_its_share_of_each_category() -> None:
    categories = photographs({"a": 10, "b": 5, "c": 2})
    folds_of = assign_folds(categories, Training(models=MODELS, folds=None, holdout=0.2), seed=0)
    assert set(folds_of.values()) == {0, NOT_TESTED}
    assert Counter(categories[image] for image, fold in folds_of.items() if fold == 0) == {"a": 2, "b": 1, "c": 1}


@given(SIZES, st.integers(0, 3), st.floats(0.05, 0.9), st.integers(0, 9))
def test_splits_are_disjoint_and_complete(sizes: dict[str, int], fold: int, share: float, seed: int) -> None:
    categories = photographs(sizes)
    training = Training(models=MODELS, folds=4, validation=share)
    folds_of = assign_folds(categories, training, seed)
    split = split_photographs(folds_of, categories, fold, training, seed)
    assert split.train | split.validation | split.test == categories.keys()
    assert len(split.train) + len(split.validation) + len(split.test) == len(categories)
    assert split.test == {image for image in categories if folds_of[image] == fold}
    assert {categories[image] for image in split.train} == set(sizes)  # no category is left without training images
    assert {categories[image] for image in split.validation} == set(sizes)


def test_every_photograph_is_tested_exactly_once() -> None:
    categories = photographs({"a": 7, "b": 9})
    training = Training(models=MODELS, folds=4)
    folds_of = assign_folds(categories, training, seed=3)
    tested = [image for fold in range(4) for image in split_photographs(folds_of, categories, fold, training, 3).test]
    assert sorted(tested) == sorted(categories)


def test_validation_may_be_the_test() -> None:
    categories = photographs({"a": 10, "b": 10})
    training = Training(models=MODELS, folds=None, holdout=0.2, validation="test")
    split = split_photographs(assign_folds(categories, training, 0), categories, 0, training, 0)
    assert split.validation == split.test
    assert not split.train & split.test


def test_a_category_with_fewer_photographs_than_folds() -> None:
    categories, training = photographs({"a": 7, "b": 3}), Training(models=MODELS, folds=5)
    assert fold_notes(categories, training) == ["`folds: 5`, but 'b' has 3 photographs: not every fold tests it"]
    assert fold_notes(categories, Training(models=MODELS, folds=3)) == []
    folds_of = assign_folds(categories, training, seed=0)
    assert sorted(Counter(folds_of[image] for image in categories if image.startswith("b")).values()) == [1, 1, 1]
    assert Counter(folds_of.values()) == dict.fromkeys(range(5), 2)


def test_too_few_photographs() -> None:
    for training in (Training(models=MODELS, folds=3), Training(models=MODELS, folds=None, holdout=0.5)):
        with pytest.raises(ConfigError, match="'b', 'c'"):
            assign_folds(photographs({"a": 5, "b": 1, "c": 1}), training, seed=0)
    with pytest.raises(ConfigError, match=r"`folds: 12`.* 6 "):
        assign_folds(photographs({"a": 4, "b": 2}), Training(models=MODELS, folds=12), seed=0)


GROUPED = st.dictionaries(st.sampled_from("abc"), st.lists(st.integers(1, 5), min_size=4, max_size=9), min_size=1)


def grouped(sizes: dict[str, list[int]]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the categories and the groups of photographs, by id, from the sizes of each category's groups."""
    categories, groups = {}, {}
    for category, listed in sizes.items():
        for number, size in enumerate(listed):
            for one in range(size):
                image = f"{category}{number}-{one}"
                categories[image], groups[image] = category, f"{category}{number}-0"
    return categories, groups


def test_both_copies_of_forty_photographs_are_in_one_fold() -> None:
    names = [f"{number:02d}" for number in range(40)]
    categories = {
        f"{name}{copy}": "fox" if number % 2 else "cello" for number, name in enumerate(names) for copy in "ab"
    }
    groups = {image: f"{image[:2]}a" for image in categories}
    training = Training(models=MODELS, folds=4)
    folds = assign_folds(categories, training, seed=0, groups=groups)
    assert sum(folds[f"{name}a"] != folds[f"{name}b"] for name in names) == 0
    assert Counter((categories[image], fold) for image, fold in folds.items()) == {
        (category, fold): 10 for category in ("fox", "cello") for fold in range(4)
    }
    for fold in range(4):
        split = split_photographs(folds, categories, fold, training, 0, groups)
        assert sum((f"{name}a" in split.validation) != (f"{name}b" in split.validation) for name in names) == 0
        assert Counter(categories[image] for image in split.validation) == {"fox": 6, "cello": 6}


@given(GROUPED, st.sampled_from([{"folds": 2}, {"folds": 4}, {"holdout": 0.2}, {"holdout": 0.7}]), st.integers(0, 9))
def test_groups_are_dealt_whole(sizes: dict[str, list[int]], how: dict[str, Any], seed: int) -> None:
    categories, groups = grouped(sizes)
    training = Training(models=MODELS, **{"folds": None, **how})
    folds = assign_folds(categories, training, seed, groups=groups)
    assert all(folds[image] == folds[groups[image]] for image in categories)
    for category, listed in sizes.items():
        counts = Counter(folds[image] for image in categories if categories[image] == category)
        assert len(counts) > 1
        if training.folds:  # the largest first, each to the emptiest: folds differ by less than a group
            assert max(counts.values()) - min(counts[fold] for fold in range(training.folds)) <= max(listed)
    for fold in range(training.folds or 1):
        split = split_photographs(folds, categories, fold, training, seed, groups)
        assert split.train | split.validation | split.test == categories.keys()
        for part in (split.train, split.validation):
            assert all((image in part) == (groups[image] in part) for image in categories if image not in split.test)


def test_a_photograph_added_to_a_group_gets_its_fold() -> None:
    training = Training(models=MODELS, folds=3)
    categories = photographs({"a": 9, "b": 9})
    before = assign_folds(categories, training, seed=0)
    added = {**categories, "a9": "a", "b9": "b", "b10": "b"}
    groups = {"a9": "a4", "a4": "a4", "b9": "b1", "b1": "b1", "b2": "b1", "b3": "b1"}
    after = assign_folds(added, training, 0, {**before, "b1": 0, "b2": 2, "b3": 2}, groups)
    assert after["a9"] == before["a4"]
    assert (after["b1"], after["b2"], after["b9"]) == (0, 2, 2)
    assert {image: fold for image, fold in after.items() if image in before} == {**before, "b1": 0, "b2": 2, "b3": 2}


def test_a_group_of_several_categories_stays_together() -> None:
    categories = {**photographs({"a": 6, "b": 6}), "same as a0": "b"}
    groups = {"a0": "a0", "same as a0": "a0"}
    folds = assign_folds(categories, Training(models=MODELS, folds=3), seed=0, groups=groups)
    assert folds["a0"] == folds["same as a0"]


def test_groups_that_cannot_be_divided_are_refused() -> None:
    training = Training(models=MODELS, folds=4)
    categories = photographs({"a": 6, "b": 6})
    with pytest.raises(ConfigError, match="'b' belong together"):
        assign_folds(categories, training, 0, groups={image: "b0" for image in categories if image[0] == "b"})
    pairs = {image: f"{image[0]}{int(image[1:]) // 4}" for image in categories}
    with pytest.raises(ConfigError, match=r"`folds: 5`.* 12 usable photographs in 4 groups"):
        assign_folds(categories, Training(models=MODELS, folds=5), 0, groups=pairs)
    assert fold_notes(categories, training, pairs) == [
        "`folds: 4`, but 'a' has 2, 'b' has 2 groups of photographs: not every fold tests it"
    ]
    tied = {**photographs({"c": 40}), "a0": "a", "a1": "a"}
    chained = {"a0": "x", "a1": "y", **{f"c{n}": "xy"[n < 39] for n in range(40)}}
    both = assign_folds(tied, Training(models=MODELS, folds=2), 0, groups=chained)
    assert both["a0"] != both["a1"]
