from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.packages import deb

from xray.core.errors import ConfigError
from xray.sources.animals.deb_archive import read_archive

FILES = {"usr/share/a.rcc": b"\0\1" * 999, "usr/share/b.rcc": b"b", "usr/share/c": b""}


@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_files_by_path(compression: str) -> None:
    wanted = ["usr/share/a.rcc", "usr/share/c"]
    assert read_archive(deb(FILES, compression), wanted) == {path: FILES[path] for path in wanted}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no dpkg-deb here")
def test_archives_of_dpkg_deb(tmp_path: Path) -> None:
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    facts = "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: Nobody <nobody@example.org>\nDescription: a\n"
    (tmp_path / "tree/DEBIAN/control").write_text(facts)
    (tmp_path / "tree/fox.txt").write_text("a fox")
    command = ["dpkg-deb", "-Zxz", "-b", "--root-owner-group", tmp_path / "tree", tmp_path / "a.deb"]
    subprocess.run(command, check=True, capture_output=True)
    assert read_archive((tmp_path / "a.deb").read_bytes(), ["fox.txt"]) == {"fox.txt": b"a fox"}


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"PK\3\4",
        b"!<arch>\n",
        deb(FILES)[:200],
        deb(FILES)[: len(deb(FILES)) // 2],
        deb(FILES).replace(b"data.tar", b"rata.tar"),
    ],
    ids=["empty", "zip", "no members", "cut in the header", "cut in the data", "no data"],
)
def test_what_is_no_package_is_refused(archive: bytes) -> None:
    with pytest.raises(ConfigError):
        read_archive(archive, [*FILES])


def test_a_package_without_the_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="usr/share/missing"):
        read_archive(deb(FILES), ["usr/share/missing"])
