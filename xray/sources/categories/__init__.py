"""Categories of the benchmark, built in by name or defined in a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from xray.core.errors import ConfigError, unknown
from xray.sources.categories.animals import ANIMALS
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.entry import entry_fields
from xray.sources.categories.imagenet1k import imagenet1k_classes
from xray.sources.categories.reading import read_label
from xray.sources.categories.ximagenet12 import XIMAGENET12

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["BUILT_IN", "Category", "categories_by_label", "category_of_folder", "load_categories"]

BUILT_IN: Mapping[str, Callable[[], tuple[Category, ...]]] = {
    "ximagenet12": lambda: XIMAGENET12,
    "animals": lambda: ANIMALS,
    "imagenet1k": imagenet1k_classes,
}
"""Built-in sets of categories by name."""

_CATEGORY = TypeAdapter(Category)


def load_categories(spec: str | Sequence[Any] | Mapping[str, Any]) -> tuple[Category, ...]:
    """Load the categories of a recipe.

    Args:
        spec: name of a built-in set (see `BUILT_IN`); a list of labels, such as `[dog, cat, bird]`; or category names,
            each with its classes: ImageNet-1k indices, ranges such as `151-268`, WordNet ids and words, alone or in a
            list, or `{indices: …, wnids: …, prompts: …}`. An empty mapping is a category that ImageNet lacks.

    Raises:
        ConfigError: unknown set, no category, an open line, or an ambiguous, unknown or invalid entry; `where` is the
            category.

    >>> load_categories({"fox": [277, 278], "crab": {"indices": [118], "wnids": ["n01978287"]}})[1].wnids
    ('n01978287',)
    >>> [(one.name, len(one.indices)) for one in load_categories(["dog", {"pet": ["tabby", "151-268"]}])]
    [('dog', 118), ('pet', 119)]
    """
    if isinstance(spec, str):
        if spec not in BUILT_IN:
            reading = read_label(spec)
            hint = f"; for one category write `categories: [{spec}]`" if reading.classes else ""
            raise ConfigError(f"{unknown('set of categories', spec, BUILT_IN)}{hint}")
        return BUILT_IN[spec]()
    if spec is not None and not isinstance(spec, Mapping | list | tuple):
        raise ConfigError(f"`categories` is a built-in set, a list of labels, or names with classes; got {spec!r}")
    entries = spec if isinstance(spec, Mapping) else _entries(spec or ())
    if not entries:
        raise ConfigError(f"no categories: name a built-in set ({', '.join(BUILT_IN)}), or define categories")
    categories: list[Category] = []
    errors: list[ConfigError] = []
    for name, entry in entries.items():
        try:
            categories.append(_category(name, entry))
        except ConfigError as error:
            errors.append(error)
    if errors:
        raise ConfigError("\n".join(map(str, errors)), errors[0].where)
    categories_by_label(categories)
    return tuple(categories)


def _entries(items: Sequence[Any]) -> dict[str, Any]:
    """Return the entries of a list of labels, in which mappings give names to classes."""
    entries: dict[str, Any] = {}
    for number, item in enumerate(items):
        for name, entry in item.items() if isinstance(item, Mapping) else [(str(item), item)]:
            if not isinstance(name, str) or isinstance(item, list):
                raise ConfigError(f"{item!r} is no label: write a list of labels such as [dog, cat]", (number,))
            if name in entries:
                raise ConfigError(f"category {name!r} appears twice", (number,))
            entries[name] = entry
    return entries


def _category(name: str, entry: Any) -> Category:
    fields = entry_fields(name, entry)
    if "name" in fields:
        raise ConfigError(f"category {name!r}: remove `name`, which is its key", (name,))
    try:
        return _CATEGORY.validate_python({"name": name, **fields})
    except ValidationError as error:
        raise ConfigError(f"category {name!r}: {'; '.join(map(_message, error.errors()))}", (name,)) from error


def _message(problem: ErrorDetails) -> str:
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']} (got {problem['input']!r})"
