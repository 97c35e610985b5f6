from __future__ import annotations

import os
import socket
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
