"""Debian packages as a source of images: fetched by apt-get without root, and not installed.

apt checks the archive's signatures with the machine's list of sources and keys, and writes only to a temporary folder.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path

from xray.core.cache import fill_once
from xray.core.errors import ConfigError

_log = logging.getLogger(__name__)

# hooks expect the system's own lists and archives
_NO_HOOKS = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""


def fetch(packages: Sequence[str], cache: Path, options: Mapping[str, str] | None = None) -> Path:
    """Download and unpack the Debian packages that are not in the cache yet.

    Args:
        packages: their names.
        cache: folder of the packages.
        options: additional settings of apt, such as `{"Dir::Etc::sourcelist": "/…"}`; see apt.conf(5).

    Returns:
        The folder with one folder per package: its file tree with `DEBIAN/control`.
    """
    unpacked = cache / "unpacked"
    missing = [package for package in packages if not (unpacked / package).is_dir()]
    if not missing:
        return unpacked
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise ConfigError(f"cannot fetch the Debian packages {', '.join(missing)}: {program} is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".apt.", dir=cache) as work:
        command = _apt_get(Path(work), options or {})
        _log.info("reading the lists of packages")
        update = _run([*command, "update"], Path(work))
        for package in missing:
            archive = _download(package, command, update, Path(work) / "archives" / package)
            _log.info("unpacking %s", package)
            fill_once(unpacked / package, functools.partial(_unpack, archive))
    return unpacked


def version_of(unpacked: Path, package: str) -> str:
    """Return the version of an unpacked package."""
    return HeaderParser().parsestr((unpacked / package / "DEBIAN" / "control").read_text(encoding="utf-8"))["Version"]


def _download(package: str, command: Sequence[str], update: subprocess.CompletedProcess[str], folder: Path) -> Path:
    """Fetch an archive into a new folder.

    A failed update of the lists is an error only if the package is not found: machines often have an unrelated source
    that fails.
    """
    folder.mkdir(parents=True)
    _log.info("fetching the Debian package %s (%s)", package, _size(command, package, folder))
    download = _run([*command, "download", package], folder)
    archives = list(folder.glob("*.deb"))
    if download.returncode or len(archives) != 1:
        failed = [run for run in (update, download) if run.returncode or "Err:" in run.stdout] or [download]
        raise ConfigError(f"cannot fetch the Debian package {package}: {' | '.join(map(_last_lines, failed))}")
    return archives[0]


def _apt_get(work: Path, options: Mapping[str, str]) -> list[str]:
    """Return apt-get with options that write only to `work`; the machine's sources and keys (`Dir::Etc`) are used."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    status, hooks = work / "status", work / "no-hooks.conf"
    status.touch()
    hooks.write_text(_NO_HOOKS, encoding="utf-8")
    own = {
        "Dir::State": f"{work}/state",
        "Dir::State::lists": f"{work}/state/lists",
        "Dir::State::status": str(status),
        "Dir::Cache": f"{work}/cache",
        "Dir::Cache::archives": f"{work}/cache/archives",
        "APT::Sandbox::User": "root",  # the user _apt cannot write to a private home folder
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        **options,
    }
    settings = [word for name, value in own.items() for word in ("-o", f"{name}={value}")]
    return ["apt-get", "-q", "-c", str(hooks), *settings]


def _size(command: Sequence[str], package: str, folder: Path) -> str:
    """Return the size of the download for a log message, from apt's line `'uri' file bytes checksum`."""
    words = _run([*command, "download", "--print-uris", package], folder).stdout.split()
    return f"{int(words[2]) / 1e6:.1f} MB" if len(words) >= 3 and words[2].isdigit() else "size unknown"


def _unpack(archive: Path, folder: Path) -> None:
    run = _run(["dpkg-deb", "--raw-extract", str(archive), str(folder)], folder)
    if run.returncode:
        raise ConfigError(f"cannot unpack {archive.name}: {_last_lines(run)}")


def _run(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def _last_lines(run: subprocess.CompletedProcess[str], limit: int = 4) -> str:
    lines = [line.strip() for line in run.stdout.splitlines() if line.strip()]
    return " / ".join(lines[-limit:]) or f"{run.args[0]} ended with status {run.returncode}"
