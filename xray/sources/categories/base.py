"""The class of categories, and their lookup by folder name or label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from xray.core.errors import ConfigError
from xray.core.plugins import settings

Index = Annotated[int, Field(ge=0, lt=1000)]
_ANY_CASE = "any case: "
"""Begins the labels that are looked up regardless of case."""
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@settings
class Category:
    """A category of objects.

    Args:
        name: any text; unique in a recipe.
        indices: accepted ImageNet-1k class indices, 0–999; none for a category of one's own, which models trained
            within the run know and ImageNet models cannot be asked about.
        wnids: WordNet ids such as `n02119022`; folders of photos may have these names.
        prompts: prompts for inpainted backgrounds, instead of xray's own.
    """

    name: Annotated[str, Field(min_length=1)]
    indices: tuple[Index, ...] = ()
    wnids: tuple[str, ...] = ()
    prompts: tuple[Words, ...] = ()

    @property
    def own(self) -> bool:
        """Whether ImageNet-1k has no class of it."""
        return not self.indices


def normalize_label(label: str) -> str:
    """Normalize case, underscores and white space of a label.

    >>> normalize_label("Red__fox ")
    'red fox'
    """
    return _spaced(label).casefold()


def _spaced(label: str) -> str:
    return " ".join(label.replace("_", " ").split())


def categories_by_label(categories: Iterable[Category]) -> dict[str, Category]:
    """Index the categories by their labels: names and WordNet ids, as written, and normalized where that is unique.

    Raises:
        ConfigError: two categories share a label.
    """
    exact: dict[str, Category] = {}
    normal: dict[str, list[Category]] = defaultdict(list)
    for category in categories:
        for label in {_spaced(text) for text in (category.name, *category.wnids)}:
            other = exact.setdefault(label, category)
            if other is not category:
                raise ConfigError(f"categories {other.name!r} and {category.name!r} have the same label {label!r}")
            normal[normalize_label(label)].append(category)
    unique = {_ANY_CASE + label: first for label, (first, *others) in normal.items() if set(others) <= {first}}
    return exact | unique


def category_of_folder(name: str, by_label: Mapping[str, Category]) -> Category | None:
    """Return the category of a folder name (or label in a table), or None.

    Args:
        name: WordNet id or category name; case, `_` and repeated spaces do not matter.
        by_label: of `categories_by_label`.

    >>> fox = Category(name="red fox", indices=(277,), wnids=("n02119022",))
    >>> category_of_folder("Red_Fox", categories_by_label([fox])).indices
    (277,)
    """
    return by_label.get(_spaced(name)) or by_label.get(_ANY_CASE + normalize_label(name))
