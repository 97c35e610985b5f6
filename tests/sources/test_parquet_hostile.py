"""Parquet files that unpack to far more than they hold, or are damaged in places."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray.core import cells, table_files
from xray.core.errors import ConfigError, Rejected, XrayError
from xray.core.files import read_bytes
from xray.sources.categories.base import Category
from xray.sources.parquet import Parquet

CELLO = Category(name="cello", indices=(486,))


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_MAX_UNPACKED", 1_000_000)
    monkeypatch.setattr(cells, "_SPARE", 1_000_000)


def candidates(path: Path, **settings: Any) -> list[Any]:
    return list(Parquet(uri=str(path), **settings).candidates([CELLO]))


def reason(uri: str) -> str:
    try:
        return "" if read_bytes(uri) else "empty"
    except Rejected as verdict:
        return verdict.reason


def damage(path: Path, group: int, column: str) -> None:
    """Overwrite the pages of a column of a row group."""
    row_group = pq.read_metadata(path).row_group(group)
    chunk = next(one for i in range(row_group.num_columns) if (one := row_group.column(i)).path_in_schema == column)
    data = bytearray(path.read_bytes())
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    data[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(data)


@pytest.mark.parametrize("dictionary", [False, True])
def test_images_that_would_unpack_to_far_more_cost_only_their_row_group(dictionary: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"label": ["cello"] * 3, "image": [b"x", bytes(3_000_000), b"y"]})
    pq.write_table(table, path, row_group_size=1, compression="zstd", use_dictionary=dictionary, write_statistics=False)
    assert path.stat().st_size < 100_000
    assert [reason(one.uri) for one in candidates(path)] == ["", "too_large", ""]


def test_a_value_that_many_rows_share_is_held_a_few_times(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    image = np.random.default_rng(0).bytes(600_000)
    pq.write_table(pa.table({"label": ["cello"] * 12, "image": [image] * 12}), path, compression="none")
    assert path.stat().st_size < 610_000
    before = pa.total_allocated_bytes()
    assert read_bytes(candidates(path)[11].uri) == image
    assert pa.total_allocated_bytes() - before < 3_000_000  # and not 7,200,000


@pytest.mark.parametrize(
    ("columns", "seen"),
    [
        ({"label": pa.array(np.zeros(200_000, np.int32)), "image": pa.nulls(200_000, pa.binary())}, "200,000 values"),
        ({"label": pa.array(["cello " * 1000] * 5000), "image": pa.nulls(5000, pa.binary())}, "label or id"),
        ({"label": pa.array([bytes(3_000_000)] * 2, pa.binary()).cast(pa.string()), "image": [b"x"] * 2}, "unpack"),
        ({"label": None, "image": [b"x"] * 2}, "values"),
    ],
)  # fmt: skip
def test_labels_that_would_unpack_to_far_more_are_refused(columns: Any, seen: str, tmp_path: Path) -> None:
    if seen == "values":
        columns["label"] = pa.array([[0] * 300_000, [0]])
    pq.write_table(pa.table(columns), tmp_path / "a.parquet", compression="zstd", write_statistics=False)
    with pytest.raises(ConfigError, match=seen):
        candidates(tmp_path / "a.parquet", names=("cello",))


def test_a_damaged_row_group_of_labels_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"label": ["cello"] * 6, "image": [bytes([65 + row]) for row in range(6)]})
    pq.write_table(table, path, row_group_size=2)
    damage(path, 1, "label")
    damage(path, 2, "image")
    found = candidates(path)
    assert [one.key for one in found] == [f"a.parquet:{row}" for row in (0, 1, 4, 5)]
    assert [reason(one.uri) for one in found] == ["", "", "unreadable_file", "unreadable_file"]
    (note,) = Parquet(uri=str(path)).notes([CELLO])
    assert "row group 1 of a.parquet, rows 2–3" in note
    for group in (0, 2):
        damage(path, group, "label")
    with pytest.raises(ConfigError, match="no row of"):
        Parquet(uri=str(path)).label_counts()


@pytest.mark.parametrize(
    "metadata",
    [b"", b"{not json", b"[" * 100_000, b"\xff", b'{"info": null}', b'{"info": {"features": {"label": []}}}',
     b'{"info": {"features": {"label": {"names": [{}]}}}}'],
)  # fmt: skip
def test_metadata_of_any_form_are_no_error(metadata: bytes, tmp_path: Path) -> None:
    table = pa.table({"label": [0, 1], "image": [b"x", b"y"]}).replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="ClassLabel"):
        candidates(tmp_path / "a.parquet")
    assert len(candidates(tmp_path / "a.parquet", names=("cello", "dog"))) == 1


def test_numbers_are_no_images(tmp_path: Path) -> None:
    column = pa.array([[None, 2_000_000_000], [300, 1]], pa.list_(pa.int64()))
    pq.write_table(pa.table({"label": ["cello"] * 2, "image": column}), tmp_path / "a.parquet")
    assert [reason(one.uri) for one in candidates(tmp_path / "a.parquet")] == ["unreadable_file"] * 2


def test_rows_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_files, "_BATCH", 2)
    table = pa.table({"label": ["cello", "dog"] * 4, "image": [b"x"] * 8})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=5)
    assert [one.key for one in candidates(tmp_path / "a.parquet")] == [f"a.parquet:{row}" for row in (0, 2, 4, 6)]


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    with pytest.raises(XrayError):
        candidates(tmp_path / "a.parquet")
