from __future__ import annotations

import random

import numpy as np
import pytest
from timm.data.imagenet_info import ImageNetInfo

from xray.core.errors import ConfigError
from xray.models.output_labels import imagenet_order

INFO = ImageNetInfo()
WNIDS, TEXTS = list(INFO.label_names()), list(INFO.label_descriptions())


def labels(names: list[str]) -> dict[int, str]:
    return dict(enumerate(names))


@pytest.mark.parametrize(
    "names",
    [
        TEXTS,
        WNIDS,
        [text.partition(",")[0] for text in TEXTS],
        [text.upper().replace(" ", "_") for text in TEXTS],
        [f"LABEL_{index}" for index in range(1000)],
        [str(index) for index in range(1000)],
    ],
    ids=["descriptions", "wnids", "first names", "underscores", "unnamed", "numbers"],
)
def test_outputs_in_imagenets_order_stay(names: list[str]) -> None:
    assert imagenet_order(labels(names), "net") is None


@pytest.mark.parametrize("names", [TEXTS, WNIDS])
def test_outputs_in_another_order_are_put_in_imagenets(names: list[str]) -> None:
    shuffled = random.Random(0).sample(range(1000), 1000)  # the class of each output
    order = imagenet_order(labels([names[index] for index in shuffled]), "net")
    assert order is not None
    seen = np.array(shuffled)[order]
    same_name = [index for index in range(1000) if seen[index] != index]
    assert {names[index] for index in same_name} == {names[seen[index]] for index in same_name}
    assert len(same_name) <= (2 if names is TEXTS else 0)  # two classes are called crane, and nothing more


def test_labels_of_other_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match="'unicorn'"):
        imagenet_order(labels(["unicorn", *TEXTS[1:]]), "net")
    with pytest.raises(ConfigError):
        imagenet_order(labels([TEXTS[1], *TEXTS[1:]]), "net")


def test_other_numbers_of_outputs_are_left_to_the_check_of_their_number() -> None:
    assert imagenet_order({0: "cat", 1: "dog"}, "net") is None
