"""Which outputs of a model are right for each category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from xray.core.errors import ConfigError
from xray.sources.base import join_names
from xray.sources.categories import Category, categories_by_label, category_of_folder

Accepted = Mapping[str, tuple[int, ...]]
"""Indices of a model's outputs that are right, by category."""


def accepted_outputs(model: str, labels: Sequence[str] | None, categories: Iterable[Category]) -> Accepted:
    """Return the outputs of a model that are right for each category.

    Args:
        model: its name, for messages.
        labels: of its outputs, in order; matched with names and WordNet ids of the categories as folders are. None:
            the outputs are ImageNet-1k's classes.
        categories: of the run.

    Raises:
        ConfigError: the model has no output for a category; names the model, the category and the labels.

    >>> fox, widget = Category(name="red fox", indices=(277,)), Category(name="widget")
    >>> accepted_outputs("m", None, [fox])
    {'red fox': (277,)}
    >>> accepted_outputs("m", ["Widget", "gear", "red_fox"], [fox, widget])
    {'red fox': (2,), 'widget': (0,)}
    """
    categories = tuple(categories)
    if labels is None:
        accepted = {category.name: category.indices for category in categories}
    else:
        by_label, outputs = categories_by_label(categories), defaultdict[str, list[int]](list)
        for output, label in enumerate(labels):
            if category := category_of_folder(label, by_label):
                outputs[category.name].append(output)
        accepted = {category.name: tuple(outputs[category.name]) for category in categories}
    if missing := [repr(name) for name, indices in accepted.items() if not indices]:
        raise ConfigError(f"model {model!r} cannot be asked about {join_names(missing)}: {_reason(labels)}")
    return accepted


def _reason(labels: Sequence[str] | None) -> str:
    if labels is not None:
        return f"the labels of its outputs are {join_names(labels)}. Give the model such a label, or remove it"
    return (
        "ImageNet has no class of it. Remove the model and train some within the run (`training: {models: …}`), give "
        "the category the classes that count as right, or leave the category out"
    )
