from __future__ import annotations

import pytest
from typer.testing import CliRunner

from xray.cli.list_categories import index_ranges
from xray.cli.main import app
from xray.core.errors import ConfigError


def listed(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["list", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        (
            "dog",
            [
                "n02084071",
                "118 classes",
                "268",
                "canine n02083346 (130 classes)",
                "toy dog n02085374",
                "`dog: 151-268`",
            ],
        ),
        ("n02084071", ["dog (118 classes)", "`dog: dog`"]),
        ("277", ["red fox (class 277)", "fox n02118333 (4 classes)", "`red fox: 277`"]),
        ("red fox", ["n02119022", "`red fox: red fox`"]),
        ("bird", ["`bird: [7-24, 80-100, 127-146]`"]),
        ("crane", ["n02012849", "class 134", "n03126707", "class 517", "`crane: n02012849`"]),
        ("kite", ["n01608432", "not in ImageNet", "`kite: {}`"]),
        ("Cardigan", ["class 264", "cardigan n02963159", ": Cardigan`"]),
        ("sunglases", ["unknown", "n04356056"]),
    ],
)
def test_words_ids_and_indices_are_searched(word: str, parts: list[str]) -> None:
    output = listed("categories", word)
    assert [part for part in parts if part not in output] == []


@pytest.mark.parametrize(
    ("arguments", "message"), [(("categories", "xyzzy"), "xyzzy"), (("models", "dog"), "categories")]
)
def test_what_cannot_be_searched_is_refused(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        listed(*arguments)


def test_definitions_fit_the_terminal() -> None:
    rows = listed("categories", "dog").split("classes:\n")[1].splitlines()
    assert len(rows) > 118
    assert all(len(row) <= 80 for row in rows[:118])


def test_index_ranges() -> None:
    assert index_ranges([1, 3, 4, 5, 9]) == ["1", "3-5", "9"]
    assert index_ranges([]) == []
