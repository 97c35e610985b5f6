"""Categories of the benchmark, built in by name or defined in a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from xray.core.errors import ConfigError, unknown
from xray.sources.categories.base import Category, categories_by_label, category_of_folder
from xray.sources.categories.imagenet1k import imagenet1k_classes
from xray.sources.categories.stamps12 import STAMPS12
from xray.sources.categories.ximagenet12 import XIMAGENET12

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["BUILT_IN", "Category", "categories_by_label", "category_of_folder", "load_categories"]

BUILT_IN: Mapping[str, Callable[[], tuple[Category, ...]]] = {
    "ximagenet12": lambda: XIMAGENET12,
    "stamps12": lambda: STAMPS12,
    "imagenet1k": imagenet1k_classes,
}
"""Built-in sets of categories by name."""

_CATEGORY = TypeAdapter(Category)
_MESSAGES = {
    "tuple_type": "a list is needed",
    "too_short": "list the accepted ImageNet-1k indices, such as [277, 278]",
}


def load_categories(spec: str | Mapping[str, Sequence[int] | Mapping[str, Any]]) -> tuple[Category, ...]:
    """Load the categories of a recipe.

    Args:
        spec: name of a built-in set (see `BUILT_IN`), or category names, each with its ImageNet-1k indices or with
            `{indices: …, wnids: …, prompts: …}`.

    Raises:
        ConfigError: unknown set, no category, or an invalid entry.

    >>> load_categories({"fox": [277, 278], "crab": {"indices": [118], "wnids": ["n01978287"]}})[1].wnids
    ('n01978287',)
    """
    if isinstance(spec, str):
        if spec not in BUILT_IN:
            raise unknown("set of categories", spec, BUILT_IN)
        return BUILT_IN[spec]()
    if not spec:
        raise ConfigError(f"no categories: name a built-in set ({', '.join(BUILT_IN)}), or define categories")
    categories = tuple(_category(name, entry) for name, entry in spec.items())
    categories_by_label(categories)
    return categories


def _category(name: object, entry: object) -> Category:
    fields = {**entry} if isinstance(entry, Mapping) else {"indices": entry}
    if "name" in fields:
        raise ConfigError(f"category {name!r}: remove `name`, which is its key")
    try:
        return _CATEGORY.validate_python({"name": name, **fields})
    except ValidationError as error:
        raise ConfigError(f"category {name!r}: {'; '.join(map(_message, error.errors()))}") from error


def _message(problem: ErrorDetails) -> str:
    message = _MESSAGES.get(problem["type"], problem["msg"])
    return f"{'.'.join(map(str, problem['loc']))}: {message} (got {problem['input']!r})"
