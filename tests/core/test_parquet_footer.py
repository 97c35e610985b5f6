"""The sizes in a footer are those that pyarrow reads; damaged footers are errors, and never end the process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray.core.parquet_footer import read_footer


def written(path: Path, **options: Any) -> str:
    images = pa.array([{"bytes": b"x" * row, "path": None} for row in range(7)])
    lists = pa.array([[row] * row for row in range(7)])
    names = {"a.b": ["x"] * 7, "label": [None, "y"] * 3 + ["z"], "empty": pa.nulls(7), "number": np.arange(7.0)}
    pq.write_table(pa.table({"image": images, "lists": lists, **names}), path, row_group_size=3, **options)
    return path.as_uri()


@pytest.mark.parametrize(
    "options", [{}, {"write_statistics": False}, {"compression": "zstd", "use_dictionary": False, "version": "1.0"},
                {"write_page_index": True, "data_page_version": "2.0"}],
)  # fmt: skip
def test_sizes_are_those_that_pyarrow_reads(options: dict[str, Any], tmp_path: Path) -> None:
    footer, metadata = read_footer(written(tmp_path / "a.parquet", **options)), pq.read_metadata(tmp_path / "a.parquet")
    assert len(footer.row_groups) == metadata.num_row_groups == 3
    for group, chunks in enumerate(footer.row_groups):
        for index, chunk in enumerate(chunks):
            one = metadata.row_group(group).column(index)
            sizes = (one.path_in_schema, one.num_values, one.total_compressed_size, one.total_uncompressed_size)
            assert chunk[:4] == sizes
            assert chunk.nulls == (one.statistics.null_count if one.statistics else None)
    assert [one.path for one in footer.chunks(0, "image")] == ["image.bytes", "image.path"]
    assert footer.bytes == (tmp_path / "a.parquet").stat().st_size


def test_damaged_footers_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    written(path)
    sound, draw = path.read_bytes(), np.random.default_rng(0)
    length = int.from_bytes(sound[-8:-4], "little")
    read = 0
    for number in range(1500):
        data = bytearray(sound)
        for _ in range(draw.integers(1, 6)):
            data[len(data) - 1 - draw.integers(length + 8)] ^= 1 << draw.integers(8)
        damaged = tmp_path / f"{number}.parquet"
        damaged.write_bytes(data)
        try:
            read_footer(damaged.as_uri())
            read += 1
        except (ValueError, LookupError, TypeError, AttributeError):
            pass
    assert 0 < read < 1500


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\xff\xff\xff\x7fPAR1", b"PAR1\0\0\0\0PARE", b"x" * 99])
def test_other_files_are_no_parquet(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(ValueError, match="footer"):
        read_footer((tmp_path / "a.parquet").as_uri())


def test_deep_and_endless_footers_are_refused(tmp_path: Path) -> None:
    for footer in (
        b"\x1c" * 5000,
        b"\x19\xfc" + b"\xff" * 9 + b"\x01",
        b"\x16" + b"\xff" * 20,
        b"\x1b\xff\xff\xff\xff\x0f\x88",
    ):
        path = tmp_path / f"{len(footer)}.parquet"
        path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
        with pytest.raises(ValueError, match="footer"):
            read_footer(path.as_uri())
