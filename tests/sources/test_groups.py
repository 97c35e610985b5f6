from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from xray.core.errors import ConfigError
from xray.sources.base import Candidate
from xray.sources.groups import Groups, groups_of, name_groups

KEYS = ("fox/1.jpg", "fox/2.jpg", "cello/1.jpg", "cello/3.jpg")
IDS = tuple(f"id-{number}" for number in range(4))
PHOTOGRAPHS = [Candidate(key, key.partition("/")[0], f"file:///photos/{key}") for key in KEYS]


def named(table: str | pd.DataFrame, folder: Path, name: str = "groups.csv", **settings: str) -> list[str | None]:
    file = folder / name
    if isinstance(table, str):
        file.write_text(table)
    else:
        table.to_parquet(file)
    return [one.group for one in name_groups(Groups(str(file), **settings), PHOTOGRAPHS, IDS)[0]]


@pytest.mark.parametrize(
    "table",
    [
        "image,group\nfox/1.jpg,a\nfox/2.jpg,a\ncello/1.jpg,\ncello/3.jpg,01\n",
        "image_id,group\nid-0,a\nid-1,a\nid-3,01\n",
        "file;burst;label\nfox\\1.jpg;a;fox\n2;a;fox\n/photos/cello/3.JPG;01;cello\n",
        "path\tscene\nfox/1.jpg\ta\nfox/2.jpg\ta\nfox/2.jpg\ta\n3.jpg\t01\n\t\n",
    ],
)
def test_photographs_are_named_by_path_name_or_id(table: str, tmp_path: Path) -> None:
    name = "groups.tsv" if "\t" in table else "groups.csv"
    assert named(table, tmp_path, name) == ["a", "a", None, "01"]


def test_columns_of_other_names_and_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"key": list(KEYS), "group": list("abcd"), "take": [1.0, 1.0, None, 2.0]})
    assert named(table, tmp_path, "groups.parquet", group_column="take") == ["1", "1", None, "2"]
    text = "what,who\nfox/1.jpg,a\n"
    assert named(text, tmp_path, image_column="what", group_column="who")[0] == "a"


def test_the_table_may_lie_in_the_folder_of_the_photographs(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,label,group\nfox/1.jpg,fox,a\nfox/9.jpg,fox,a\n")
    grouped, notes = name_groups(Groups("labels.csv"), PHOTOGRAPHS, IDS, tmp_path.as_uri())
    assert [one.group for one in grouped] == ["a", None, None, None]
    assert len(notes) == 1
    assert "fox/9.jpg" in notes[0]


def test_a_photograph_may_be_named_by_path_and_by_id(tmp_path: Path) -> None:
    (tmp_path / "groups.csv").write_text("image,group\nfox/1.jpg,a\nfox/2.jpg,a\nid-0,a\n")
    grouped, notes = name_groups(Groups(str(tmp_path / "groups.csv")), PHOTOGRAPHS, IDS)
    assert [one.group for one in grouped] == ["a", "a", None, None]
    assert notes == []


@pytest.mark.parametrize(
    ("table", "seen"),
    [
        ("image,group\na.jpg,1\nb.jpg,2\n", ["a.jpg", "fox/1.jpg"]),
        ("image,group\nfox/1.jpg,a\nfox/1.jpg,b\n", ["'a'", "'b'", "fox/1.jpg"]),
        ("image,group\nfox/1.jpg,a\nid-0,b\nid-1,b\n", ["'a'", "'b'", "fox/1.jpg", "id-0"]),
        ("image,group\nfox/1.jpg,a\nid-0,\n", ["'a'", "no group", "id-0"]),
        ("image,group\n1.jpg,a\nfox/2.jpg,a\n", ["'1.jpg'", "fox/1.jpg", "cello/1.jpg"]),
        ("image,label\nfox/1.jpg,a\n", ["group_column", "'label'"]),
        ("what,group\nfox/1.jpg,a\n", ["image_column", "'what'"]),
        ("fox/1.jpg,a\nfox/2.jpg,a\n", ["image_column", "'fox/1.jpg'"]),
        ("", ["empty"]),
    ],
)
def test_tables_that_do_not_fit_are_refused(table: str, seen: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        named(table, tmp_path)
    assert all(text in str(error.value) for text in seen)


def test_a_missing_table_and_a_column_that_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file"):
        name_groups(Groups(str(tmp_path / "none.csv")), PHOTOGRAPHS, IDS)
    with pytest.raises(ConfigError, match="group_column"):
        named("image,group\nfox/1.jpg,a\n", tmp_path, group_column="burst")
    with pytest.raises(ValueError, match=r"groups\.csv"):
        Groups("")
    assert groups_of("a.csv") == Groups("a.csv")
