from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from xray.core import schema
from xray.core.errors import DamagedError
from xray.core.parquet import to_parquet
from xray.core.uri import to_uri
from xray.core.verified import Committed, PartlyRead, image_facts
from xray.core.verified_tables import TableReader, read_row, read_schema

GROUPS = [2, 1, 0, 2]
ROWS = [
    {"image_id": f"i{i}", "patch": None if i == 3 else {"bytes": os.urandom(90), "path": "p"}, "x": i, "y": 0,
     "remover": "telea", "area": 0.5, "status": "ok", "reason": "", "detail": None}
    for i in range(5)
]  # fmt: skip
TABLE = pa.Table.from_pylist(ROWS, schema.REMOVED)
Reader = Callable[[Committed], object]


def read_some(columns: list[str] | None = None, where: pc.Expression | None = None) -> Reader:
    return lambda file: TableReader(schema.REMOVED, columns, where).read([file]).to_pylist()


READERS: dict[str, Reader] = {
    "whole": read_some(),
    "columns": read_some(["image_id", "area"]),
    "rows": read_some(["image_id", "patch"], pc.field("image_id") == "i2"),
    "row": lambda file: read_row(file, 3),
    "schema": read_schema,
    "once": lambda file: file.check_once(),
}


def commit(path: Path, table: pa.Table = TABLE, *, images: bool = True) -> Committed:
    data = to_parquet(table, GROUPS)
    path.write_bytes(data)
    facts = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    return Committed(to_uri(path), facts | (image_facts(data, table.schema) if images else {}), "make it again")


@pytest.mark.parametrize("images", [True, False])
def test_what_is_as_committed_is_read(tmp_path: Path, images: bool) -> None:
    file = commit(tmp_path / "removed.parquet", images=images)
    assert READERS["whole"](file) == ROWS
    assert READERS["columns"](file) == [{"image_id": row["image_id"], "area": 0.5} for row in ROWS]
    assert READERS["rows"](file) == [{"image_id": "i2", "patch": ROWS[2]["patch"]}]
    assert READERS["row"](file) == ROWS[3]
    assert READERS["schema"](file) == schema.REMOVED


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("name", READERS)
def test_a_flipped_bit_is_an_error_or_changes_nothing(tmp_path: Path, name: str, images: bool) -> None:
    file = commit(path := tmp_path / "removed.parquet", images=images)
    data, right, unread, messages = path.read_bytes(), READERS[name](file), 0, set()
    for position in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            assert READERS[name](file) == right
            unread += 1
        except DamagedError as error:
            messages.add(str(error))
    assert messages == {f"{path} is not as it was committed; make it again"}
    chunks = sum(stop - start for start, stop, _ in file.chunks)
    assert unread <= chunks if images and name in ("columns", "rows", "row") else unread == 0


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_file_that_is_cut_or_missing_is_an_error(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = commit(path := tmp_path / "removed.parquet")
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"removed\.parquet"):
        READERS[name](file)


def test_images_of_other_row_groups_are_not_read(tmp_path: Path) -> None:
    file = commit(path := tmp_path / "removed.parquet")
    assert len(file.chunks) == len(GROUPS)
    data = bytearray(path.read_bytes())
    start, _, _ = file.chunks[0]
    data[start] ^= 1
    path.write_bytes(data)
    partly = PartlyRead(file)
    assert not any(memoryview(partly.buffer)[start : file.chunks[0][1]])
    assert READERS["row"](file) == ROWS[3]
    for name in ("whole", "once"):
        with pytest.raises(DamagedError):
            READERS[name](file)
    with pytest.raises(DamagedError):
        read_row(file, 0)


def test_facts_of_a_table_without_images_are_those_of_the_file() -> None:
    assert image_facts(to_parquet(TABLE.select(["x"])), pa.schema([("x", pa.int32())])) == {}


def test_a_file_without_facts_is_read_as_it_is(tmp_path: Path) -> None:
    file = replace(commit(path := tmp_path / "removed.parquet"), facts={})
    assert READERS["whole"](file) == ROWS
    path.write_bytes(to_parquet(TABLE.slice(0, 1)))
    file.check_once()
    assert READERS["whole"](file) == ROWS[:1]


def test_a_large_file_is_hashed_again_once_it_is_another(tmp_path: Path) -> None:
    file = replace(commit(path := tmp_path / "removed.parquet", images=False), in_place=True)
    file.check_once()
    data, times = path.read_bytes(), path.stat()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    file.check_once()  # its time and size say that it is the same
    os.utime(path)
    with pytest.raises(DamagedError):
        READERS["columns"](file)


def test_only_as_many_files_are_read_as_a_limit_takes(tmp_path: Path) -> None:
    files = [commit(tmp_path / "0.parquet"), Committed(to_uri(tmp_path / "1.parquet"), {}, "")]
    reader = TableReader(schema.REMOVED, ["image_id"])
    assert len(reader.read(files, 4)) == 4
    with pytest.raises(DamagedError, match=r"1\.parquet is missing"):
        reader.read(files, 6)
    assert reader.read([]).schema.names == ["image_id"]


def test_many_files_keep_their_order_and_their_dictionaries(tmp_path: Path) -> None:
    files = [
        commit(tmp_path / f"{i}.parquet", TABLE.set_column(2, "x", pa.array([i] * 5, pa.int32()))) for i in range(9)
    ]
    table = TableReader(schema.REMOVED, ["x", "remover"], dictionaries=["remover"]).read(files)
    assert table.column("x").to_pylist() == [i for i in range(9) for _ in range(5)]
    assert pa.types.is_dictionary(table.schema.field("remover").type)


def test_a_pipe_in_place_of_a_file_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DamagedError):
        Committed(to_uri(str(tmp_path / "pipe")), {}, "").read()


def test_a_pipe_in_place_of_a_file_is_damage(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.parquet")
    file = Committed(to_uri(tmp_path / "a.parquet"), {"sha256": "0", "bytes": 1}, "mend", in_place=True)
    for read in (file.check_once, file.read):
        with pytest.raises(DamagedError):
            read()
