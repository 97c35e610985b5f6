"""A Debian package as a source of images: downloaded by apt-get without root, or over HTTPS, and never installed.

The package is pinned by version and sha256, so that every way and every machine gives the same bytes.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from xray.core.errors import ConfigError

_log = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 30
_CHUNK_BYTES = 1 << 20

# hooks expect the system's own lists and archives
_NO_HOOKS = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
"""


@dataclass(frozen=True)
class DebianPackage:
    """One version of a Debian package.

    Args:
        name: of the package.
        version: of the package.
        size: of its archive in bytes.
        sha256: of its archive.
        addresses: web addresses of its archive, tried in this order after apt-get.
    """

    name: str
    version: str
    size: int
    sha256: str
    addresses: tuple[str, ...]

    def check(self, archive: bytes) -> bytes:
        """Return the archive.

        Raises:
            ConfigError: it is another one.
        """
        if (sha256 := hashlib.sha256(archive).hexdigest()) != self.sha256:
            raise ConfigError(
                f"sha256 {sha256} ({len(archive):,} bytes) instead of {self.sha256} ({self.size:,} bytes), "
                f"which version {self.version} has"
            )
        return archive


def fetch(package: DebianPackage, apt_options: Mapping[str, str] | None = None) -> bytes:
    """Download a Debian package.

    Args:
        package: which.
        apt_options: further settings of apt, such as `{"Dir::Etc::sourcelist": "/…"}`; see apt.conf(5).

    Raises:
        ConfigError: no way works; it names all that were tried.
    """
    ways: dict[str, Callable[[], bytes]] = {"apt-get": lambda: _by_apt(package, apt_options or {})}
    ways |= {address: lambda address=address: _by_web(package, address) for address in package.addresses}  # type: ignore[misc]
    problems = []
    for name, way in ways.items():
        _log.info("fetching %s %s, %.0f MB (%s)", package.name, package.version, package.size / 1e6, name)
        try:
            return package.check(way())
        except (ConfigError, OSError) as error:
            problems.append(f"{name}: {error}")
    tried = "\n".join(f"  {problem}" for problem in problems)
    raise ConfigError(f"cannot fetch the Debian package {package.name} {package.version}:\n{tried}")


def _by_web(package: DebianPackage, address: str) -> bytes:
    chunks, present = [], 0
    try:
        with urlopen(Request(address, headers={"User-Agent": "xray"}), timeout=_TIMEOUT_SECONDS) as answer:
            while present <= package.size and (chunk := answer.read(_CHUNK_BYTES)):
                chunks.append(chunk)
                present += len(chunk)
    except (URLError, ValueError) as error:
        raise ConfigError(str(error)) from error
    return b"".join(chunks)


def _by_apt(package: DebianPackage, options: Mapping[str, str]) -> bytes:
    """Download by apt-get, which uses the machine's mirrors and proxies, and writes to a temporary folder only."""
    if shutil.which("apt-get") is None:
        raise ConfigError("not installed")
    with tempfile.TemporaryDirectory(prefix="xray-apt-") as name:
        folder = Path(name)
        command = _apt_get(folder, options)
        # a failed update matters only if the package is not found: machines often have an unrelated source that fails
        update = _run([*command, "update"], folder)
        download = _run([*command, "download", f"{package.name}={package.version}"], folder)
        archives = list(folder.glob("*.deb"))
        if download.returncode or len(archives) != 1:
            failed = [run for run in (update, download) if run.returncode or "Err:" in run.stdout] or [download]
            raise ConfigError(" | ".join(map(_last_lines, failed)))
        return archives[0].read_bytes()


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
