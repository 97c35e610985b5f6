from __future__ import annotations

import sys

import pytest

from xray.core.errors import XrayError
from xray.sources.categories import (
    BUILT_IN,
    Category,
    categories_by_label,
    category_of_folder,
    imagenet1k,
    load_categories,
)
from xray.sources.categories.base import plain
from xray.sources.categories.imagenet1k import categories_called


@pytest.mark.parametrize(("name", "count"), [("ximagenet12", 12), ("stamps12", 12), ("imagenet1k", 1000)])
def test_built_in_sets_have_unique_labels(name: str, count: int) -> None:
    categories = load_categories(name)
    assert len(categories) == count
    assert len({plain(category.name) for category in categories}) == count
    assert len(categories_by_label(categories)) == count + sum(len(category.wnids) for category in categories)


def test_ximagenet12_is_the_published_list() -> None:
    categories = load_categories("ximagenet12")
    wnids = [wnid for category in categories for wnid in category.wnids]
    assert wnids == sorted(wnids)
    assert [category.indices[0] for category in categories] == [
        44,
        46,
        124,
        147,
        153,
        277,
        393,
        405,
        479,
        480,
        486,
        928,
    ]


def test_ximagenet12_agrees_with_imagenet() -> None:
    by_wnid = {category.wnids[0]: category for category in load_categories("imagenet1k")}
    for category in load_categories("ximagenet12"):
        assert by_wnid[category.wnids[0]].indices == category.indices
        assert by_wnid[category.wnids[0]].name == category.name


def test_stamps12_counts_whole_groups() -> None:
    sizes = {category.name: len(set(category.indices)) for category in load_categories("stamps12")}
    assert sizes == {
        "fruit": 12,
        "bovid": 9,
        "vehicle": 36,
        "landbird": 25,
        "waterbird": 24,
        "bigungulate": 10,
        "carnivore": 156,
        "smallmammal": 12,
        "instrument": 25,
        "fowl": 11,
        "vegetable": 14,
        "tool": 14,
    }


def test_imagenet1k_is_in_the_order_of_the_classes() -> None:
    categories = load_categories("imagenet1k")
    assert [category.indices for category in categories] == [(index,) for index in range(1000)]
    assert (categories[134].name, categories[517].name) == ("crane bird", "crane machine")


def test_unknown_set_names_the_nearest() -> None:
    with pytest.raises(XrayError, match="'ximagnet12'; did you mean 'ximagenet12'"):
        load_categories("ximagnet12")


def test_written_out() -> None:
    hostile = "<img src=x onerror=alert(1)>"
    categories = load_categories(
        {hostile: [1], "fox": {"indices": [277, 278], "wnids": ["n02119022"], "prompts": ["snow"]}}
    )
    assert categories == (
        Category(name=hostile, indices=(1,)),
        Category(name="fox", indices=(277, 278), wnids=("n02119022",), prompts=("snow",)),
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, f"no categories.*{next(iter(BUILT_IN))}"),
        ({"fox": [1000]}, "'fox'.*less than 1000"),
        ({"fox": [-1]}, "'fox'.*greater than or equal to 0"),
        ({"fox": []}, "'fox'.*name the ImageNet-1k classes"),
        ({"fox": 277}, "'fox'.*indices"),
        ({"": [1]}, "''.*name"),
        ({3: [1]}, "3.*name.*string"),
        ({"fox": {"wnids": ["n02119022"]}}, "'fox'.*indices"),
        ({"fox": {"indices": [1], "index": 2}}, "'fox'.*index"),
        ({"fox": {"indices": [1], "name": "dog"}}, "'fox'.*key"),
        ({"red fox": [1], "Red_Fox": [2]}, "'red fox' and 'Red_Fox' are both called"),
    ],
)
def test_what_is_no_category_is_refused_by_name(spec: dict, message: str) -> None:
    with pytest.raises(XrayError, match=message):
        load_categories(spec)


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        ("n02119022", "red fox"),
        ("N02119022", "red fox"),
        ("Red_Fox", "red fox"),
        (" red  fox", "red fox"),
        ("fox", None),
    ],
)
def test_folder_means_a_category(folder: str, found: str | None) -> None:
    by_label = categories_by_label(load_categories("ximagenet12"))
    category = category_of_folder(folder, by_label)
    assert (category.name if category else None) == found


def test_labels_that_imagenet_knows() -> None:
    categories = categories_called(
        ["n02119022", "Vulpes_vulpes", "crayfish", "red fox", "tench, Tinca tinca"], "labels"
    )
    assert [(category.name, category.indices) for category in categories] == [
        ("red fox", (277,)),
        ("Vulpes_vulpes", (277,)),
        ("crayfish", (124,)),  # 123 has it as a synonym, 124 as its name
        ("tench, Tinca tinca", (0,)),
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            ["foxes", "n02119022"],
            ["'foxes' in here is no WordNet id", '"foxes": [277, 278, 279, 280]', '"n02119022": [277]'],
        ),
        (["crane"], ["means several", '"crane": [134, 517]  # crane bird or crane machine']),
        (["xyzzy"], ['"xyzzy": []  # the ImageNet-1k indices that count as right']),
        ([f"xyzzy{i}" for i in range(25)], ["and 5 more"]),
    ],
)
def test_unknown_labels_show_the_lines_to_write(labels: list[str], expected: list[str]) -> None:
    with pytest.raises(XrayError) as caught:
        categories_called(labels, "here")
    assert "\ncategories:\n" in str(caught.value)
    for text in expected:
        assert text in str(caught.value)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.data.imagenet_info", None)
    imagenet1k._classes.cache_clear()
    with pytest.raises(XrayError, match=r"xray-robustness\[models\]"):
        load_categories("imagenet1k")


def test_a_prompt_of_nothing_is_refused() -> None:
    with pytest.raises(XrayError, match=r"category 'fox': prompts\.1: .*at least 1 character"):
        load_categories({"fox": {"indices": [277], "prompts": ["snow", "  "]}})
