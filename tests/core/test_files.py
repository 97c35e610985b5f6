from __future__ import annotations

import base64
import errno
import os
import stat
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core import files
from xray.core.errors import Rejected, UnreachableError, XrayError
from xray.core.uri import base_name, cell_uri, join, local_path, to_uri

NASTY = [
    b"a\nb.jpg",
    b"<script>alert(1)</script>.jpg".replace(b"/", b"_"),
    b"\xff\xfe.jpg",
    b"100% #1?.jpg",
    "ü ö.jpg".encode(),
    b"..jpg.x",
]


@pytest.mark.parametrize("name", NASTY)
def test_any_file_name_comes_through(tmp_path: Path, name: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 - bytes
    with open(path, "wb") as stream:  # noqa: PTH123 - bytes
        stream.write(b"data")
    listed = list(files.list_files(to_uri(tmp_path)))
    if name.startswith(b"."):
        assert listed == []
        return
    (uri,) = listed
    assert uri.isascii()
    assert "\n" not in uri
    assert files.read_bytes(uri) == b"data"
    assert os.fsencode(local_path(uri) or "") == path
    assert join(to_uri(tmp_path), os.fsdecode(name)) == uri


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1))
def test_names_are_quoted_and_read_back(name: str) -> None:
    if name not in (".", ".."):
        assert base_name(join("s3://bucket/folder", name)) == name


@pytest.mark.parametrize("name", ["../b", "..", ".", "a/b", ""])
def test_names_cannot_leave_their_folder(name: str) -> None:
    with pytest.raises(XrayError, match="cannot be the name"):
        join("file:///a", name)


def test_listing_is_sorted_and_leaves_out_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a.txt", ".hidden/x.txt", "b/.y", "__MACOSX/x.txt", "b/@eaDir/z.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    uri = to_uri(tmp_path)
    assert [item.removeprefix(uri) for item in files.list_files(uri)] == ["/a.txt", "/b/1.txt", "/b/2.txt"]
    assert [item.removeprefix(uri) for item in files.list_files(uri, recursive=False)] == ["/a.txt"]


def test_what_cannot_be_read_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(to_uri(tmp_path / "no"))
    with pytest.raises(Rejected, match="unreadable_file"):
        files.read_bytes(to_uri(tmp_path))
    with pytest.raises(XrayError, match="no folder"):
        list(files.list_files(to_uri(tmp_path / "no")))
    with pytest.raises(XrayError, match="unknown scheme 'ftp'"):
        to_uri("ftp://host/x")


