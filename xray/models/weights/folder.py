"""The weights folder: what a reference means, where its files are, and the manifest of a pull."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xray.core.cache import cache_folder
from xray.core.errors import ConfigError, StorageError, unknown
from xray.models.weights.catalog import CATALOG

MANIFEST = "xray-weights.json"

_FILES = (".bin", ".ckpt", ".onnx", ".pt", ".pth", ".safetensors")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class ManifestFile:
    """Hash and size of a file in a manifest."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """The record of a pull.

    Args:
        reference: as requested; a URL without its query.
        repo: hub repository, if the weights came from the hub.
        revision: commit of the repository.
        licence: as the catalogue or the hub names it.
        files: by relative name.
        fingerprint: see `xray.models.weights.fingerprint`.
        pulled: time of the pull, ISO 8601, UTC.
    """

    reference: str
    repo: str | None
    revision: str | None
    licence: str | None
    files: Mapping[str, ManifestFile]
    fingerprint: str
    pulled: str

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())


def weights_folder() -> Path:
    """Return `$XRAY_WEIGHTS`, or `weights` in xray's cache folder; on a cluster, all machines must share it."""
    chosen = os.environ.get("XRAY_WEIGHTS")
    return Path(chosen).expanduser().absolute() if chosen else cache_folder() / "weights"


def is_url(reference: str) -> bool:
    """Return whether a reference is a web address."""
    return reference.startswith(("https://", "http://"))


def without_query(reference: str) -> str:
    """Return a reference that is safe to print and to store: the query of a web address may be a password.

    >>> without_query("https://example.org/sam.pth?signature=123")
    'https://example.org/sam.pth'
    """
    return reference.partition("?")[0] if is_url(reference) else reference


def is_hub_id(reference: str) -> bool:
    """Return whether a reference looks like `org/name`.

    >>> is_hub_id("facebook/sam-vit-base"), is_hub_id("./mine/sam"), is_hub_id("a/b/c")
    (True, False, False)
    """
    return _HUB_ID.fullmatch(reference) is not None


def folder_name(reference: str) -> str:
    """Return the name of the folder that a reference is pulled into.

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
    """Return the absolute path of the local file or folder that a reference means.

    The first of these that applies:

    1. a name in the catalogue, or a web address: the weights pulled under it;
    2. a hub id `org/name` that was pulled;
    3. the path of a file or folder. `./name` is always a path.

    Pulled weights are a folder, or the file itself if there is only one.

    Raises:
        XrayError: there is nothing; the message says how to get it.
    """
    named = reference in CATALOG or is_url(reference)
    if named or is_hub_id(reference):
        pulled = weights_folder() / folder_name(reference)
        if pulled.is_dir():
            names = list(visible_files(pulled))
            return pulled / names[0] if len(names) == 1 else pulled
    path = Path(reference).expanduser()
    if reference and path.exists() and not named:
        return path.absolute()
    if named or is_hub_id(reference):
        shown, nor_path = without_query(reference), "" if named else ", and there is no such file or folder"
        raise ConfigError(
            f"the weights {shown!r} are not in {str(weights_folder())!r}{nor_path}; pull them by xray weights pull "
            f"{shown}. Without a connection: {offline_advice(shown)}"
        )
    if "/" in reference or reference.startswith(("~", ".")) or reference.endswith(_FILES):
        raise ConfigError(f"no weights at {reference!r}: no such file or folder")
    raise ConfigError(
        f"{unknown('weights', reference, CATALOG)}, a pulled hub id org/name, or the path of a file or folder"
    )


def offline_advice(reference: str) -> str:
    """Return advice for a machine that cannot pull the weights."""
    return (
        f"on another machine run xray weights pull {reference} --folder F, copy F here and set XRAY_WEIGHTS=F; or name "
        "a file or folder of your own instead"
    )


def visible_files(folder: Path) -> Iterator[str]:
    """Return the sorted relative names, with `/`, of the files in a folder, without hidden files and the manifest."""
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [Path(parent, name).relative_to(folder) for name in names if not name.startswith(".")]
    return iter(sorted(path.as_posix() for path in paths if path.as_posix() != MANIFEST))


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a pulled folder; None if it has none."""
    path = folder / MANIFEST
    try:
        fields: dict[str, Any] = json.loads(path.read_bytes())
        files = {name: ManifestFile(**file) for name, file in fields.pop("files").items()}
        return Manifest(**fields, files=files)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{str(path)!r} is not a manifest of xray weights: remove it, and pull again") from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")


def pulled_folders(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """Yield the folders that have a manifest, by name."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and not path.name.startswith(".") and (manifest := read_manifest(path)):
            yield path, manifest
