"""The order of a classifier's outputs, from the labels that its configuration gives them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xray.core.errors import ConfigError
from xray.models.base import CLASSES, Labels

_UNNAMED = re.compile(r"(?:LABEL_|class[ _]?)?(\d+)", re.IGNORECASE)


def imagenet_order(labels: Mapping[int, str], title: str) -> NDArray[np.intp] | None:
    """Return which output has each of ImageNet-1k's classes, or None if outputs are in ImageNet's order.

    Labels may be WordNet ids, or names as the Hugging Face hub and timm write them; labels that are only numbers say
    nothing, so their outputs are taken to be in ImageNet's order.

    Args:
        labels: by index of the output.
        title: the model, for messages.

    Raises:
        ConfigError: the labels are not those of ImageNet-1k.
    """
    if len(labels) != CLASSES or all(_UNNAMED.fullmatch(str(label).strip()) for label in labels.values()):
        return None
    known = _classes_by_name()
    class_of_output, open_outputs = {}, []
    for output, label in labels.items():
        names = (str(label), str(label).partition(",")[0])
        candidates = next((known[key] for name in names if (key := _normal(name)) in known), [])
        if output in candidates or len(candidates) == 1:
            class_of_output[output] = output if output in candidates else candidates[0]
        else:
            open_outputs.append((output, candidates))
    taken = set(class_of_output.values())
    for output, candidates in open_outputs:  # classes of the same name, such as the two cranes
        free = [index for index in candidates if index not in taken]
        if not free:
            raise ConfigError(
                f"{title} labels its output {output} {labels[output]!r}, which is no class of ImageNet-1k, or one that "
                "another output has. If its outputs are in ImageNet's order, remove id2label from its config.json"
            )
        class_of_output[output] = free[0]
        taken.add(free[0])
    if len(taken) != CLASSES:
        raise ConfigError(f"{title} labels several outputs as the same class of ImageNet-1k")
    order = np.empty(CLASSES, np.intp)
    order[list(class_of_output.values())] = list(class_of_output)
    return None if (order == np.arange(CLASSES)).all() else order


def own_labels(labels: Mapping[int, str], title: str) -> Labels | None:
    """Return the labels of a classifier's outputs in order, or None if they are as many as ImageNet-1k's classes.

    Raises:
        ConfigError: the labels are only numbers, so that the classes are not known.

    >>> own_labels({0: "widget", 1: "gear"}, "net")
    ('widget', 'gear')
    """
    if len(labels) == CLASSES:
        return None
    names = tuple(str(labels[output]) for output in sorted(labels))
    if all(_UNNAMED.fullmatch(name.strip()) for name in names):
        raise ConfigError(
            f"{title!r} has {len(names)} classes, not ImageNet-1k's {CLASSES}, and calls them {', '.join(names[:3])}: "
            "write their names as id2label in its config.json"
        )
    return names


def _classes_by_name() -> dict[str, list[int]]:
    """Return the indices of ImageNet-1k's classes by WordNet id, whole description, and first name."""
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo()
    by_name: dict[str, list[int]] = defaultdict(list)
    for index, (wnid, text) in enumerate(zip(info.label_names(), info.label_descriptions(), strict=True)):
        for name in {_normal(wnid), _normal(text), _normal(text.partition(",")[0])}:
            by_name[name].append(index)
    return by_name


def _normal(name: str) -> str:
    return " ".join(re.split(r"[\s_]+", name.strip().casefold()))
