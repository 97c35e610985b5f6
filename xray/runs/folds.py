"""The split into folds, and of each trial's photographs into training, validation and test.

The split is by photograph, so that no object is in both training and test, whatever the scenario; by group, so that
photographs that belong together (see `xray.runs.groups`) are on the same side; and by category, so that each fold has
nearly the same number of each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from xray.core.errors import ConfigError
from xray.core.hashing import digest
from xray.runs.groups import Groups, together
from xray.runs.training import Training

Block = tuple[str, ...]
"""Photographs that belong together, or one alone."""

NOT_TESTED = -1
"""The fold of photographs that a plain split does not test."""


def number_of_folds(training: Training) -> int:
    """Return how many times a model is trained and tested on a scenario.

    >>> number_of_folds(Training(models=["timm:resnet50"], folds=None, holdout=0.2))
    1
    """
    return training.folds or 1


def assign_folds(
    categories: Mapping[str, str],
    training: Training,
    seed: int,
    before: Mapping[str, int] | None = None,
    groups: Groups | None = None,
) -> dict[str, int]:
    """Assign each photograph the fold in which it is tested.

    Groups of several photographs come first, the largest before others, each to the fold with the fewest photographs of
    its categories, then with the fewest overall. The other photographs of a category follow in the order of a hash in
    the same way. Photographs that have a fold keep it when others are added, so that earlier trainings stay valid; what
    is added to a group gets the fold that most of it has.

    Args:
        categories: of the usable photographs, by id.
        training: `folds` or `holdout`.
        seed: of the run.
        before: earlier assignments, by id.
        groups: of the photographs, by id, as `photo_groups` returns them; None: each is its own.

    Returns:
        0 … folds − 1 by id; for a plain split 0 if tested, else `NOT_TESTED`.

    Raises:
        XrayError: a category has only one photograph or group, or there are fewer of them than folds.

    >>> assign_folds(dict.fromkeys("abcdef", "fox"), Training(models=["timm:resnet50"], folds=3), seed=0)
    {'a': 1, 'b': 2, 'c': 0, 'd': 0, 'e': 2, 'f': 1}
    """
    ordered = sorted(categories, key=lambda image: digest(seed, "fold", image))
    blocks = together(ordered, groups or {})
    _check_enough(blocks, categories, training)
    folds = dict(before or {})
    for block in blocks:
        if known := Counter(folds[image] for image in block if image in folds):
            fold = min(known, key=lambda fold: (-known[fold], fold))
            folds |= {image: fold for image in block if image not in folds}
    if training.folds is None:
        assert training.holdout is not None
        decided = {image for image in ordered if image in folds}
        tested = _take_share(blocks, categories, training.holdout, {one for one in decided if not folds[one]}, decided)
        folds |= {image: 0 if image in tested else NOT_TESTED for image in ordered if image not in folds}
    else:
        _deal([block for block in blocks if block[0] not in folds], categories, training.folds, folds)
    _check_left(blocks, categories, folds)
    return {image: folds[image] for image in sorted(categories)}


def _deal(blocks: Iterable[Block], categories: Mapping[str, str], number: int, folds: dict[str, int]) -> None:
    """Put blocks into folds, beside the photographs that have one; see `assign_folds`."""
    total = Counter(folds.values())
    in_category: dict[str, Counter[int]] = defaultdict(Counter)
    for image in categories.keys() & folds.keys():
        in_category[categories[image]][folds[image]] += 1
    for block in sorted(blocks, key=lambda block: (-len(block), categories[block[0]] if len(block) == 1 else "")):
        own = Counter(categories[image] for image in block)
        crowded = [sum(n * in_category[name][fold] for name, n in own.items()) for fold in range(number)]
        fold = min(range(number), key=lambda fold: (crowded[fold], total[fold], fold))
        for image in block:
            folds[image] = fold
            in_category[categories[image]][fold] += 1
            total[fold] += 1


def _take_share(
    blocks: Sequence[Block],
    categories: Mapping[str, str],
    share: float,
    taken: Collection[str] = (),
    decided: Collection[str] = (),
) -> set[str]:
    """Choose blocks of about a share of the photographs of each category, groups of several first.

    Args:
        blocks: all photographs, in the order in which they are considered.
        categories: by id.
        share: of each category, in (0, 1): at least one photograph, and not all.
        taken: photographs that are chosen already.
        decided: photographs that cannot be chosen any more, and those that are.
    """
    sizes = Counter(categories[image] for block in blocks for image in block)
    wanted = {name: _count_of(size, share) if size > 1 else 0 for name, size in sizes.items()}
    count = Counter(categories[image] for image in taken)
    chosen = set(taken)
    undecided = sorted((block for block in blocks if block[0] not in decided), key=lambda block: len(block) == 1)

    def take(block: Block) -> None:
        chosen.update(block)
        count.update(categories[image] for image in block)

    for block in undecided:
        own = Counter(categories[image] for image in block)
        (name, number), *_ = own.most_common(1)
        if _leaves_some(own, count, sizes) and count[name] + number / 2 <= wanted[name]:
            take(block)
    for name in sorted(name for name, number in wanted.items() if number):
        if not count[name]:  # all its groups are larger than what is wanted: the smallest one
            for block in sorted(undecided, key=len):
                own = Counter(categories[image] for image in block)
                if name in own and block[0] not in chosen and _leaves_some(own, count, sizes):
                    take(block)
                    break
    return chosen


def _leaves_some(own: Counter[str], count: Counter[str], sizes: Counter[str]) -> bool:
    """Whether photographs of each category of a block are left when it is taken beside those that are."""
    return all(count[name] + number < sizes[name] for name, number in own.items())


def _count_of(count: int, share: float) -> int:
    """Return a share of a count as a number: at least one, and not all."""
    return min(max(1, round(count * share)), count - 1)


def _check_enough(blocks: Sequence[Block], categories: Mapping[str, str], training: Training) -> None:
    photographs = Counter(categories[image] for block in blocks for image in block)
    few = [name for name, count in sorted(photographs.items()) if count < 2]
    if few:
        raise ConfigError(
            f"only one usable photograph of {', '.join(map(repr, few))}: when it is tested, none is left to train on. "
            "Add photographs, or remove the category"
        )
    one = [name for name, count in sorted(_blocks_by_category(blocks, categories).items()) if count < 2]
    if one:
        raise ConfigError(
            f"all usable photographs of {', '.join(map(repr, one))} belong together (named groups, or copies of a "
            "file): when they are tested, none is left to train on. Add other photographs, or remove the category"
        )
    if training.folds is not None and len(blocks) < training.folds:
        total = sum(photographs.values())
        apart = "" if len(blocks) == total else f" in {len(blocks)} groups"
        raise ConfigError(f"`folds: {training.folds}`, but only {total} usable photographs{apart}: lower it")


def _check_left(blocks: Sequence[Block], categories: Mapping[str, str], folds: Mapping[str, int]) -> None:
    """Check that groups of several categories leave photographs of each to train on."""
    if all(len(block) == 1 for block in blocks):
        return
    used: dict[str, set[int]] = defaultdict(set)
    for image, category in categories.items():
        used[category].add(folds[image])
    if lacking := [name for name, numbers in sorted(used.items()) if len(numbers) < 2]:
        raise ConfigError(
            f"the groups of photographs put all of {', '.join(map(repr, lacking))} into one fold, so that none is left "
            "to train on: add photographs in other groups, or remove the category"
        )


def _blocks_by_category(blocks: Iterable[Block], categories: Mapping[str, str]) -> Counter[str]:
    return Counter(name for block in blocks for name in {categories[image] for image in block})


def fold_notes(categories: Mapping[str, str], training: Training, groups: Groups | None = None) -> list[str]:
    """Return notes for readers of the run: the categories that some folds do not test.

    >>> fold_notes({"a": "fox", "b": "fox", "c": "fox"}, Training(models=["timm:resnet50"], folds=4))
    ["`folds: 4`, but 'fox' has 3 photographs: not every fold tests it"]
    """
    blocks = together(list(categories), groups or {})
    counts = _blocks_by_category(blocks, categories)
    few = [f"{name!r} has {count}" for name, count in sorted(counts.items()) if count < number_of_folds(training)]
    apart = "photographs" if len(blocks) == len(categories) else "groups of photographs"
    return [f"`folds: {training.folds}`, but {', '.join(few)} {apart}: not every fold tests it"] if few else []


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
    folds: Mapping[str, int],
    categories: Mapping[str, str],
    fold: int,
    training: Training,
    seed: int,
    groups: Groups | None = None,
) -> Split:
    """Split the photographs for one fold.

    Args:
        folds: by id, as `assign_folds` returns them.
        categories: by id; only these photographs are split.
        fold: the tested fold.
        training: its `validation` is the share that chooses the best epoch.
        seed: of the run.
        groups: of the photographs, by id: those of a group are all fitted, or all validated; None: each is alone.

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
    blocks = together(sorted(rest, key=lambda image: digest(seed, "validation", fold, image)), groups or {})
    chosen = _take_share(blocks, categories, training.validation)
    return Split(frozenset(rest) - chosen, frozenset(chosen), test)
