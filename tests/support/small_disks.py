"""Disks of a few megabytes in memory, and what goes wrong with them; only root can mount them, elsewhere tests skip."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def disk(folder: Path, *options: str) -> Iterator[Path]:
    """A disk of its own at a folder; options such as `size=4m` and `nr_inodes=100`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("mount") or not _mount("-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder):
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def full(folder: Path, leave: int) -> Iterator[None]:
    """So many bytes are free, until the block ends."""
    free = shutil.disk_usage(folder).free
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, free - leave)
    yield
    (folder / "ballast").unlink()


@contextlib.contextmanager
def without_inodes(folder: Path, leave: int) -> Iterator[None]:
    """There is room for so many files and folders, however small, until the block ends."""
    names = [folder / f"ballast{number}" for number in range(os.statvfs(folder).f_favail - leave)]
    for name in names:
        name.touch()
    yield
    for name in names:
        name.unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The disk at a folder can be read only, until the block ends."""
    assert _mount("-o", "remount,ro", folder)
    yield
    assert _mount("-o", "remount,rw", folder)


@contextlib.contextmanager
def read_only_folder(folder: Path) -> Iterator[None]:
    """One folder of a disk can be read only, until the block ends; root heeds no permissions."""
    assert _mount("--bind", folder, folder)
    assert _mount("-o", "remount,bind,ro", folder)
    yield
    subprocess.run(["umount", folder], check=True)


def _mount(*arguments: str | Path) -> bool:
    return not subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
