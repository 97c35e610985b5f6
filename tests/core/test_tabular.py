from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xray.cli.options import repeated
from xray.core import table_files, tabular
from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.tabular import read_heading, read_table


def written(folder: Path, text: str, name: str = "t.csv") -> str:
    path = folder / name
    path.write_bytes(text.encode())
    return str(path)


def test_text_is_read_exactly_as_written(tmp_path: Path) -> None:
    path = written(tmp_path, "class,accuracy\n01,0.5\nNA,0.6\nTrue,0.7\n1e3,0.8\n 2 ,0.9\n")
    table = read_table(path, ["class"], ["accuracy"])
    assert table["class"].tolist() == ["01", "NA", "True", "1e3", " 2 "]
    assert table["accuracy"].tolist() == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert table.index.tolist() == [1, 2, 3, 4, 5]


def test_only_empty_cells_are_missing_among_names(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, 'class,accuracy\na,0.5\n,0.6\n"",NA\nnan,\n'), ["class"], ["accuracy"])
    assert table["class"].isna().tolist() == [False, True, True, False]
    assert table["accuracy"].isna().tolist() == [False, False, True, True]


def test_hostile_cells_are_text(tmp_path: Path) -> None:
    names = ["=1+1", "a,b", 'say "x"', "line\nbreak", "🦊", "__import__('os').system('touch PWNED')"]
    path = tmp_path / "t.csv"
    pd.DataFrame({"model": names, "accuracy": 0.5}).to_csv(path, index=False)
    assert read_table(str(path), ["model"], ["accuracy"])["model"].tolist() == names


@pytest.mark.parametrize(("name", "mark"), [("t.csv", ","), ("t.tsv", "\t"), ("T.CSV", ","), ("t.tab", "\t")])
def test_delimiters_follow_the_name(name: str, mark: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"\ufeffmodel{mark}accuracy\na;b{mark}0.5\n", name)  # Excel begins with this mark
    assert read_table(path, ["model"], ["accuracy"]).values.tolist() == [["a;b", 0.5]]


def test_compressed_tables(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"model,accuracy\na,0.5\n"))
    assert read_table(str(tmp_path / "t.csv.gz"), ["model"], ["accuracy"]).values.tolist() == [["a", 0.5]]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pd.DataFrame({"class": [10, 9], "right": [True, None], "model": ["", "a"], "more": [1, 2]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(str(tmp_path / "t.parquet"), ["class", "model"], ["right"])
    assert table["class"].tolist() == [10, 9]
    assert table["right"].iloc[0] == 1.0
    assert table["right"].isna().tolist() == [False, True]
    assert table["model"].tolist() == ["", "a"]
    assert list(table.columns) == ["class", "model", "right"]


def test_right_and_wrong_are_numbers(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "model,correct\na,True\na,\nb,False\n"), ["model"], ["correct"])
    assert table["correct"].tolist()[::2] == [1.0, 0.0]
    assert table["correct"].dtype == "float64"


def test_a_bucket_is_as_good_as_a_disk(bucket: str) -> None:
    write_bytes(bucket.format("tables/t.csv"), b"model,accuracy\na,0.5\n")
    assert len(read_table(bucket.format("tables/t.csv"), ["model"], ["accuracy"])) == 1
    with pytest.raises(XrayError, match="no file"):
        read_table(bucket.format("tables/u.csv"), ["model"], ["accuracy"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,acuracy\na,0.5\n", r"unknown column 'accuracy'; did you mean 'acuracy'\?"),
        ("model,accuracy,accuracy\na,0.5,0.6\n", "column 'accuracy' appears twice"),
        ("model,accuracy\na,0.5\nb,0.6,0.7\n", r"cannot read .* as csv: .*[Ee]xpected 2 columns"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=message):
        read_table(written(tmp_path, text), ["model"], ["accuracy"])


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"no file 'nowhere\.csv'"):
        read_table("nowhere.csv", ["model"], ["accuracy"])
    with pytest.raises(XrayError, match=r"unknown kind of table '\.docx'.*\.csv"):
        read_table(written(tmp_path, "x", "t.docx"), ["model"], ["accuracy"])
    with pytest.raises(XrayError, match=r"cannot read .* as parquet"):
        read_table(written(tmp_path, "model,accuracy\n", "t.parquet"), ["model"], ["accuracy"])
    (tmp_path / "latin.csv").write_bytes("model,accuracy\nWörter,0.5\n".encode("latin-1"))
    with pytest.raises(XrayError, match=r"not UTF-8 text: line 2 has the byte 0xf6 .cp1252 reads 'Wörter"):
        read_table(str(tmp_path / "latin.csv"), ["model"], ["accuracy"])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(XrayError, match="cannot read"):
        read_table(str(tmp_path / "folder.csv"), ["model"], ["accuracy"])


ROWS = [("a", 0.5), ("b", 0.25), ("c", 1.0)]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("model;accuracy\na;0,5\nb;0,250\nc;1,000\n", "utf-8-sig"),
        ("sep=;\r\nmodel;accuracy\r\na;0,5\r\nb;0,25\r\nc;1\r\n", "utf-8"),
        ("model\taccuracy\na\t0.5\nb\t0.25\nc\t1\n", "utf-16"),
        ("model\taccuracy\na\t0.5\nb\t0.25\nc\t1\n", "utf-16-be"),
        ("model|accuracy\na|.5\nb|0.25\nc|1\n", "utf-32"),
        ("model,accuracy\na,50 %\nb,25%\nc,100.0%\n", "utf-8"),
        ('model,accuracy\na,"50,00%"\nb,"25,0%"\nc,"100,0%"\n', "utf-8"),
        (" model , accuracy ,,\na,0.5,,\nb,0.25,,\nc,1,,\n,,,\n ,,,\n", "utf-8"),
        ('model,note,accuracy\na,"two\nlines, one cell",0.5\nb,x,0.25\nc,,1\n', "utf-8"),
        ("model,accuracy\ra,0.5\rb,0.25\rc,1\r", "utf-8"),
    ],
)
def test_tables_of_spreadsheets_are_read_as_the_plain_table(text: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    table = read_table(str(path), ["model"], ["accuracy"])
    assert list(table.itertuples(index=False, name=None)) == ROWS
    assert table.index.tolist() == [1, 2, 3]


def test_percent_signs_follow_the_unit_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "model,accuracy\na,50%\n")
    assert read_table(path, ["model"], ["accuracy"], percent=1.0)["accuracy"].tolist() == [50.0]


