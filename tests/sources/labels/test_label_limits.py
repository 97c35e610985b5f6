"""Label files of unexpected sizes and forms: linear time, one message, and bad entries cost only themselves."""

from __future__ import annotations

import json
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from xray.core.errors import ConfigError
from xray.sources.categories import load_categories
from xray.sources.imagefolder import ImageFolder
from xray.sources.labels import Labels
from xray.sources.labels.json_files import read_json
from xray.sources.labels.names import read_names
from xray.sources.labels.tables import from_records, read_table


def test_records_of_many_names_take_time_in_proportion() -> None:
    records: list[dict[str, Any]] = [
        {"file_name": f"{row}.jpg", f"note {row}": "x", "label": "fox"} for row in range(20_000)
    ]
    started = time.process_time()
    assert len(from_records(records, "a.json", "records").entries) == 20_000
    assert time.process_time() - started < 3
    with pytest.raises(ConfigError, match="columns, at most"):
        from_records([{f"{column}": 1 for column in range(60_000)}], "a.json", "records")


def test_a_column_per_label_counts_only_what_is_set() -> None:
    file = read_table("image,cat,dog\na.jpg,1,0\nb.jpg,0,1\nc.jpg,,1.0\nd.jpg,0,0\n", "a.csv")
    assert [(one.image, one.label) for one in file.entries] == [("a.jpg", "cat"), ("b.jpg", "dog"), ("c.jpg", "dog")]


def test_messages_are_short_whatever_the_file_has() -> None:
    for text in (
        "x" * 100_000,
        "\n".join(["y" * 5000] * 9),
        ",".join(f"{'z' * 300}{column}" for column in range(500)) + "\n1,2",
    ):
        with pytest.raises(ConfigError) as caught:
            read_table(text, "a.csv")
        assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(
    "bad", [None, 5, [], {"image_id": [1]}, {"image_id": 1, "category_id": {}}, {"image_id": None}]
)
def test_bad_entries_cost_only_themselves(bad: Any) -> None:
    good = {"image_id": 1.0, "category_id": "2", "bbox": [0, 0, 5, 5]}
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": None, "file_name": "b.jpg"}, {"id": 2, "file_name": {}}]
    content = {
        "images": images,
        "annotations": [good, bad],
        "categories": [{"id": 2, "name": "fox"}, {"id": [], "name": []}],
    }
    assert [(one.image, one.label) for one in read_json(json.dumps(content), "a.json").entries] == [("a.jpg", "fox")]


def test_a_matlab_file_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    variable = zlib.compress(bytes(40_000_000))
    header = bytes(124) + b"\0\1IM"
    tag = struct.pack("<II", 15, len(variable))
    (tmp_path / "meta.mat").write_bytes(header + tag + variable)
    with pytest.raises(ConfigError, match="16 MB"):
        read_names(str(tmp_path / "meta.mat"))


def test_labels_are_read_once_by_a_source(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.png").write_bytes(b"")
    (tmp_path / "labels.csv").write_text("image,label\na.png,dog\n")
    settings = {"root": str(tmp_path / "photos"), "labels": Labels(file=str(tmp_path / "labels.csv"))}
    source, categories = ImageFolder(**settings), load_categories(["dog"])
    assert source.label_counts() == {"dog": 1}
    before = list(source.candidates(categories)), source.notes(categories)
    (tmp_path / "labels.csv").write_text("image,label\na.png,cat\n")
    assert (list(source.candidates(categories)), source.notes(categories)) == before
    with pytest.raises(ConfigError):
        next(ImageFolder(**settings).candidates(categories))


def test_a_table_of_too_many_rows_is_refused_before_it_is_split() -> None:
    for end in ("\n", "\r"):
        started = time.process_time()
        with pytest.raises(ConfigError, match="3,000,001 rows, at most 2,000,000"):
            read_table(f"image,label{end}" + f"1.jpg,fox{end}" * 3_000_000, "a.csv")
        assert time.process_time() - started < 2


def test_a_row_of_a_table_is_read_once_and_in_microseconds() -> None:
    text = "image,label\n" + "".join(f"p{row}.jpg,fox\n" for row in range(100_000))
    started = time.process_time()
    assert len(read_table(text, "a.csv").entries) == 100_000
    assert time.process_time() - started < 4
