"""Pull weights: download into a hidden folder, check every file, then rename it into the weights folder."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xray.core.errors import StorageError, extra
from xray.core.progress import Progress
from xray.models.weights import hub, web
from xray.models.weights.catalog import CatalogEntry
from xray.models.weights.fingerprint import combined, hashes
from xray.models.weights.folder import (
    Manifest,
    ManifestFile,
    folder_name,
    read_manifest,
    visible_files,
    weights_folder,
    without_query,
    write_manifest,
)
from xray.models.weights.hub import RemoteFile
from xray.models.weights.resolve import Resolved, find_entry, resolve
from xray.models.weights.verify import differences

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pulled:
    """The result of a pull: the folder, the record of its files, and notes for people, one sentence each."""

    path: Path
    manifest: Manifest
    downloaded: bool
    """False: the folder was complete already, and is unchanged."""
    notes: tuple[str, ...] = ()


def pull(
    reference: str,
    revision: str | None = None,
    *,
    sha256: str | None = None,
    files: Sequence[str] = (),
    folder: Path | None = None,
) -> Pulled:
    """Pull weights into the folder. After an interruption the next call resumes; complete files are kept.

    Every file is checked against the hash that the hub or the catalogue has for it, and listed in a manifest,
    `xray-weights.json`. Incomplete weights have a hidden name, so nothing is ever loaded from them. Several processes
    may pull the same weights at once. From a repository only safetensors, configurations and vocabularies are taken,
    never pickles.

    Args:
        reference: a name of `CATALOG`, a hub id `org/name`, or the web address of a file.
        revision: commit, branch or tag; default: the catalogue's, or the newest, whose commit the manifest then pins.
        sha256: hash of the file at a web address.
        files: patterns of the repository's files; default: the catalogue's, or all that can be loaded.
        folder: the weights folder; default `weights_folder`.

    Raises:
        XrayError: unknown name, not found, access denied, no connection, disk full, unexpected bytes, or only pickles;
            the message says what to do.
    """
    target = (folder or weights_folder()).absolute() / folder_name(reference)
    entry = find_entry(reference)
    if not files and (manifest := _pinned_and_complete(target, entry, revision, sha256)):
        return Pulled(target, manifest, downloaded=False)
    resolved = resolve(reference, revision, sha256, files)
    with extra("models"):
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]
    # One per machine, because locks may not hold on a shared disk.
    staging = target.with_name(f".{target.name}.{platform.node()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(target.with_name(f".{target.name}.lock")):
            existing = read_manifest(target)
            if existing and _lists(existing, resolved):
                if _is_complete(target, existing):
                    return Pulled(target, existing, downloaded=False, notes=resolved.notes)
                if not staging.exists():
                    target.rename(staging)  # keeps the intact files
            staging.mkdir(exist_ok=True)
            _download(resolved, staging)
            manifest = _check(resolved, staging)
            write_manifest(staging, manifest)
            _replace(target, staging)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(f"cannot write {str(error.filename or target)!r}: {error.strerror or error}") from error
    return Pulled(target, manifest, downloaded=True, notes=resolved.notes)


def _pinned_and_complete(
    target: Path, entry: CatalogEntry, revision: str | None, sha256: str | None
) -> Manifest | None:
    """Return the manifest if a commit or hash pins the weights and they are complete, so no server need be asked."""
    manifest = read_manifest(target)
    if manifest is None:
        return None
    if entry.url:
        recorded = {file.sha256 for file in manifest.files.values()}
        expected = {sha256.lower()} if sha256 else set(entry.sha256.values()) or recorded
        pinned = not revision and recorded == expected
    else:
        requested = revision or entry.revision or ""
        pinned = not sha256 and _COMMIT.fullmatch(requested) is not None and manifest.revision == requested
    return manifest if pinned and _is_complete(target, manifest) else None


def _lists(manifest: Manifest, resolved: Resolved) -> bool:
    """Return whether a manifest lists exactly the resolved files."""
    return (
        manifest.revision == resolved.revision
        and manifest.files.keys() == {file.name for file in resolved.files}
        and all(file.sha256 in (None, manifest.files[file.name].sha256) for file in resolved.files)
    )


def _is_complete(target: Path, manifest: Manifest) -> bool:
    try:
        return all(difference.startswith("extra ") for difference in differences(target, manifest))
    except FileNotFoundError:  # another process is replacing the folder
        return False


def _download(resolved: Resolved, staging: Path) -> None:
    if resolved.repo and resolved.revision:
        names = [file.name for file in resolved.files]
        hub.download(resolved.repo, resolved.revision, names, staging, resolved.reference)
        return
    assert resolved.url
    (file,) = resolved.files
    with Progress(file.name, file.bytes, "bytes") as progress:
        web.download(resolved.url, file, staging, without_query(resolved.reference), progress.reach)


def _check(resolved: Resolved, staging: Path) -> Manifest:
    """Return the manifest of the downloaded files; refuse and remove a file that differs from the resolved one."""
    reference = without_query(resolved.reference)
    names = [file.name for file in resolved.files]
    present = set(visible_files(staging))
    if missing := sorted(set(names) - present):
        raise StorageError(f"cannot pull {reference!r}: {missing[0]} did not arrive; pull again to resume")
    for name in present - set(names):
        (staging / name).unlink()
    actual = hashes(staging, names)
    files = {name: ManifestFile(actual[name], (staging / name).stat().st_size) for name in names}
    for file in resolved.files:
        path, arrived = staging / file.name, files[file.name]
        if not _matches(file, path, arrived):
            path.unlink()
            raise StorageError(
                f"refused {file.name} of {reference!r}: expected {file.bytes} bytes with hash "
                f"{file.sha256 or file.blob}, got {arrived.bytes} with SHA-256 {arrived.sha256}; it was removed. Pull "
                "again; if this repeats, the file is altered in transit"
            )
    return Manifest(
        reference=reference,
        repo=resolved.repo,
        revision=resolved.revision,
        licence=resolved.licence,
        files=files,
        fingerprint=actual[names[0]] if len(names) == 1 else combined(actual),
        pulled=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _matches(file: RemoteFile, path: Path, arrived: ManifestFile) -> bool:
    from huggingface_hub.utils.sha import git_hash

    if file.bytes not in (None, arrived.bytes) or file.sha256 not in (None, arrived.sha256):
        return False
    return file.sha256 is not None or file.blob is None or git_hash(path.read_bytes()) == file.blob


def _replace(target: Path, staging: Path) -> None:
    """Rename the complete folder to its final name; readers see the former folder or this one, never a mixture."""
    shutil.rmtree(staging / ".cache", ignore_errors=True)  # notes of the hub client
    former = target.with_name(f".{target.name}.{platform.node()}.former")
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        target.rename(former)
    staging.rename(target)
    shutil.rmtree(former, ignore_errors=True)
