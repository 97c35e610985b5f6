from __future__ import annotations

import pickle

import pytest

from xray.core.plugins import available, build, settings_of
from xray.masks import Annotations, Refiner


def test_formats_and_refiners_are_found_by_name() -> None:
    assert set(available(Annotations)) == {"alpha", "coco", "imagenet_s", "labelme", "png", "source", "voc"}
    assert set(available(Refiner)) == {"given", "grabcut", "sam"}


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "png", "root": "masks", "suffix": "_mask.png"},
        {"kind": "labelme", "labels": ["fox"]},
        {"kind": "coco", "file": "a.json", "categories": ["fox"]},
        {"kind": "imagenet_s", "root": "maps", "class_id": 3},
        {"kind": "voc"},
    ],
)
def test_settings_survive_a_recipe_and_a_pickle(spec: dict[str, object]) -> None:
    annotations = build("annotations", Annotations, spec)
    assert pickle.loads(pickle.dumps(annotations)) == annotations
    assert build("annotations", Annotations, {"kind": spec["kind"], **settings_of(annotations)}) == annotations
