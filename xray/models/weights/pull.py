"""Bring weights into the folder: fetched, checked, and only then put in place."""

from __future__ import annotations

import contextlib
import platform
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from xray.core.errors import XrayError, extra
from xray.core.files import flush
from xray.core.progress import Progress
from xray.models.weights import download, hub
from xray.models.weights.catalog import Known
from xray.models.weights.fingerprint import LOADED, combined, hashes
from xray.models.weights.folder import (
    Listed,
    Manifest,
    folder_name,
    read_manifest,
    shown,
    visible_files,
    weights_folder,
    write_manifest,
)
from xray.models.weights.resolve import Offer, entry, offered
from xray.models.weights.verify import differences

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pulled:
    """What a pull has brought.

    Args:
        path: the folder.
        manifest: of its files.
        anew: False: it was there already, and is as it was.
        remarks: what people should know, one sentence each.
    """

    path: Path
    manifest: Manifest
    anew: bool
    remarks: tuple[str, ...] = ()


def pull(
    reference: str,
    revision: str | None = None,
    *,
    sha256: str | None = None,
    files: Sequence[str] = (),
    folder: Path | None = None,
) -> Pulled:
    """Bring weights into the folder. Interrupted, it goes on at the next call; what is there and whole stays.

    Every file is checked against the hash that the hub or the registry has of it, and written into a manifest,
    `xray-weights.json`. What is not whole yet lies under a hidden name, so that nothing is ever loaded from it; several
    processes and machines may pull the same at once. Of a repository only safetensors, configurations and
    vocabularies are taken, never pickles.

    Args:
        reference: a name of `KNOWN`, a hub id `org/name`, or the web address of a file.
        revision: commit, branch or tag; default: the registry's, or the newest, whose commit the manifest then pins.
        sha256: of the file at a web address.
        files: patterns of the repository's files; default: the registry's, or all that can be loaded.
        folder: of weights; default `weights_folder`.

    Raises:
        XrayError: an unknown name, not there, not allowed, no connection, no room, not the bytes that are expected, or
            only pickles; says what to do.
    """
    known, target = entry(reference), (folder or weights_folder()).absolute() / folder_name(reference)
    settled = not files and _settled(target, known, revision, sha256)
    if settled:
        return settled
    offer = offered(reference, revision, sha256, files)
    with extra("models"):
        from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]
    # One a machine: where the locks of a shared disk do not hold, each machine brings its own, and the first one wins.
    staging = target.with_name(f".{target.name}.{platform.node()}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with WeakFileLock(target.with_name(f".{target.name}.lock")):
            there = _same(target, offer)
            if there and _whole(target, there):
                return Pulled(target, there, anew=False, remarks=offer.remarks)
            if there and not staging.exists():
                target.rename(staging)  # what of it is whole need not be fetched again
            staging.mkdir(exist_ok=True)
            _fetch(offer, staging)
            manifest = _checked(offer, staging)
            _put_in_place(offer, staging, target)
    except OSError as error:
        raise XrayError(f"cannot write {str(error.filename or target)!r}: {error.strerror or error}") from error
    return Pulled(target, manifest, anew=True, remarks=offer.remarks)


def _settled(target: Path, known: Known, revision: str | None, sha256: str | None) -> Pulled | None:
    """What is there already, where that can be told without asking anyone."""
    manifest = read_manifest(target)
    if manifest is None:
        return None
    asked = revision or known.revision or ""
    if known.url:
        hashes_there = {file.sha256 for file in manifest.files.values()}
        wanted = {sha256.lower()} if sha256 else set(known.sha256.values()) or hashes_there
        settled = not revision and hashes_there == wanted
    else:
        settled = not sha256 and _COMMIT.fullmatch(asked) is not None and manifest.revision == asked
    return Pulled(target, manifest, anew=False) if settled and _whole(target, manifest) else None


def _same(target: Path, offer: Offer) -> Manifest | None:
    """The manifest of what is there, if it lists what is offered."""
    manifest = read_manifest(target)
    same = (
        manifest is not None
        and manifest.revision == offer.revision
        and manifest.files.keys() == {file.name for file in offer.files}
        and all(file.sha256 in (None, manifest.files[file.name].sha256) for file in offer.files)
    )
    return manifest if same else None


def _whole(target: Path, manifest: Manifest) -> bool:
    try:
        return all(difference.startswith("extra ") for difference in differences(target, manifest))
    except FileNotFoundError:  # just now replaced by another machine
        return False


def _fetch(offer: Offer, staging: Path) -> None:
    if offer.repo and offer.revision:
        hub.fetch(offer.repo, offer.revision, [file.name for file in offer.files], staging, offer.reference)
        return
    assert offer.url
    (file,) = offer.files
    with Progress(file.name, file.bytes, "bytes") as progress:
        download.download(offer.url, staging / file.name, file.sha256, shown(offer.reference), progress.reach)


def _checked(offer: Offer, staging: Path) -> Manifest:
    """Compare what came with what was offered, and write the manifest.

    Raises:
        XrayError: names the file that differs, which is not kept.
    """
    names = [file.name for file in offer.files]
    for name in names:
        if not (staging / name).is_file():
            raise XrayError(f"cannot pull {shown(offer.reference)!r}: {name} did not arrive; pull again to go on")
    found = hashes(staging, names)
    listed = {name: Listed(found[name], (staging / name).stat().st_size) for name in names}
    for file in offer.files:
        wrong = (
            (file.bytes is not None and listed[file.name].bytes != file.bytes)
            or (file.sha256 is not None and listed[file.name].sha256 != file.sha256)
            or (file.sha256 is None and file.blob is not None and hub.git_blob(staging / file.name) != file.blob)
        )
        if wrong:
            (staging / file.name).unlink()
            raise XrayError(
                f"refused {file.name} of {shown(offer.reference)!r}: expected {file.bytes} bytes with hash "
                f"{file.sha256 or file.blob}, got {listed[file.name].bytes} with SHA-256 {listed[file.name].sha256}; "
                "it was not kept. Pull again; if this repeats, something on the way changes it"
            )
    loaded = {name: sha256 for name, sha256 in found.items() if name.endswith(LOADED)}
    manifest = Manifest(
        reference=shown(offer.reference),
        repo=offer.repo,
        revision=offer.revision,
        licence=offer.licence,
        files=listed,
        fingerprint=found[names[0]] if len(names) == 1 else combined(loaded),
        pulled=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    for name in set(visible_files(staging)) - found.keys():
        (staging / name).unlink()
    write_manifest(staging, manifest)
    return manifest


def _put_in_place(offer: Offer, staging: Path, target: Path) -> None:
    """Rename the folder, after all of it is on disk; readers see the former one, none, or this one, never a mixture."""
    for path in staging.iterdir():
        if path.name.startswith(".") and path.is_dir():
            shutil.rmtree(path)  # the hub client's notes, only needed to go on
        elif path.name.startswith("."):
            path.unlink()
    for path in staging.rglob("*"):
        if path.is_file():
            flush(path)
    flush(staging)
    while True:
        try:
            staging.rename(target)
            break
        except OSError:
            if not target.is_dir():
                raise
        there = _same(target, offer)
        if there and _whole(target, there):  # another machine was faster, where a shared disk's locks do not hold
            shutil.rmtree(staging)
            break
        former = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.former")
        with contextlib.suppress(FileNotFoundError):
            target.rename(former)
        shutil.rmtree(former, ignore_errors=True)
    flush(target.parent)
