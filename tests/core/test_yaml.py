from __future__ import annotations

import time

import pytest

from xray.core.errors import XrayError
from xray.core.yaml import dump, load


def test_values_and_lines() -> None:
    value, lines = load("seed: 3\nsource:\n  kind: shapes\n  size: [240, 320]\nname: null\n", "r")
    assert value == {"seed": 3, "source": {"kind": "shapes", "size": [240, 320]}, "name": None}
    assert lines[("source", "kind")] == 3
    assert lines[("source", "size", 1)] == 4
    assert lines[("name",)] == 5


def test_dates_and_keys_stay_text() -> None:
    assert load("on: 2024-01-01\nno: yes\n", "r")[0] == {"on": "2024-01-01", "no": True}


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: !!python/object/apply:os.system [id]\n", "line 2: tags such as"),
        ("a: !custom 1\n", "line 1: tags"),
        (BOMB, "line 1: anchors and aliases"),
        ("seed: 1\nname: x\nseed: 2\n", "line 3: 'seed' appears twice (first in line 1)"),
        ("a: [1, 2\n", "line 2"),
        ("? [a, b]\n: 1\n", "line 1: a key must be plain text"),
        ("", "is empty"),
        ("[" * 30 + "]" * 30, "nested more than 20 levels"),
        ("[" * 5000 + "]" * 5000, "nested more than 20 levels"),
        ("a: 0x_", "line 1: '0x_' is not a number"),
        ("a: \x00", "recipe.yaml"),
        ("a: 1\n---\nb: 2\n", "line 2"),
    ],
)
def test_refused_with_the_line(text: str, said: str) -> None:
    with pytest.raises(XrayError, match=r"recipe\.yaml") as caught:
        load(text, "recipe.yaml")
    assert said in str(caught.value)


def test_dump_reads_back() -> None:
    value = {"b": [1, 2.5, "x"], "a": {"ü": None}}
    assert load(dump(value), "r")[0] == value
    assert list(load(dump(value), "r")[0]) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: " + "x" * 1_000_000, "characters, at most"),
        ("a: [" + "b," * 120_000 + "]", "line 1: more than 100,000 values"),
        ("a: 1\nb: " + "{c: " * 3000, "line 2: nested more than 20 levels"),
        ("a: 1\nb: 1:" + ":".join(["59"] * 3000), "line 2: the number"),
        ("a: " + "9" * 5000, "line 1"),
        ("a: " + "1_0" * 50 + "0", "line 1: the number"),
        ('a: "\\ud800"', "line 1"),
    ],
)
def test_large_documents_are_refused_at_once_in_one_short_line(text: str, said: str) -> None:
    started = time.process_time()
    with pytest.raises(XrayError, match=r"recipe\.yaml") as caught:
        load(text, "recipe.yaml")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300
    assert time.process_time() - started < 1


def test_numbers_of_64_bits_are_read() -> None:
    assert load(f"a: {2**64 - 1}\nb: -{2**63}\nc: 1:30\n", "r")[0] == {"a": 2**64 - 1, "b": -(2**63), "c": 90}


@pytest.mark.parametrize("number", ["1:" * 400_000 + "1", "1" * 500, "0x" + "1" * 500, "1." + "0" * 500])
def test_a_number_of_hundreds_of_digits_is_refused(number: str) -> None:
    started = time.process_time()
    with pytest.raises(XrayError):
        load(f"a: {number}", "r")
    assert time.process_time() - started < 5
    assert load(f"a: '{number}'", "r")[0] == {"a": number}
