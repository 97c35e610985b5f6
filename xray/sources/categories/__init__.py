"""Categories: what the benchmark asks for, built in by name or written out in a recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from xray.core.errors import XrayError, unknown
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
"""Sets of categories by name."""

_CATEGORY = TypeAdapter(Category)
_IN_OUR_WORDS = {
    "tuple_type": "a list is needed",
    "too_short": "name the ImageNet-1k classes that count as right, such as [277, 278]",
}


def load_categories(spec: str | Mapping[str, Sequence[int] | Mapping[str, Any]]) -> tuple[Category, ...]:
    """The categories that a recipe asks for.

    Args:
        spec: the name of a built-in set (see `BUILT_IN`), or category names, each with its ImageNet-1k indices or
            with `{indices: …, wnids: …, prompts: …}`.

    Raises:
        XrayError: no such set, no category at all, or an entry that is none.

    >>> load_categories({"fox": [277, 278], "crab": {"indices": [118], "wnids": ["n01978287"]}})[1].wnids
    ('n01978287',)
    """
    if isinstance(spec, str):
        if spec not in BUILT_IN:
            raise unknown("set of categories", spec, BUILT_IN)
        return BUILT_IN[spec]()
    if not spec:
        raise XrayError(f"no categories: name a built-in set ({', '.join(BUILT_IN)}), or write some out")
    found = tuple(_category(name, entry) for name, entry in spec.items())
    categories_by_label(found)
    return found


def _category(name: object, entry: object) -> Category:
    fields = {**entry} if isinstance(entry, Mapping) else {"indices": entry}
    if "name" in fields:
        raise XrayError(f"category {name!r}: `name` is its key already")
    try:
        return _CATEGORY.validate_python({"name": name, **fields})
    except ValidationError as error:
        raise XrayError(f"category {name!r}: {'; '.join(map(_explained, error.errors()))}") from error


def _explained(problem: ErrorDetails) -> str:
    said = _IN_OUR_WORDS.get(problem["type"], problem["msg"])
    return f"{'.'.join(map(str, problem['loc']))}: {said} (got {problem['input']!r})"
