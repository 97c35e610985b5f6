from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.runs.folds import NEVER, assign, fold_remarks, parts
from xray.runs.training import Training

MODELS = ["timm:resnet50"]
SIZES = st.dictionaries(st.sampled_from("abcd"), st.integers(4, 15), min_size=1)


def photographs(sizes: dict[str, int]) -> dict[str, str]:
    return {f"{category}{number}": category for category, size in sizes.items() for number in range(size)}


@given(SIZES, st.integers(2, 4), st.integers(0, 2**63 - 1))
def test_folds_divide_each_category_and_all_evenly(sizes: dict[str, int], folds: int, seed: int) -> None:
    categories = photographs(sizes)
    dealt = assign(categories, Training(models=MODELS, folds=folds), seed)
    assert dealt.keys() == categories.keys()
    for category, size in sizes.items():
        counts = Counter(dealt[image] for image in categories if categories[image] == category)
        assert {counts[fold] for fold in range(folds)} <= {size // folds, -(-size // folds)}
    counts = Counter(dealt.values())
    assert max(counts.values()) - min(counts[fold] for fold in range(folds)) <= 1


@given(SIZES, st.integers(0, 9), st.randoms())
def test_folds_do_not_depend_on_the_order_of_photographs(sizes: dict[str, int], seed: int, random: object) -> None:
    categories = photographs(sizes)
    names = sorted(categories)
    random.shuffle(names)  # type: ignore[attr-defined]
    training = Training(models=MODELS, folds=3)
    assert assign({name: categories[name] for name in names}, training, seed) == assign(categories, training, seed)


@given(SIZES, SIZES)
def test_photographs_that_are_added_change_nobody_elses_fold(first: dict[str, int], more: dict[str, int]) -> None:
    training = Training(models=MODELS, folds=4)
    before = assign(photographs(first), training, seed=0)
    added = {category: first.get(category, 0) + more.get(category, 0) for category in first.keys() | more.keys()}
    after = assign(photographs(added), training, seed=0, before=before)
    assert {image: after[image] for image in before} == before
    counts = Counter(after[image] for image, category in photographs(added).items() if category == "a")
    assert not counts or max(counts.values()) - min(counts[fold] for fold in range(4)) <= 1


def test_another_seed_deals_otherwise() -> None:
    categories = photographs({"a": 12})
    training = Training(models=MODELS, folds=3)
    assert assign(categories, training, seed=0) != assign(categories, training, seed=1)


def test_a_plain_split_tests_its_share_of_each_category_once() -> None:
    categories = photographs({"a": 10, "b": 5, "c": 2})
    dealt = assign(categories, Training(models=MODELS, folds=None, holdout=0.2), seed=0)
    assert set(dealt.values()) == {0, NEVER}
    assert Counter(categories[image] for image, fold in dealt.items() if fold == 0) == {"a": 2, "b": 1, "c": 1}


@given(SIZES, st.integers(0, 3), st.floats(0.05, 0.9), st.integers(0, 9))
def test_parts_are_disjoint_and_leave_nothing_out(sizes: dict[str, int], fold: int, share: float, seed: int) -> None:
    categories = photographs(sizes)
    training = Training(models=MODELS, folds=4, validation=share)
    dealt = assign(categories, training, seed)
    divided = parts(dealt, categories, fold, training, seed)
    assert divided.train | divided.validation | divided.test == categories.keys()
    assert len(divided.train) + len(divided.validation) + len(divided.test) == len(categories)
    assert divided.test == {image for image in categories if dealt[image] == fold}
    assert {categories[image] for image in divided.train} == set(sizes)  # no category is left without training images
    assert {categories[image] for image in divided.validation} == set(sizes)


def test_every_photograph_is_tested_exactly_once() -> None:
    categories = photographs({"a": 7, "b": 9})
    training = Training(models=MODELS, folds=4)
    dealt = assign(categories, training, seed=3)
    tested = [image for fold in range(4) for image in parts(dealt, categories, fold, training, 3).test]
    assert sorted(tested) == sorted(categories)


def test_the_published_code_chooses_by_what_it_tests() -> None:
    categories = photographs({"a": 10, "b": 10})
    training = Training(models=MODELS, folds=None, holdout=0.2, validation="test")
    divided = parts(assign(categories, training, 0), categories, 0, training, 0)
    assert divided.validation == divided.test
    assert not divided.train & divided.test


def test_a_category_with_fewer_photographs_than_folds_is_named_and_tested_once_all_the_same() -> None:
    categories, training = photographs({"a": 7, "b": 3}), Training(models=MODELS, folds=5)
    assert fold_remarks(categories, training) == ["`folds: 5`, but 'b' has 3 photographs: not every fold tests it"]
    assert fold_remarks(categories, Training(models=MODELS, folds=3)) == []
    dealt = assign(categories, training, seed=0)
    assert sorted(Counter(dealt[image] for image in categories if image.startswith("b")).values()) == [1, 1, 1]
    assert Counter(dealt.values()) == dict.fromkeys(range(5), 2)


def test_what_leaves_nothing_to_train_or_to_test_is_refused() -> None:
    for training in (Training(models=MODELS, folds=3), Training(models=MODELS, folds=None, holdout=0.5)):
        with pytest.raises(XrayError, match=r"a single usable photograph of 'b', 'c': when it is tested, none is left"):
            assign(photographs({"a": 5, "b": 1, "c": 1}), training, seed=0)
    with pytest.raises(XrayError, match=r"`folds: 12` of 6 usable photographs: a fold needs at least one; lower it"):
        assign(photographs({"a": 4, "b": 2}), Training(models=MODELS, folds=12), seed=0)
