from __future__ import annotations

import inspect
import os
import socket
import sys
from pathlib import Path

import pytest

from xray.core.errors import Rejected
from xray.core.files import list_entries, list_files, list_folders, read_bytes
from xray.core.listing import LeftOut
from xray.core.uri import base_name, to_uri


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with files, links of every kind, and what is neither file nor folder."""
    root, other = tmp_path / "root", tmp_path / "other"
    (root / "fox").mkdir(parents=True)
    other.mkdir()
    for path in (root / "fox/1.jpg", root / "2.jpg", root / ".hidden.jpg", other / "secret.jpg"):
        path.write_bytes(b"x")
    (root / "inside.jpg").symlink_to("fox/1.jpg")
    (root / "outside.jpg").symlink_to(other / "secret.jpg")
    (root / "gone.jpg").symlink_to("/nowhere/x.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "device.jpg").symlink_to("/dev/zero")
    (root / "fox/loop").symlink_to("..")
    (root / "zoo").symlink_to(other)
    (root / "fox2").symlink_to("fox")
    os.mkfifo(root / "pipe.jpg")
    return root


def problems(root: Path, within: Path | None, left_out: LeftOut | None = None) -> dict[str, str]:
    entries = list_entries(to_uri(root), within=within and to_uri(within), left_out=left_out)
    return {base_name(entry.uri): entry.problem.partition(":")[0] for entry in entries}


def test_links_do_not_lead_out_of_the_folder(tree: Path) -> None:
    left_out = LeftOut()
    assert problems(tree, tree, left_out) == {
        "1.jpg": "", "2.jpg": "", "inside.jpg": "", "outside.jpg": "link_outside", "gone.jpg": "missing_file",
        "self.jpg": "missing_file", "device.jpg": "link_outside", "pipe.jpg": "not_a_file",
    }  # fmt: skip
    assert left_out == LeftOut(hidden=[".hidden.jpg"], outside=["zoo"], again=["loop", "fox2"])
    assert [note.split()[0] for note in left_out.notes()] == ["1", "1", "2"]
    assert [base_name(uri) for uri in list_folders(to_uri(tree), within=to_uri(tree))] == ["fox", "fox2"]


def test_all_links_are_followed_if_asked(tree: Path) -> None:
    found = problems(tree, None)
    assert (found["outside.jpg"], found["secret.jpg"], found["device.jpg"]) == ("", "", "not_a_file")
    assert [base_name(uri) for uri in list_folders(to_uri(tree))] == ["fox", "fox2", "zoo"]
    names = [base_name(uri) for uri in list_files(to_uri(tree))]
    assert {"gone.jpg", "self.jpg", "secret.jpg"} < {*names}
    assert not {"pipe.jpg", "device.jpg", ".hidden.jpg"} & {*names}


def test_folders_that_link_to_each_other_are_listed_once(tmp_path: Path) -> None:
    folders = [tmp_path / f"{number}" for number in range(12)]
    for folder in folders:
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"x")
    for folder in folders:
        for other in folders:
            (folder / f"to {other.name}").symlink_to(other)
    assert len(list(list_files(to_uri(tmp_path)))) < 3 * len(folders)


def test_what_is_no_file_is_refused_without_waiting(tree: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(tree)  # the path of a socket must be short
        listener.bind("socket.jpg")
        os.chdir(here)
        for name in ("pipe.jpg", "device.jpg", "socket.jpg"):
            with pytest.raises(Rejected) as caught:
                read_bytes(to_uri(tree / name))
            assert caught.value.reason == "not_a_file", name


def test_large_files_are_refused_before_they_are_read(tmp_path: Path) -> None:
    large, small = tmp_path / "large.jpg", tmp_path / "small.jpg"
    large.touch()
    os.truncate(large, 1 << 40)
    small.write_bytes(b"123")
    with pytest.raises(Rejected) as caught:
        read_bytes(to_uri(large))
    assert caught.value.reason == "too_large"
    both = f"{to_uri(small)} {to_uri(small)}"
    assert read_bytes(both, 6)
    with pytest.raises(Rejected):
        read_bytes(both, 5)
    assert read_bytes(to_uri(small), None) == b"123"


def test_what_vanishes_while_it_is_listed_is_an_entry() -> None:
    entries = list(list_entries(to_uri(Path("/proc/self/fd")), within=None))  # one of them is the listing itself
    assert any(entry.problem.startswith("missing_file") for entry in entries)


def test_a_folder_is_listed_once_whatever_links_to_it(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/1.jpg").write_bytes(b"x")
    (tmp_path / ".c").mkdir()
    (tmp_path / ".c/2.jpg").write_bytes(b"x")
    for link, target in (("a", "b"), ("c", "b"), ("d", ".c"), ("e", ".c")):
        (tmp_path / link).symlink_to(target)
    left_out = LeftOut()
    entries = list_entries(to_uri(tmp_path), left_out=left_out)
    assert [entry.uri.rpartition("/")[0][-1] + base_name(entry.uri) for entry in entries] == ["b1.jpg", "d2.jpg"]
    assert left_out.again == ["a", "c", "e"]


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*["a"] * 200)
    deepest.mkdir(parents=True)
    (deepest / "1.jpg").write_bytes(b"x")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        assert len(list(list_files(to_uri(tmp_path)))) == 1
    finally:
        sys.setrecursionlimit(limit)


def test_a_folder_that_cannot_be_listed_costs_only_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"x")
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # longer than a path may be
        os.mkdir("a" * 250, dir_fd=at)
        below = os.open("a" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    left_out = LeftOut()
    assert [base_name(entry.uri) for entry in list_entries(to_uri(tmp_path), left_out=left_out)] == ["1.jpg"]
    assert (len(left_out.closed), len(left_out.notes())) == (1, 1)


def test_a_file_that_has_more_bytes_than_it_says_is_not_read_to_its_end() -> None:
    with pytest.raises(Rejected) as caught:
        read_bytes("file:///proc/self/pagemap")  # of terabytes
    assert caught.value.reason == "unreadable_file"
