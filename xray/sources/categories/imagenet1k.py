"""The 1,000 classes of ImageNet-1k as categories."""

from __future__ import annotations

import functools

from xray.sources.categories.base import Category
from xray.sources.categories.reading import class_name
from xray.sources.categories.wordnet import class_synsets


@functools.cache
def imagenet1k_classes() -> tuple[Category, ...]:
    """Return the 1,000 classes in the order of their indices, each with a readable, unique name.

    >>> imagenet1k_classes()[277].name
    'red fox'
    """
    return tuple(
        Category(name=class_name(index), indices=(index,), wnids=(synset.id,))
        for index, synset in enumerate(class_synsets())
    )
