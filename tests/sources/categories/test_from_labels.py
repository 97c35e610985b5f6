from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.sources.categories import categories_by_label, category_of_folder, load_categories
from xray.sources.categories.from_labels import CHECK, categories_from_labels, category_lines, match_categories
from xray.sources.categories.wordnet import synsets


def test_labels_of_imagenet_give_categories() -> None:
    labels = ["n02119022", "Vulpes_vulpes", "crayfish", "red fox", "tench, Tinca tinca"]
    assert [(category.name, category.indices) for category in categories_from_labels(labels, "labels")] == [
        ("red fox", (277,)),
        ("Vulpes_vulpes", (277,)),
        ("crayfish", (124,)),  # another word for 123, the name of 124
        ("tench, Tinca tinca", (0,)),
    ]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (
            ["my foxes", "n02119022"],
            ["'my foxes' in here", '"my foxes": []', "n02118333", '"red fox": {indices: [277]'],
        ),
        (["crane"], ['"crane": []', "n02012849 (134 crane bird", "n03126707 (517 crane machine"]),
        (["xyzzy"], ['"xyzzy": {}']),
        ([f"xyzzy{i}" for i in range(25)], ["and 5 more"]),
    ],
)
def test_undecided_labels_give_lines_for_the_recipe(labels: list[str], expected: list[str]) -> None:
    with pytest.raises(ConfigError, match="\ncategories:\n") as caught:
        categories_from_labels(labels, "here")
    for text in expected:
        assert text in str(caught.value)


LABELS = [
    *("277", "red fox", "Red_Fox", "n02119022", "N02119022", "Dogs", "dog", "n02084071", "Cardigan", "cardigan", "cat"),
    *("n03574816", "n02085620-Chihuahua", "king crab", "widget", "Widget", "poodles", "jack-o'-lantern", "tank suit"),
]


def test_lines_without_open_ones_are_a_recipe_whose_folders_are_all_found() -> None:
    lines = category_lines(LABELS)
    assert not any(line.is_open for line in lines)
    categories = load_categories(yaml.safe_load("\n".join(line.text for line in lines)))
    assert [one.indices for one in categories] == [line.reading.classes for line in lines]
    by_label = categories_by_label(categories)
    assert [label for label in LABELS if category_of_folder(label, by_label) is None] == []


def test_a_name_that_a_folder_has_with_other_classes_is_not_taken() -> None:
    instrument, by_id = category_lines(["instrument", "n03574816"])
    assert instrument.is_open
    assert by_id.text.startswith('"n03574816": n03574816')


@pytest.mark.parametrize("label", ["277", "Cardigan", "cat", "crayfish", "kite", "crane", "widget", "my fox"])
def test_what_is_not_certain_is_marked(label: str) -> None:
    (line,) = category_lines([label])
    assert line.needs_check
    assert line.text.endswith(CHECK)


@pytest.mark.parametrize("label", ["red fox", "dog", "Foxes", "n02119022", "drake", "tench, Tinca tinca"])
def test_what_is_certain_is_not(label: str) -> None:
    (line,) = category_lines([label])
    assert not line.needs_check
    assert CHECK not in line.text


@pytest.mark.parametrize(
    "label", ["crane", "kite", "mouse", "nail", "plane", "instrument", "car", "my fox", "sunglases"]
)
def test_open_lines_are_refused_with_the_choices_that_they_show(label: str) -> None:
    (line,) = category_lines([label])
    assert line.is_open
    choices = [one.id for one in line.reading.meanings if one.classes]
    assert choices
    with pytest.raises(ConfigError) as caught:
        load_categories(yaml.safe_load(line.text))
    assert all(choice in line.text and choice in str(caught.value) for choice in choices)


@pytest.mark.parametrize(
    ("labels", "opened"),
    [
        (["0", "1", "2"], True), (["1", "2"], True), (["class_0", "class_1"], True), (["1", "3"], False),
        (["277", "486"], False), (["0", "1", "dog"], False), (["0"], False), ([str(k) for k in range(1000)], False),
    ],
)  # fmt: skip
def test_numbers_that_count_from_the_start_may_be_of_ones_own(labels: list[str], opened: bool) -> None:
    lines = category_lines(labels)
    assert len(lines) == len(labels)
    assert any(line.is_open for line in lines) == opened


def test_labels_say_categories_by_name_else_by_their_classes() -> None:
    categories = load_categories({"fox": 277, "cello": 486, "widget": {}, "dogs": "dog", "hound": "dog"})
    labels = ["001.red_fox", "n02119022", "Cello", "violoncello", "dog", "my widget", "Widget", "0", "1"]
    found = {label: one.name for label, one in match_categories(labels, categories).items() if one}
    assert found == {"001.red_fox": "fox", "n02119022": "fox", "Cello": "cello", "Widget": "widget"}


def test_numbers_of_ones_own_are_no_classes() -> None:
    tench, fox = load_categories({"tench": 0, "fox": 277})
    assert match_categories(["0", "1"], [tench]) == {"0": None, "1": None}
    assert match_categories(["277", "486"], [fox]) == {"277": fox, "486": None}


@given(st.lists(st.sampled_from([word for one in synsets().values() for word in one.words]) | st.text(max_size=12)))
def test_lines_are_valid_yaml_with_distinct_names(labels: list[str]) -> None:
    lines = category_lines(labels)
    names = [name for line in lines for name in yaml.safe_load(line.text)]
    assert len(set(names)) == len(lines)


EXPLAINED: dict[str, tuple[set[int], set[int]]] = {
    "primate": ({383, 384}, set()),  # the group leaves out the lemurs
    "musical instrument": ({684}, set()),  # and the ocarina
}
"""Classes that only WordNet has, and that only the group has."""


def test_groups_of_real_photographs_agree_with_wordnet(photos12: Path) -> None:
    with (photos12 / "groups.csv").open(newline="") as stream:
        groups = {row["group"]: {*map(int, row["imagenet1k_indices"].split())} for row in csv.DictReader(stream)}
    groups["musical instrument"] = groups["instrument"]
    lines = {line.reading.label: line for line in category_lines(groups)}
    assert sum(line.category is not None for line in lines.values()) == 9
    for name, line in lines.items():
        if line.category is not None:
            classes = set(line.category.indices)
            assert (classes - groups[name], groups[name] - classes) == EXPLAINED.get(name, (set(), set())), name
        else:
            assert line.is_open
