"""Check, while planning, that there are donors, and what they tell about the photographs whose background they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.types import DonorRule
from xray.pipeline.plan.groups import categories_by_group
from xray.pipeline.plan.removal import removable_donors
from xray.pipeline.plan.rings import Pool
from xray.runs.folder import RunFolder
from xray.runs.groups import Groups
from xray.runs.recipe import Recipe, ScenarioEntry
from xray.sources.base import join_names

_FEW_DONORS = 5
_FEW_CATEGORIES = 4
"""With fewer, a donor of another category tells much about the object's own."""


def check_donors(
    source: pa.Table, backgrounds: pa.Table, recipe: Recipe, folds: Mapping[str, int], groups: Groups | None = None
) -> list[str]:
    """Check that photographs have donors, and note where there are few, or where they tell the object's category.

    Args:
        source: all photographs (SOURCE).
        backgrounds: the pool (BACKGROUNDS).
        recipe: with all scenarios of the run, and the bank that was chosen.
        folds: of the photographs, by id, if donors are of the photograph's fold; otherwise empty.
        groups: of the photographs that are not alone, by id.

    Raises:
        ConfigError: a category has none, or no photograph has one.
    """
    own = recipe.backgrounds.shows_objects
    removable = removable_donors(backgrounds, source, recipe.masks) if recipe.removes_donors else None
    pool = Pool(backgrounds, folds or None, removable)
    usable = source.filter(pc.equal(source["status"], schema.OK))
    pairs = zip(usable["image_id"].to_pylist(), usable["category"].to_pylist(), strict=True)
    photographs = Counter((category, pool.fold_of(image)) for image, category in pairs)
    together = categories_by_group(usable, groups or {})
    notes: list[str] = []
    for rule, names in rules_of(recipe.scenarios).items():
        supply = _Supply.of(pool, backgrounds, rule, own, {image for images in together for image in images})
        notes += _lacking(names, rule, photographs, supply, recipe, supply.only_twins(together))
        notes += _telling(names, rule, {category for category, _ in photographs}, backgrounds, recipe)
    return notes


def rules_of(scenarios: Mapping[str, ScenarioEntry]) -> dict[DonorRule, str]:
    """Return the rules by which donors are sampled, each with the names of its scenarios."""
    names: dict[DonorRule, list[str]] = {}
    for name, entry in scenarios.items():
        if (rule := entry.scenario.donor_rule) is not None:
            names.setdefault(rule, []).append(name)
    return {rule: join_names(some) for rule, some in names.items()}


@dataclass(frozen=True)
class _Supply:
    """How many donors suit a rule, by category and fold; `grouped`: ids of those that are not alone."""

    pool: Pool
    rule: DonorRule
    own: bool
    counts: Counter[tuple[str | None, int]]
    total: Counter[int]
    grouped: Container[str]

    @classmethod
    def of(cls, pool: Pool, backgrounds: pa.Table, rule: DonorRule, own: bool, grouped: Container[str]) -> Self:
        rows = pa.array(pool.order[pool.ring(rule).donors])
        suitable = backgrounds.select(["donor_id", "category"]).take(rows)
        ids = suitable["donor_id"].to_pylist()
        pairs = zip(ids, suitable["category"].to_pylist(), strict=True)
        counts = Counter((category, pool.fold_of(name)) for name, category in pairs)
        total: Counter[int] = Counter()
        for (_, fold), count in counts.items():
            total[fold] += count
        return cls(pool, rule, own, counts, total, {image for image in ids if image in grouped})

    def donors(self, category: str, fold: int) -> int:
        """Return how many suit a photograph of a category and fold; it may be one of them itself."""
        among_own = self.counts[category, fold]
        if self.rule.category == "other":
            return self.total[fold] - among_own
        if self.rule.category == "next":
            return self.counts[self.pool.after(category), fold]
        return among_own if self.rule.category == "same" else self.total[fold]

    @property
    def _itself(self) -> bool:
        """Whether a photograph is among the donors that suit it, and must not be chosen."""
        return self.own and self.rule.exclude_self and self.rule.category in ("any", "same")

    def choices(self, category: str, fold: int) -> int:
        """Return how many donors a photograph of a category and fold can choose from, without itself."""
        return max(0, self.donors(category, fold) - (self._itself and self.rule.complexity is None))

    def only_twins(self, together: Iterable[Mapping[str, str]]) -> Counter[str]:
        """Count, by category, the photographs whose donors are all of their own group, which must not serve.

        Args:
            together: categories of the photographs of each group of several, by id.
        """
        found: Counter[str] = Counter()
        for images in together if self.own and self.rule.exclude_self else ():
            for image, category in images.items():
                fold = self.pool.fold_of(image)
                wanted = {"same": category, "next": self.pool.after(category)}.get(self.rule.category)
                twins = sum(
                    one in self.grouped
                    and self.pool.fold_of(one) == fold
                    and (of == wanted if wanted is not None else self.rule.category == "any" or of != category)
                    for one, of in images.items()
                )
                found[category] += 1 < twins == self.donors(category, fold) or (
                    twins == 1 == self.donors(category, fold) and not self._itself
                )
        return found

    def without(self, category: str, fold: int, count: int) -> int:
        """Return how many of the photographs of a category and fold have no donor, or only themselves."""
        donors = self.donors(category, fold)
        if donors == 1 and self._itself:
            return min(count, self.counts[category, fold])
        return 0 if donors else count