def test_words_for_missing_values_and_large_numbers_of_spreadsheets(tmp_path: Path) -> None:
    path = written(tmp_path, "model;right;n\na;n/a;1.200\nb;0,5;-\nc;#N/A;2 400\nNA;;1.200.000\n")
    table = read_table(path, ["model"], ["right", "n"])
    assert table["right"].isna().tolist() == [True, False, True, True]
    assert table["n"].fillna(-1).tolist() == [1200, -1, 2400, 1_200_000]
    assert table["model"].tolist() == ["a", "b", "c", "NA"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# seed 1, three runs\nmodel,accuracy\na,0.5\n", r"heading of .* is line 2"),
        (",,\n\nResults,,\nmodel,accuracy,\na,0.5,\n", r"heading of .* is line 4"),
        ("model,original,blur\na,0.5,0.4\n", r"read_csv\('.*t.csv'\)\.melt\(\['model'\], \['original', 'blur'\]"),
        ("model;original;blur\na;0,5;0,4\n", r"sep=';'\)\.melt"),
        ("model,scenario,accuracy\na,x,50%\nb,x,0.5\n", "percent sign, such as '50%', and without, such as '0.5'"),
        ('model,scenario,accuracy\na,x,"0,5"\nb,x,0.5\n', "'0.5' .* decimal point, '0,5' .* decimal comma"),
        ('model,scenario,accuracy\na,x,"1,200"\n', "'1,200' .*: is the comma a decimal mark"),
    ],
)
def test_what_is_not_certain_is_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=message):
        read_table(written(tmp_path, text), ["model", "scenario"] if "scen" in text or "orig" in text else ["model"],
                   ["accuracy"])  # fmt: skip


def test_the_call_that_is_given_for_a_wide_table_makes_a_table_that_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, "model,original,blur\na,0.5,0.4\nb,0.3,0.2\n")
    with pytest.raises(XrayError) as caught:
        read_table(path, ["model", "scenario"], ["accuracy"])
    code = str(caught.value).partition('-c "')[2].rstrip('"').replace("long.csv", str(tmp_path / "long.csv"))
    subprocess.run([sys.executable, "-c", code], check=True)
    table = read_table(str(tmp_path / "long.csv"), ["model", "scenario"], ["accuracy"])
    assert sorted(table["scenario"]) == ["blur", "blur", "original", "original"]


