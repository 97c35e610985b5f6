"""Which photographs are trained on, which choose the best epoch, and which are tested.

Decided by source image, so that no object is in train and test, whatever the scenario; and by category, so that each
fold has as many of each as can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.runs.training import Training

NEVER = -1
"""The fold of photographs that are not tested, in a plain split."""


def number_of_folds(training: Training) -> int:
    """How many times a model is trained and tested within a scenario.

    >>> number_of_folds(Training(models=["timm:resnet50"], folds=None, holdout=0.2))
    1
    """
    return training.folds or 1


def assign(
    categories: Mapping[str, str], training: Training, seed: int, before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """The fold in which each photograph is tested.

    Within a category photographs are dealt in the order of a hash, each to the fold that has fewest of the category,
    then fewest of all. Those that have a fold keep it when others are added, so that what was trained stays right.

    Args:
        categories: of the usable photographs, by their ids.
        training: `folds` or `holdout`.
        seed: of the run.
        before: folds that were decided earlier.

    Returns:
        0 … folds − 1 by id; of a plain split 0 for what is tested and -1 for what is not.

    Raises:
        XrayError: a category has a single photograph, or there are fewer photographs than folds.

    >>> assign(dict.fromkeys("abcdef", "fox"), Training(models=["timm:resnet50"], folds=3), seed=0)
    {'a': 1, 'b': 2, 'c': 0, 'd': 0, 'e': 2, 'f': 1}
    """
    folds = dict(before or {})
    by_category: dict[str, list[str]] = {}
    for image in sorted(categories, key=lambda image: digest(seed, "fold", image)):
        by_category.setdefault(categories[image], []).append(image)
    _check_enough(by_category, training)
    total = Counter(folds.values())
    for _, images in sorted(by_category.items()):
        have = Counter(folds[image] for image in images if image in folds)
        fresh = [image for image in images if image not in folds]
        for image in fresh:
            fold = _next_fold(have, total, len(images), training)
            folds[image] = fold
            have[fold] += 1
            total[fold] += 1
    return {image: folds[image] for image in sorted(categories)}


def _next_fold(have: Mapping[int, int], total: Mapping[int, int], size: int, training: Training) -> int:
    if training.folds is not None:
        return min(range(training.folds), key=lambda fold: (have[fold], total[fold], fold))
    assert training.holdout is not None
    return 0 if have[0] < _share_of(size, training.holdout) else NEVER


def _share_of(count: int, share: float) -> int:
    """At least one, and not all."""
    return min(max(1, round(count * share)), count - 1)


def _check_enough(by_category: Mapping[str, Sequence[str]], training: Training) -> None:
    few = [name for name, images in sorted(by_category.items()) if len(images) < 2]
    if few:
        raise XrayError(
            f"a single usable photograph of {', '.join(map(repr, few))}: when it is tested, none is left to train on. "
            "Add photographs, or leave the category out"
        )
    total = sum(len(images) for images in by_category.values())
    if training.folds is not None and total < training.folds:
        raise XrayError(f"`folds: {training.folds}` of {total} usable photographs: a fold needs at least one; lower it")


def fold_remarks(categories: Mapping[str, str], training: Training) -> list[str]:
    """What people should know of the folds: categories that are not tested in each.

    >>> fold_remarks({"a": "fox", "b": "fox", "c": "fox"}, Training(models=["timm:resnet50"], folds=4))
    ["`folds: 4`, but 'fox' has 3 photographs: not every fold tests it"]
    """
    counts = Counter(categories.values())
    few = [f"{name!r} has {count}" for name, count in sorted(counts.items()) if count < number_of_folds(training)]
    return [f"`folds: {training.folds}`, but {', '.join(few)} photographs: not every fold tests it"] if few else []


@dataclass(frozen=True)
class Parts:
    """Ids of the photographs of one trial.

    Args:
        train: the weights are fitted to these.
        validation: these choose the best epoch.
        test: these are predicted with the weights of that epoch.
    """

    train: frozenset[str]
    validation: frozenset[str]
    test: frozenset[str]


def parts(folds: Mapping[str, int], categories: Mapping[str, str], fold: int, training: Training, seed: int) -> Parts:
    """Divide the photographs for one fold.

    Args:
        folds: by id, as `assign` decides.
        categories: by id, of those that are to be divided.
        fold: that is tested.
        training: says which share chooses the best epoch.
        seed: of the run.

    >>> ids = {name: "fox" for name in "abcdef"}
    >>> training = Training(models=["timm:resnet50"], folds=3, validation=0.25)
    >>> divided = parts(assign(ids, training, seed=0), ids, 0, training, seed=0)
    >>> sorted(divided.test), len(divided.validation), len(divided.train)
    (['c', 'd'], 1, 3)
    """
    test = frozenset(image for image in categories if folds[image] == fold)
    rest = [image for image in categories if folds[image] != fold]
    if training.validation == "test":
        return Parts(frozenset(rest), test, test)
    by_category: dict[str, list[str]] = {}
    for image in sorted(rest, key=lambda image: digest(seed, "validation", fold, image)):
        by_category.setdefault(categories[image], []).append(image)
    chosen = {
        image
        for images in by_category.values()
        if len(images) > 1
        for image in images[: _share_of(len(images), training.validation)]
    }
    return Parts(frozenset(rest) - chosen, frozenset(chosen), test)
