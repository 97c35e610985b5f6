from __future__ import annotations

import sys
from typing import Any

import pytest

from xray.core.errors import XrayError
from xray.sources.categories import Category, categories_by_label, category_of_folder, imagenet1k, load_categories
from xray.sources.categories.base import normalize_label
from xray.sources.categories.imagenet1k import categories_from_labels, classes_of


@pytest.mark.parametrize(("name", "count"), [("ximagenet12", 12), ("stamps12", 12), ("imagenet1k", 1000)])
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


def test_stamps12_accepts_whole_groups() -> None:
    sizes = {category.name: len(set(category.indices)) for category in load_categories("stamps12")}
    counts = (12, 9, 36, 25, 24, 10, 156, 12, 25, 11, 14, 14)
    names = "fruit bovid vehicle landbird waterbird bigungulate carnivore smallmammal instrument fowl vegetable tool"
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
        ({"fox": []}, "'fox'.*indices"),
        ({"": [1]}, "''.*name"),
        ({"fox": 277}, "'fox'.*277"),
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


def test_labels_of_imagenet_give_categories() -> None:
    labels = ["n02119022", "Vulpes_vulpes", "crayfish", "red fox", "tench, Tinca tinca"]
    assert [(category.name, category.indices) for category in categories_from_labels(labels, "labels")] == [
        ("red fox", (277,)),
        ("Vulpes_vulpes", (277,)),
        ("crayfish", (124,)),  # a synonym of 123, the name of 124
        ("tench, Tinca tinca", (0,)),
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["foxes", "n02119022"], ["'foxes' in here", '"foxes": [277, 278, 279, 280]', '"n02119022": [277]']),
        (["crane"], ['"crane": [134, 517]  # crane bird or crane machine']),
        (["xyzzy"], ['"xyzzy": []']),
        ([f"xyzzy{i}" for i in range(25)], ["and 5 more"]),
    ],
)
def test_unknown_labels_give_lines_for_the_recipe(labels: list[str], expected: list[str]) -> None:
    with pytest.raises(XrayError, match="\ncategories:\n") as caught:
        categories_from_labels(labels, "here")
    for text in expected:
        assert text in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.data.imagenet_info", None)
    imagenet1k._synonyms.cache_clear()
    with pytest.raises(XrayError, match=r"xray-robustness\[models\]"):
        load_categories("imagenet1k")


def test_categories_that_differ_in_case_alone_have_folders_as_written() -> None:
    dog, jacket = load_categories({"Cardigan": [264], "cardigan": [474]})
    by_label = categories_by_label([dog, jacket])
    assert [category_of_folder(name, by_label) for name in ("Cardigan", "cardigan", "CARDIGAN")] == [dog, jacket, None]


@pytest.mark.parametrize(
    ("label", "indices"),
    [
        ("Cardigan", [264]), ("cardigan", [474]), ("n02119022", [277]), ("n02085620-Chihuahua", [151]), ("277", [277]),
        ("1000", []), ("n0211902299", []), ("crane", [134, 517]), ("King_Crab", [121]), ("unicorn", []),
    ],
)  # fmt: skip
def test_labels_are_read_as_what_they_say(label: str, indices: list[int]) -> None:
    assert [one.indices[0] for one in classes_of(label)] == indices