def _lacking(
    names: str,
    rule: DonorRule,
    photographs: Counter[tuple[str, int]],
    supply: _Supply,
    recipe: Recipe,
    without: Counter[str],
) -> Iterator[str]:
    """Note categories without donors for some photographs, or with few; refuse those without any.

    `without`: photographs by category whose donors are all of their own group.
    """
    donors: dict[str, int] = {}
    total: Counter[str] = Counter()
    for (category, fold), count in sorted(photographs.items()):
        total[category] += count
        without[category] += supply.without(category, fold, count)
        donors[category] = min(donors.get(category, len(supply.pool)), supply.choices(category, fold))
    none = [category for category, count in total.items() if without[category] == count]
    if none and (rule.category != "same" or len(none) == len(total)):
        raise ConfigError(_no_donor(names, rule, none, len(supply.pool)))
    if lacking := [f"{category!r} {count:,}" for category, count in without.items() if count]:
        share = without.total() / photographs.total()
        wanted = _WANTED[rule.category] + (" of that complexity" if rule.complexity else "")
        wanted += " in the same fold" if supply.pool.keeps_folds(rule) else ""
        yield (
            f"{names}: no background for {without.total():,} photographs ({join_names(lacking)}): none is "
            f"{wanted}. Their images are left out: add photographs"
            + (f", or write `bad_rows: {min(1.0, -(-share * 100 // 1) / 100):g}`" if share > recipe.bad_rows else "")
        )
    few = [f"{category!r} {count}" for category, count in donors.items() if 0 < count < _FEW_DONORS]
    if few:
        yield f"{names}: few backgrounds to choose from: {join_names(few)}"


_WANTED = {
    "any": "another photograph",
    "same": "another photograph of their category",
    "other": "a photograph of another category",
    "next": "a photograph of the category after theirs",
}


def _no_donor(names: str, rule: DonorRule, none: list[str], count: int) -> str:
    advice = {
        "same": "`category: any`, or add photographs",
        "next": "`category: any`, or add photographs",
        "other": "`category: any`, or `backgrounds: {kind: photos, root: FOLDER}` with photographs of other things, or "
        "`backgrounds: {kind: drawn}`",
        "any": "`backgrounds: {kind: photos, root: FOLDER}`, or `backgrounds: {kind: drawn}`",
    }[rule.category]
    return (
        f"{names}: for {join_names(map(repr, none))} none of {count:,} backgrounds that can be used is "
        f"{_WANTED[rule.category]}. Write {advice}"
    )


def _telling(names: str, rule: DonorRule, categories: set[str], backgrounds: pa.Table, recipe: Recipe) -> Iterator[str]:
    """Note that donors tell the category of the object, if they are never of its own and there are few others."""
    count = len(categories)
    known = categories & set(backgrounds["category"].unique().to_pylist())
    tells = rule.category == "other" and count < _FEW_CATEGORIES
    tells |= rule.category == "next" and (count < _FEW_CATEGORIES or recipe.training is not None)
    if tells and len(known) > 1:
        share = 1 / (count - 1) if rule.category == "other" else 1
        yield (
            f"{names}: the background tells the category, since there are {count} and its own never appears there: who "
            f"knows backgrounds alone is right for {share:.0%} of the images instead of {1 / count:.0%}. Write "
            "`category: any`, and `donor: removed`, or train no model on it"
        )


def check_earlier_donors(run: RunFolder, recipe: Recipe, folds: Mapping[str, int]) -> list[str]:
    """Check that no planned image has a donor of another fold: a model would be tested on what it was trained on.

    Args:
        run: planned before or not.
        recipe: the new one.
        folds: of the photographs in the new plan, by id; empty: nothing is trained.

    Raises:
        ConfigError: the folds are new, and some image has.
    """
    if not folds or not run.plan.exists or not recipe.backgrounds.shows_objects:
        return []
    rows = run.store.table("plan", ["image_id", "donor_id", "scenario"], pc.field("donor_id").is_valid())
    pairs = zip(*(rows[name].to_pylist() for name in ("image_id", "donor_id")), strict=True)
    crossing = [folds.get(image) != folds.get(donor) for image, donor in pairs]
    if not any(crossing):
        return []
    scenarios = join_names(rows.filter(pa.array(crossing))["scenario"].unique().to_pylist())
    said = (
        f"{sum(crossing):,} planned images of {scenarios} show a photograph of another fold: models would be trained "
        "on photographs that they are tested on"
    )
    training, earlier = recipe.training, run.recipe.training
    if training is None or earlier is None or (earlier.folds, earlier.holdout) != (training.folds, training.holdout):
        raise ConfigError(f"`training`: {said}. `--replan` the run: only these images are made again")
    return [f"{said}; `xray plan` with --replan chooses others"]


def check_first(recipe: Recipe, first: int | None, left_out: pa.Table) -> None:
    """Check that a plan of the first photographs has two of each category, if they are to be each other's donors.

    Args:
        recipe: of the plan.
        first: the most photographs of a category; None: all.
        left_out: photographs that are not planned (SOURCE).

    Raises:
        ConfigError: it has not.
    """
    names = [names for rule, names in rules_of(recipe.scenarios).items() if rule.category == "same" and rule.removed]
    if first == 1 and names and recipe.removes_donors and len(left_out):
        raise ConfigError(
            f"{join_names(names)}: the background is another photograph of the category, and --first 1 plans only one: "
            "write --first 2"
        )
