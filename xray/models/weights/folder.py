"""Where weights lie, and what is written down about a pull."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xray.core.cache import cache_folder
from xray.core.errors import XrayError, unknown
from xray.models.weights.catalog import KNOWN

MANIFEST = "xray-weights.json"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Listed:
    """One file of a manifest.

    Args:
        sha256: of its bytes, hexadecimal.
        bytes: its size.
    """

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What was pulled.

    Args:
        reference: as it was asked for; a URL without its query.
        repo: at the hub, if it came from there.
        revision: commit of the repository.
        licence: as the registry or the hub names it.
        files: by relative name.
        fingerprint: see `xray.models.weights.fingerprint`.
        pulled: when, ISO 8601, UTC.
    """

    reference: str
    repo: str | None
    revision: str | None
    licence: str | None
    files: Mapping[str, Listed]
    fingerprint: str
    pulled: str

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


def weights_folder() -> Path:
    """`$XRAY_WEIGHTS`, or `weights` in xray's cache folder; on a cluster, a folder that all machines share."""
    chosen = os.environ.get("XRAY_WEIGHTS")
    return Path(chosen).expanduser().absolute() if chosen else cache_folder() / "weights"


def is_url(reference: str) -> bool:
    """Whether a reference is a web address."""
    return reference.startswith(("https://", "http://"))


def shown(reference: str) -> str:
    """A reference as it may be printed and written down: a web address without its query, which may be a password.

    >>> shown("https://example.org/sam.pth?signature=123")
    'https://example.org/sam.pth'
    """
    return reference.partition("?")[0] if is_url(reference) else reference


def is_hub_id(reference: str) -> bool:
    """Whether a reference looks like `org/name`.

    >>> is_hub_id("facebook/sam-vit-base"), is_hub_id("./mine/sam"), is_hub_id("a/b/c")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(reference) is not None


def folder_name(reference: str) -> str:
    """The name of the folder that a pull of the reference fills.

    >>> folder_name("sam-vit-h"), folder_name("facebook/sam-vit-base")
    ('sam-vit-h', 'facebook--sam-vit-base')
    >>> folder_name("https://example.org/models/sam.pth?download=true")
    'example.org--models--sam.pth'
    """
    if is_url(reference):
        parts = urlsplit(reference)
        return re.sub(r"[^A-Za-z0-9._-]+", "--", f"{parts.netloc}{parts.path}".strip("/"))
    return reference.replace("/", "--")


def locate(reference: str) -> Path:
    """The local file or folder that a reference means, as an absolute path.

    The first of these that applies:

    1. a name that `xray weights list` knows, or a web address: what was pulled by it;
    2. a hub id `org/name` that was pulled;
    3. the path of a file or folder. `./name` is always a path.

    What was pulled is a folder, or, where it is one file only, that file.

    Raises:
        XrayError: there is nothing; says how to get it.
    """
    name = reference in KNOWN or is_url(reference)
    if name or is_hub_id(reference):
        pulled = weights_folder() / folder_name(reference)
        if pulled.is_dir():
            return _one_file_or_folder(pulled)
    if name:
        reference = shown(reference)
        raise XrayError(f"the weights {reference!r} are not in {str(weights_folder())!r}; {how_to_get(reference)}")
    path = Path(reference).expanduser()
    if reference and path.exists():
        return path.absolute()
    if is_hub_id(reference):
        raise XrayError(
            f"the weights {reference!r} are not in {str(weights_folder())!r}, and there is no such file or folder; "
            f"{how_to_get(reference)}"
        )
    if "/" in reference or reference.startswith(("~", ".")):
        raise XrayError(f"no weights at {reference!r}: no such file or folder")
    raise XrayError(
        f"{unknown('weights', reference, KNOWN)}; a hub id org/name that was pulled, or the path of a file or folder, "
        "will do as well"
    )


def visible_files(folder: Path) -> Iterator[str]:
    """Relative names of the files in a folder, sorted, with `/`; hidden ones and the manifest are left out."""
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name).relative_to(folder) for name in names if not name.startswith(".")]
    return iter(sorted(path.as_posix() for path in found if path.as_posix() != MANIFEST))


def _one_file_or_folder(folder: Path) -> Path:
    names = list(visible_files(folder))
    return folder / names[0] if len(names) == 1 else folder


def how_to_get(reference: str) -> str:
    """What to do about weights that are not here."""
    return f"xray weights pull {reference} brings them; without a connection here: {elsewhere(reference)}"


def elsewhere(reference: str) -> str:
    """What to do about weights that cannot be pulled here."""
    return (
        f"on another machine xray weights pull {reference} --folder F, then bring F and set XRAY_WEIGHTS=F; or name a "
        "file or folder of your own in their place"
    )


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a pulled folder; None: it has none.

    Raises:
        XrayError: it is damaged.
    """
    path = folder / MANIFEST
    try:
        fields: dict[str, Any] = json.loads(path.read_bytes())
        files = {name: Listed(**listed) for name, listed in fields.pop("files").items()}
        return Manifest(**fields, files=files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise XrayError(f"{str(path)!r} is no manifest of xray weights: remove it, and pull again") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder, whole or not at all."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{MANIFEST}.", dir=folder)
    with open(descriptor, "w") as file:  # noqa: PTH123 - the descriptor is already open
        json.dump(asdict(manifest), file, indent=2, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fchmod(file.fileno(), 0o644)
        os.fsync(file.fileno())
    Path(partial).replace(folder / MANIFEST)


def pulled_folders(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """The folders that have a manifest, by name.

    Raises:
        XrayError: a manifest is damaged.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and not path.name.startswith(".") and (manifest := read_manifest(path)):
            yield path, manifest
