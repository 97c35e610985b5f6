from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from xray.core.errors import XrayError
from xray.sources.categories import Category, categories_by_label, category_of_folder, load_categories
from xray.sources.categories.base import normalize_label


@pytest.mark.parametrize(("name", "count"), [("ximagenet12", 12), ("animals", 9), ("imagenet1k", 1000)])
def test_labels_of_built_in_sets_are_unique(name: str, count: int) -> None:
    categories = load_categories(name)
    assert len(categories) == count
    assert len({normalize_label(category.name) for category in categories}) == count
    assert set(categories_by_label(categories).values()) == set(categories)


def test_ximagenet12_is_the_published_list() -> None:
    categories = load_categories("ximagenet12")
    published = (44, 46, 124, 147, 153, 277, 393, 405, 479, 480, 486, 928)
    assert tuple(category.indices[0] for category in categories) == published
    by_wnid = {category.wnids[0]: category for category in load_categories("imagenet1k")}
    assert [by_wnid[category.wnids[0]] for category in categories] == list(categories)


def test_animals_accepts_whole_groups() -> None:
    sizes = {category.name: len(set(category.indices)) for category in load_categories("animals")}
    counts = (59, 17, 158, 20, 36, 47, 9, 3, 4)
    names = "bird ungulate carnivore primate reptile arthropod small_mammal marsupial sea_mammal"
    assert sizes == dict(zip(names.split(), counts, strict=True))


def test_imagenet1k_is_in_the_order_of_the_classes() -> None:
    categories = load_categories("imagenet1k")
    assert [category.indices for category in categories] == [(index,) for index in range(1000)]
    assert (categories[134].name, categories[517].name) == ("crane bird", "crane machine")


def test_categories_in_a_recipe() -> None:
    html = "<img src=x onerror=alert(1)>"
    fox = {"indices": [277, 278], "wnids": ["n02119022"], "prompts": ["snow"]}
    assert load_categories({html: [1], "fox": fox}) == (
        Category(name=html, indices=(1,)),
        Category(name="fox", indices=(277, 278), wnids=("n02119022",), prompts=("snow",)),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ximagnet12", "'ximagnet12'.*'ximagenet12'"),
        ({}, "ximagenet12"),
        ({"fox": [1000]}, "'fox'.*1000"),
        ({"fox": [-1]}, "'fox'.*-1"),
        ({"fox": []}, "'fox'.*277 red fox"),
        ({"fox": None}, "'fox'"),
        ({"xyzzy": []}, "'xyzzy'.*{}"),
        ({"xyzzy": {"indices": [], "prompts": ["snow"]}}, "'xyzzy'.*{}"),
        ({"bird": "crane"}, r"(?s)'crane'.*n02012849.*134.*n03126707.*517"),
        ({"toy": "kite"}, r"(?s)'kite'.*n01608432.*{}"),
        ({"dog": "chihuaha"}, "(?s)'chihuaha'.*n02085620"),
        ({"dog": "n02439033"}, "'n02439033'"),
        ({"dog": "268-151"}, "'268-151'"),
        ({"dog": "900-1000"}, "'900-1000'"),
        ({"dog": [True]}, "True"),
        ({"dog": [1.5]}, r"1\.5"),
        ({"dog": [["tabby"]]}, "tabby"),
        ({"crane": [], "mouse": []}, "(?s)'crane'.*'mouse'"),
        (["dog", "dog"], "twice"),
        (["dog", ["cat"]], "cat"),
        ("dog", r"\[dog\]"),
        (5, "5"),
        ({"": [1]}, "''.*name"),
        ({"fox": {"indices": [1], "index": 2}}, "'fox'.*index"),
        ({"fox": {"indices": [1], "name": "dog"}}, "'fox'.*name"),
        ({"fox": {"indices": [1], "prompts": ["snow", "  "]}}, r"'fox'.*prompts\.1"),
        ({"red fox": [1], "red_fox": [2]}, "'red fox' and 'red_fox'"),
    ],
)
def test_invalid_categories_are_named(spec: Any, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        load_categories(spec)


@pytest.mark.parametrize(("folder", "index"), [("N02119022", 277), (" red  fox", 277), ("fox", None)])
def test_the_category_of_a_folder(folder: str, index: int | None) -> None:
    category = category_of_folder(folder, categories_by_label(load_categories("ximagenet12")))
    assert (category.indices[0] if category else None) == index


def test_categories_that_differ_in_case_alone_have_folders_as_written() -> None:
    dog, jacket = load_categories({"Cardigan": [264], "cardigan": [474]})
    by_label = categories_by_label([dog, jacket])
    assert [category_of_folder(name, by_label) for name in ("Cardigan", "cardigan", "CARDIGAN")] == [dog, jacket, None]


@pytest.mark.parametrize(
    ("value", "indices"),
    [
        ("dog", range(151, 269)),
        ("n02084071", range(151, 269)),
        ("151-268", range(151, 269)),
        ("151 – 268", range(151, 269)),
        (277, [277]),
        ("277", [277]),
        (["tabby", "tiger cat"], [281, 282]),
        (["poodle", "n02119022", 300, "7-8"], [265, 266, 267, 277, 300, 7, 8]),
        (["dog", "Chihuahua", 151], range(151, 269)),
        ({"indices": "Cardigan"}, [264]),
        ([277, 277], [277, 277]),
        ({}, []),
        ({"prompts": ["snow"]}, []),
    ],
)
def test_values_of_a_category(value: Any, indices: Sequence[int]) -> None:
    (category,) = load_categories({"x": value})
    assert category.indices == tuple(indices)


def test_a_list_of_labels_is_a_recipe() -> None:
    categories = load_categories(["dog", {"pet": ["tabby", 283]}, "Cardigan", 277])
    assert [(one.name, len(one.indices)) for one in categories] == [
        ("dog", 118),
        ("pet", 2),
        ("Cardigan", 1),
        ("277", 1),
    ]


def test_ids_alone_also_name_folders() -> None:
    (fox,) = load_categories({"fox": ["n02119022", "N02120079"]})
    assert category_of_folder("n02120079", categories_by_label([fox])) == fox
    assert load_categories({"fox": ["n02119022", "kit fox"]})[0].wnids == ()