def test_files_are_found_by_patterns(tmp_path: Path) -> None:
    for name in ("a[1]/x.json", "a[1]/y.txt", "b c/x.json", "x.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = files.matching_files(f"{tmp_path}/*/x.json")
    assert [base_name(uri.rpartition("/")[0]) for uri in found] == ["a[1]", "b c"]
    assert files.matching_files(f"{tmp_path}/a[1]/*.txt") == [to_uri(tmp_path / "a[1]/y.txt")]
    assert files.matching_files(f"{tmp_path}/no/*.txt") == []


def test_writing_replaces_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    uri = join(to_uri(tmp_path), "new folder", "x.bin")
    files.write_bytes(uri, b"1")
    files.write_bytes(uri, b"22")
    assert files.read_bytes(uri) == b"22"
    assert os.listdir(tmp_path / "new folder") == ["x.bin"]  # noqa: PTH208


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = to_uri(tmp_path / "x.bin")
    files.write_bytes(uri, b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        XrayError, match=r"^no space left for '.*x\.bin', 3 bytes \(No space left on device; \d.*B free\)"
    ):
        files.write_bytes(uri, b"new")
    assert files.read_bytes(uri) == b"old"
    assert os.listdir(tmp_path) == ["x.bin"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.EDQUOT, r"no space left for '{path}', 2\.0 kB \(.*quota.*; .*B free\)"),
        (errno.EACCES, r"cannot write '{path}' \(Permission denied\): its folder must be writable"),
        (errno.EPERM, r"cannot write '{path}' \(Operation not permitted\): its folder must be writable"),
        (errno.EROFS, r"cannot write '{path}' \(Read-only file system\): its folder must be writable"),
        (errno.EIO, r"cannot write '{path}' \(Input/output error\)"),
    ],
)
def test_what_cannot_be_written_says_why(code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(XrayError, match=f"^{said.format(path=tmp_path / 'x.bin')}") as error:
        files.write_bytes(to_uri(tmp_path / "x.bin"), bytes(2000))
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_and_a_file_that_cannot_be_removed_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(XrayError, match=r"^cannot write '.*/file/x\.bin' \((Not a directory|File exists)\)"):
        files.write_bytes(to_uri(tmp_path / "file/x.bin"), b"1")
    with pytest.raises(XrayError, match=r"^cannot remove '.*/no' \("):
        files.delete_file(to_uri(tmp_path / "no"))


def test_an_object_store_that_refuses_is_one_line(bucket: str) -> None:
    nowhere = bucket.format("x.bin").replace("s3://photos/", "s3://no-such-bucket/")
    said = r"^cannot reach s3://no-such-bucket/x\.bin.* \(.*bucket.*\)"
    with pytest.raises(XrayError, match=said) as error:
        files.write_bytes(nowhere, b"1")
    assert "\n" not in str(error.value)


def test_an_object_store_lists_like_a_disk(bucket: str, tmp_path: Path) -> None:
    for root in (bucket.format("listed"), to_uri(tmp_path)):
        gone = join(root, "gone")
        assert (files.paths_below(gone), files.modified(gone)) == ([], {})
        for listing in (files.list_files, files.list_folders):
            with pytest.raises(XrayError, match="no folder"):
                list(listing(gone))
        for names in (("b", "1.txt"), ("a.txt",), (".y",), (".z", "x")):
            files.write_bytes(join(root, *names), b"1")
        assert [base_name(uri) for uri in files.list_files(root)] == ["a.txt", "1.txt"]
        assert [base_name(uri) for uri in files.list_folders(root)] == ["b"]
        assert files.paths_below(root) == [".y", ".z/x", "a.txt", "b/1.txt"]
        assert [base_name(uri) for uri in files.modified(root)] == ["a.txt"]


def test_data_uris_and_parquet_cells(tmp_path: Path) -> None:
    assert files.read_bytes("data:application/json;base64," + base64.b64encode(b'{"a": 1}').decode()) == b'{"a": 1}'
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = [{"bytes": bytes([i]) * 3, "path": None} for i in range(5)] + [None]
    table = pa.table({"image": pa.array(cells, image), "raw": pa.array([bytes([i]) for i in range(6)])})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    uri = to_uri(tmp_path / "t.parquet")
    assert files.read_bytes(cell_uri(uri, 1, 1, "image")) == b"\3\3\3"
    assert files.read_bytes(cell_uri(uri, 2, 0, "raw")) == b"\4"
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(cell_uri(uri, 2, 1, "image"))
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(cell_uri(uri, 2, 99, "image"))
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(cell_uri(uri, 2, 1, "gone"))


def test_unreadable_file_is_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"1")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user can read everything")
    with pytest.raises(Rejected, match="unreadable_file"):
        files.read_bytes(to_uri(path))
    path.chmod(stat.S_IRUSR)


def test_what_permissions_hide_is_neither_missing_nor_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = to_uri(tmp_path / "run.json")

    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "_read_local", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    for look in (files.exists, files.read_committed):
        with pytest.raises(UnreachableError, match="no permission"):
            look(uri)


def test_a_name_that_is_too_long_is_no_file(tmp_path: Path) -> None:
    uri = to_uri(tmp_path / ("a" * 300))
    assert not files.exists(uri)
    assert not files.is_folder(uri)
