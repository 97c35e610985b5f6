from __future__ import annotations

import pytest

from xray.sources.categories.reading import class_name, read_label
from xray.sources.categories.wordnet import class_synsets, meanings, synsets, word_key


@pytest.mark.parametrize(
    ("label", "classes"),
    [
        ("Cardigan", [264]), ("cardigan", [474]), ("n02119022", [277]), ("n02085620-Chihuahua", [151]), ("277", [277]),
        ("1000", []), ("n0211902299", []), ("crane", []), ("King_Crab", [121]), ("unicorn", []), ("CARDIGAN", []),
        ("crane bird", [134]), ("tench, Tinca tinca", [0]), ("Red_Foxes", [277]), ("mice", []), ("geese", [99]),
        ("Pékinese", [154]), ("hot-dog", [934]), ("plane", []), ("airplane", [404]), ("grey wolves", [269]),
        ("n02119022-cello", []), ("n02119022 (the red one)", [277]), ("class_277", [277]), ("label=277", [277]),
        ("277.0", [277]), ("route 66", []), ("0277", [277]), ("RedFox", [277]), ("goldenretriever", [207]), ("001.Red_Fox", [277]), ("517_crane", []),
    ],
)  # fmt: skip
def test_labels_are_read_as_what_they_say(label: str, classes: list[int]) -> None:
    assert list(read_label(label).classes) == classes


@pytest.mark.parametrize("label", ["277", "RedFox", "001.Red_Fox", "Cardigan", "cat", "crayfish"])
def test_readings_that_a_person_should_check(label: str) -> None:
    assert read_label(label).classes
    assert not read_label(label).certain


@pytest.mark.parametrize(
    ("word", "classes"),
    [
        ("dog", range(151, 269)), ("fox", range(277, 281)), ("cat", range(281, 294)), ("reptile", range(33, 69)),
        ("triceratops", [51]), ("bird", [*range(7, 25), *range(80, 101), *range(127, 147)]),
    ],
)  # fmt: skip
def test_a_word_above_the_classes_means_all_of_them(word: str, classes: list[int]) -> None:
    assert list(read_label(word).classes) == list(classes)


@pytest.mark.parametrize(
    ("label", "ids"),
    [
        ("crane", ["n02012849", "n03126707"]),
        ("kite", ["n01608432", "n03621473"]),
        ("mouse", ["n02330245", "n03793489"]),
        ("CARDIGAN", ["n02113186", "n02963159"]),
    ],
)
def test_ambiguous_words_have_choices(label: str, ids: list[str]) -> None:
    reading = read_label(label)
    assert (reading.classes, reading.certain) == ((), True)
    assert [one.id for one in reading.meanings] == ids


def test_every_class_is_read_by_its_id_and_by_all_its_words() -> None:
    for index, synset in enumerate(class_synsets()):
        for label in (synset.id, str(index), ", ".join(synset.words) if len(synset.words) > 1 else synset.id):
            assert read_label(label).classes == (index,)
        assert read_label(class_name(index)).classes in ((index,), ())
    assert len({class_name(index) for index in range(1000)}) == 1000


def test_the_data_is_a_graph_with_the_classes_as_leaves() -> None:
    assert sorted(index for one in class_synsets() for index in one.classes) == list(range(1000))
    assert synsets()["n00001740"].classes == tuple(range(1000))
    for one in synsets().values():
        for parent in one.parents:
            assert set(one.classes) <= set(synsets()[parent].classes)
        for word in one.words:
            assert one in meanings(word_key(word))
    assert any(len(one.parents) > 1 for one in synsets().values())