@pytest.mark.parametrize(("name", "start"), [("t.xlsx", b"PK\x03\x04"), ("t.csv", b"PK\x03\x04"), ("t.xls", b"")])
def test_workbooks_are_named(name: str, start: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(start + b"\0" * 100)
    with pytest.raises(XrayError, match="workbook"):
        read_table(str(tmp_path / name), ["model"], ["accuracy"])


def test_numbers_that_are_text_in_parquet(tmp_path: Path) -> None:
    pd.DataFrame({"model": ["a", "b"], "accuracy": ["50%", None]}).to_parquet(tmp_path / "t.parquet")
    table = read_table(str(tmp_path / "t.parquet"), ["model"], ["accuracy"])
    assert table["accuracy"].fillna(-1).tolist() == [0.5, -1]


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda word: not word.startswith("-"))


@given(st.lists(WORDS, min_size=1), st.lists(WORDS, min_size=1))
@hypothesis_settings(deadline=None)
def test_several_words_are_as_many_options(factors: list[str], levels: list[str]) -> None:
    words = ["t.csv", "--factors", *factors, "--force", "--reference", *levels]
    expected = ["t.csv", *(f"--factors={word}" for word in factors), "--force", *(f"--reference={w}" for w in levels)]
    assert list(repeated(words, {"--factors", "--reference"})) == expected


ODD_TYPES = {
    "list": pa.array([["a"], ["b"]]),
    "struct": pa.array([{"x": "a"}, {"x": "b"}]),
    "map": pa.array([[("x", 1)], []], pa.map_(pa.string(), pa.int8())),
}


@pytest.mark.parametrize("values", ODD_TYPES.values(), ids=ODD_TYPES)
@pytest.mark.parametrize("column", ["model", "accuracy"])
def test_parquet_columns_of_several_values_a_row_are_refused(column: str, values: pa.Array, tmp_path: Path) -> None:
    columns = {"model": pa.array(["a", "b"]), "accuracy": pa.array([0.5, 1.0])} | {column: values}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(XrayError, match=f"{column!r} of .* holds {str(values.type)[:4]}"):
        read_table(str(tmp_path / "t.parquet"), ["model"], ["accuracy"])


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(1)])
def test_bytes_in_parquet_are_text(kind: pa.DataType, tmp_path: Path) -> None:
    table = pa.table({"model": pa.array([b"a", b"b"], kind), "accuracy": [0.5, 1.0]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_table(str(tmp_path / "t.parquet"), ["model"], ["accuracy"])["model"].tolist() == ["a", "b"]


def test_a_file_that_is_no_table_is_one_short_line(tmp_path: Path) -> None:
    path = written(tmp_path, "<table>" + "<td>x</td>" * 500 + "\n", "t.csv")
    with pytest.raises(XrayError) as caught:
        read_table(path, ["model"], ["accuracy"])
    assert len(str(caught.value)) < 300


def test_headings_of_text_and_parquet(tmp_path: Path) -> None:
    for name, text in (("a.csv", "a; b\n1;2\n"), ("a.tsv", "a\tb\n"), ("b.csv", "sep=|\na|b\n1|2\n")):
        (tmp_path / name).write_text(text)
        assert read_heading(str(tmp_path / name)) == ["a", "b"]
    pd.DataFrame({"a": [1], "b": [2]}).to_parquet(tmp_path / "a.parquet")
    assert read_heading(str(tmp_path / "a.parquet")) == ["a", "b"]
    for name, text in (("none.csv", None), ("empty.csv", " "), ("a.doc", "a,b")):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(XrayError):
            read_heading(str(tmp_path / name))


def test_tables_that_unpack_to_far_more_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "_MAX_TEXT", 1_000_000)
    monkeypatch.setattr(table_files, "_MAX_UNPACKED", 1_000_000)
    bomb = str(tmp_path / "t.csv.gz")
    Path(bomb).write_bytes(gzip.compress(b"model,accuracy\n" + b"a,1\n" * 1_000_000))
    table = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"model": ["a" * 3_000_000], "accuracy": [1]}), table, compression="zstd")
    for path in (bomb, table):
        with pytest.raises(XrayError, match=r"1\.0 MB"):
            read_table(path, ["model"], ["accuracy"])


def test_empty_lines_take_time_in_proportion(tmp_path: Path) -> None:
    path = written(tmp_path, "a,b\n1,2\n" + " ,\n" * 200_000 + "3,4\n , \n\n,\n")
    started = time.process_time()
    assert read_table(path, ["a"], ["b"])["a"].dropna().str.strip().tolist()[-1] == "3"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_pipe_is_refused_without_waiting(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    for read in (read_heading, lambda path: read_table(path, ["a"], [])):
        with pytest.raises(XrayError):
            read(str(tmp_path / name))
