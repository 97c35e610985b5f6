from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.sources.debian import fetch, version_of

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("apt-get", "dpkg-deb")), reason="no apt-get or dpkg-deb here"
)

CONTROL = """\
Package: {name}
Version: 1.2-3
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: pictures
"""


def entry(archive: Path, name: str) -> str:
    """An entry of the repository's list, as `dpkg-scanpackages` writes it."""
    data = archive.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return f"{CONTROL.format(name=name)}Filename: ./{archive.name}\nSize: {len(data)}\nSHA256: {sha256}\n\n"


def add_package(repository: Path, name: str) -> None:
    """Build a package and add it to the repository's list."""
    tree = repository / f"tree-{name}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL.format(name=name))
    (tree / "usr/share" / name).mkdir(parents=True)
    (tree / "usr/share" / name / "picture.txt").write_text(f"a picture of {name}")
    archive = repository / f"{name}_1.2-3_all.deb"
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, archive], check=True, capture_output=True)
    with (repository / "Packages").open("a") as stream:
        stream.write(entry(archive, name))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    add_package(folder, "stamps-one")
    add_package(folder, "stamps-two")
    return folder


def options(repository: Path) -> dict[str, str]:
    sources = repository / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{repository} ./\n")
    return {"Dir::Etc::sourcelist": str(sources), "Dir::Etc::sourceparts": "/dev/null"}


def test_fetches_and_unpacks(repository: Path, tmp_path: Path) -> None:
    cache = tmp_path / "a cache"
    unpacked = fetch(["stamps-one", "stamps-two"], cache, options(repository))
    for name in ("stamps-one", "stamps-two"):
        assert (unpacked / name / "usr/share" / name / "picture.txt").read_text() == f"a picture of {name}"
    assert version_of(unpacked, "stamps-one") == "1.2-3"
    assert [path.name for path in cache.iterdir()] == ["unpacked"]
    assert sorted(path.name for path in unpacked.iterdir()) == ["stamps-one", "stamps-two"]


def test_cached_packages_need_no_apt(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fetch(["stamps-one"], tmp_path / "cache", options(repository))
    monkeypatch.setenv("PATH", "/nonexistent")
    assert fetch(["stamps-one"], tmp_path / "cache", options(repository)) == first
    with pytest.raises(XrayError, match="stamps-two: apt-get"):
        fetch(["stamps-one", "stamps-two"], tmp_path / "cache", options(repository))


def test_unknown_package(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"stamps-three: .*stamps-three"):
        fetch(["stamps-one", "stamps-three"], tmp_path / "cache", options(repository))
    assert [path.name for path in (tmp_path / "cache/unpacked").iterdir()] == ["stamps-one"]


def test_broken_repository(repository: Path, tmp_path: Path) -> None:
    shutil.rmtree(repository)
    repository.mkdir()
    with pytest.raises(XrayError, match=r"stamps-one: .*File not found"):
        fetch(["stamps-one"], tmp_path / "cache", options(repository))


def test_damaged_archives_are_refused(repository: Path, tmp_path: Path) -> None:
    archive = repository / "stamps-one_1.2-3_all.deb"
    archive.write_bytes(archive.read_bytes()[:-20] + bytes(20))
    with pytest.raises(XrayError, match=r"stamps-one: .*[Hh]ash"):
        fetch(["stamps-one"], tmp_path / "cache", options(repository))
    archive.write_bytes(b"no archive")
    (repository / "Packages").write_text(entry(archive, "stamps-one"))
    with pytest.raises(XrayError, match=r"unpack .*stamps-one"):
        fetch(["stamps-one"], tmp_path / "cache", options(repository))
    assert list((tmp_path / "cache/unpacked").iterdir()) == []
