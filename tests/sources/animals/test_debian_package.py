from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from xray.core.errors import ConfigError
from xray.sources.animals.debian_package import DebianPackage, fetch

CONTROL = """\
Package: pictures
Version: {version}
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: pictures
"""
needs_apt = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("apt-get", "dpkg-deb")), reason="no apt-get or dpkg-deb here"
)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which a server offers its files."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def package(archive: bytes, *addresses: str, version: str = "1.2-3") -> DebianPackage:
    return DebianPackage("pictures", version, len(archive), hashlib.sha256(archive).hexdigest(), addresses)


@pytest.fixture
def no_apt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")


@pytest.mark.usefixtures("no_apt")
def test_without_apt_the_next_address_that_has_the_archive_serves(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    (folder / "pictures.deb").write_bytes(b"an archive")
    wanted = package(b"an archive", f"{address}/missing.deb", f"{address}/pictures.deb")
    assert fetch(wanted) == b"an archive"


@pytest.mark.usefixtures("no_apt")
def test_every_way_that_failed_is_named(mirror: tuple[Path, str]) -> None:
    folder, address = mirror
    (folder / "other.deb").write_bytes(b"another archive, which is longer")
    wanted = package(b"an archive", f"{address}/missing.deb", f"{address}/other.deb", "http://127.0.0.1:9/closed.deb")
    with pytest.raises(ConfigError) as refused:
        fetch(wanted)
    lines = str(refused.value).splitlines()[1:]
    assert len(lines) == 4
    for line, words in zip(lines, ("apt-get", "404", "sha256", "refused"), strict=True):
        assert words in line


@pytest.fixture
def repository(tmp_path: Path) -> dict[str, str]:
    """A repository with one package; returns apt's options to use it alone."""
    folder = tmp_path / "repository"
    tree = folder / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(CONTROL.format(version="1.2-3"))
    (tree / "picture.txt").write_text("a picture")
    archive = folder / "pictures_1.2-3_all.deb"
    subprocess.run(["dpkg-deb", "-b", "--root-owner-group", tree, archive], check=True, capture_output=True)
    data = archive.read_bytes()
    facts = f"Filename: ./{archive.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n\n"
    (folder / "Packages").write_text(CONTROL.format(version="1.2-3") + facts)
    sources = folder / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{folder} ./\n")
    return {"Dir::Etc::sourcelist": str(sources), "Dir::Etc::sourceparts": "/dev/null"}


@needs_apt
def test_apt_serves_the_pinned_version(repository: dict[str, str], tmp_path: Path) -> None:
    archive = (tmp_path / "repository/pictures_1.2-3_all.deb").read_bytes()
    assert fetch(package(archive), repository) == archive


@needs_apt
def test_an_archive_of_another_version_or_hash_is_left_to_the_mirrors(
    repository: dict[str, str], mirror: tuple[Path, str]
) -> None:
    folder, address = mirror
    (folder / "pictures.deb").write_bytes(b"a newer archive")
    newer = package(b"a newer archive", f"{address}/pictures.deb", version="9.9")
    assert fetch(newer, repository) == b"a newer archive"
    assert fetch(replace(newer, version="1.2-3"), repository) == b"a newer archive"
