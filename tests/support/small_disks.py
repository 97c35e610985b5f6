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
    """Mount a small disk at a folder; options such as `size=4m` and `nr_inodes=100`."""
    folder.mkdir(parents=True, exist_ok=True)
    if not shutil.which("mount") or not _mount("-t", "tmpfs", "-o", ",".join(options), "tmpfs", folder):
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def full(folder: Path, leave: int) -> Iterator[None]:
    """Leave only so many bytes free until the block ends."""
    free = shutil.disk_usage(folder).free
    with (folder / "ballast").open("wb") as ballast:
        os.posix_fallocate(ballast.fileno(), 0, free - leave)
    yield
    (folder / "ballast").unlink()


@contextlib.contextmanager
def without_inodes(folder: Path, leave: int) -> Iterator[None]:
    """Leave room for only so many files and folders until the block ends."""
    names = [folder / f"ballast{number}" for number in range(os.statvfs(folder).f_favail - leave)]
    for name in names:
        name.touch()
    yield
    for name in names:
        name.unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make the disk read-only until the block ends."""
    assert _mount("-o", "remount,ro", folder)
    yield
    assert _mount("-o", "remount,rw", folder)


@contextlib.contextmanager
def read_only_folder(folder: Path) -> Iterator[None]:
    """Make one folder of a disk read-only until the block ends, also for root."""
    assert _mount("--bind", folder, folder)
    assert _mount("-o", "remount,bind,ro", folder)
    yield
    subprocess.run(["umount", folder], check=True)


def _mount(*arguments: str | Path) -> bool:
    return not subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode
