"""The split into folds, and of each trial's photographs into training, validation and test.

The split is by photograph, so that no object is in both training and test, whatever the scenario; and by category, so
that each fold has nearly the same number of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xray.core.errors import ConfigError
from xray.core.hashing import digest
from xray.runs.training import Training

NOT_TESTED = -1
"""The fold of photographs that a plain split does not test."""


def number_of_folds(training: Training) -> int:
    """Return how many times a model is trained and tested on a scenario.

    >>> number_of_folds(Training(models=["timm:resnet50"], folds=None, holdout=0.2))
    1
    """
    return training.folds or 1


def assign_folds(
    categories: Mapping[str, str], training: Training, seed: int, before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Assign each photograph the fold in which it is tested.

    The photographs of a category are assigned in the order of a hash, each to the fold with the fewest of the category,
    then with the fewest overall. Photographs that have a fold keep it when others are added, so that earlier trainings
    stay valid.

    Args:
        categories: of the usable photographs, by id.
        training: `folds` or `holdout`.
        seed: of the run.
        before: earlier assignments, by id.

    Returns:
        0 … folds − 1 by id; for a plain split 0 if tested, else `NOT_TESTED`.

    Raises:
        XrayError: a category has only one photograph, or there are fewer photographs than folds.

    >>> assign_folds(dict.fromkeys("abcdef", "fox"), Training(models=["timm:resnet50"], folds=3), seed=0)
    {'a': 1, 'b': 2, 'c': 0, 'd': 0, 'e': 2, 'f': 1}
    """
    folds = dict(before or {})
    by_category: dict[str, list[str]] = {}
    for image in sorted(categories, key=lambda image: digest(seed, "fold", image)):
        by_category.setdefault(categories[image], []).append(image)
    _check_enough(by_category, training)
    total = Counter(folds.values())
    for _, images in sorted(by_category.items()):
        in_category = Counter(folds[image] for image in images if image in folds)
        added = [image for image in images if image not in folds]
        for image in added:
            fold = _next_fold(in_category, total, len(images), training)
            folds[image] = fold
            in_category[fold] += 1
            total[fold] += 1
    return {image: folds[image] for image in sorted(categories)}


def _next_fold(in_category: Mapping[int, int], total: Mapping[int, int], size: int, training: Training) -> int:
    if training.folds is not None:
        return min(range(training.folds), key=lambda fold: (in_category[fold], total[fold], fold))
    assert training.holdout is not None
    return 0 if in_category[0] < _count_of(size, training.holdout) else NOT_TESTED


def _count_of(count: int, share: float) -> int:
    """Return a share of a count as a number: at least one, and not all."""
    return min(max(1, round(count * share)), count - 1)


def _check_enough(by_category: Mapping[str, Sequence[str]], training: Training) -> None:
    few = [name for name, images in sorted(by_category.items()) if len(images) < 2]
    if few:
        raise ConfigError(
            f"only one usable photograph of {', '.join(map(repr, few))}: when it is tested, none is left to train on. "
            "Add photographs, or remove the category"
        )
    total = sum(len(images) for images in by_category.values())
    if training.folds is not None and total < training.folds:
        raise ConfigError(f"`folds: {training.folds}`, but only {total} usable photographs: lower it")


def fold_notes(categories: Mapping[str, str], training: Training) -> list[str]:
    """Return notes for readers of the run: the categories that some folds do not test.

    >>> fold_notes({"a": "fox", "b": "fox", "c": "fox"}, Training(models=["timm:resnet50"], folds=4))
    ["`folds: 4`, but 'fox' has 3 photographs: not every fold tests it"]
    """
    counts = Counter(categories.values())
    few = [f"{name!r} has {count}" for name, count in sorted(counts.items()) if count < number_of_folds(training)]
    return [f"`folds: {training.folds}`, but {', '.join(few)} photographs: not every fold tests it"] if few else []


@dataclass(frozen=True)
class Split:
    """The ids of the photographs of one trial.

    Args:
        train: used to fit the weights.
        validation: used to choose the best epoch.
        test: predicted with the weights of that epoch.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


def split_photographs(
    folds: Mapping[str, int], categories: Mapping[str, str], fold: int, training: Training, seed: int
) -> Split:
    """Split the photographs for one fold.

    Args:
        folds: by id, as `assign_folds` returns them.
        categories: by id; only these photographs are split.
        fold: the tested fold.
        training: its `validation` is the share that chooses the best epoch.
        seed: of the run.

    >>> ids = {name: "fox" for name in "abcdef"}
    >>> training = Training(models=["timm:resnet50"], folds=3, validation=0.25)
    >>> split = split_photographs(assign_folds(ids, training, seed=0), ids, 0, training, seed=0)
    >>> sorted(split.test), len(split.validation), len(split.train)
    (['c', 'd'], 1, 3)
    """
    test = frozenset(image for image in categories if folds[image] == fold)
    rest = [image for image in categories if folds[image] != fold]
    if training.validation == "test":
        return Split(frozenset(rest), test, test)
    by_category: dict[str, list[str]] = {}
    for image in sorted(rest, key=lambda image: digest(seed, "validation", fold, image)):
        by_category.setdefault(categories[image], []).append(image)
    chosen = {
        image
        for images in by_category.values()
        if len(images) > 1
        for image in images[: _count_of(len(images), training.validation)]
    }
    return Split(frozenset(rest) - chosen, frozenset(chosen), test)
