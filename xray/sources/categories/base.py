"""What a category is, and which one a folder or label means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from xray.core.errors import XrayError
from xray.core.plugins import settings

Index = Annotated[int, Field(ge=0, lt=1000)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@settings
class Category:
    """What the benchmark asks for.

    Args:
        name: any text; unique in a recipe.
        indices: the ImageNet-1k class indices (0–999) that count as right.
        wnids: WordNet ids such as `n02119022`, by which photo folders may be called.
        prompts: worlds to paint around the object, in place of xray's own.
    """

    name: Annotated[str, Field(min_length=1)]
    indices: Annotated[tuple[Index, ...], Field(min_length=1)]
    wnids: tuple[str, ...] = ()
    prompts: tuple[Words, ...] = ()


def plain(label: str) -> str:
    """A label without what people write differently: case, underscores, runs of white space.

    >>> plain("Red__fox ")
    'red fox'
    """
    return " ".join(label.replace("_", " ").casefold().split())


def categories_by_label(categories: Iterable[Category]) -> dict[str, Category]:
    """The categories by each of their labels, the plain name and WordNet ids.

    Raises:
        XrayError: two categories share a label, so that a folder of that name could be either.
    """
    found: dict[str, Category] = {}
    for category in categories:
        for label in {plain(text) for text in (category.name, *category.wnids)}:
            other = found.setdefault(label, category)
            if other is not category:
                raise XrayError(f"categories {other.name!r} and {category.name!r} are both called {label!r}")
    return found


def category_of_folder(name: str, by_label: Mapping[str, Category]) -> Category | None:
    """The category that a folder (or a label in a table) means by its WordNet id or name; None if it is none.

    Args:
        name: of the folder; case, `_` and spaces do not matter.
        by_label: of `categories_by_label`.

    >>> fox = Category(name="red fox", indices=(277,), wnids=("n02119022",))
    >>> category_of_folder("Red_Fox", categories_by_label([fox])).indices
    (277,)
    """
    return by_label.get(plain(name))
