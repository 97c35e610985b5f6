"""Whether what was pulled is still what it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from xray.core.errors import XrayError, unknown
from xray.models.weights.fingerprint import hashes
from xray.models.weights.folder import Manifest, folder_name, pulled_folders, visible_files, weights_folder


def differences(folder: Path, manifest: Manifest) -> list[str]:
    """What of a pulled folder differs from its manifest: `missing …`, `changed …`, `extra …`, by file."""
    there = set(visible_files(folder))
    missing = sorted(manifest.files.keys() - there)
    of_size = [
        name
        for name in sorted(manifest.files.keys() & there)
        if (folder / name).stat().st_size == manifest.files[name].bytes
    ]
    found = hashes(folder, of_size)
    changed = [name for name in sorted(manifest.files.keys() & there) if found.get(name) != manifest.files[name].sha256]
    return [
        *(f"missing {name}" for name in missing),
        *(f"changed {name}" for name in changed),
        *(f"extra {name}" for name in sorted(there - manifest.files.keys())),
    ]


def verify(
    references: Iterable[str] = (), folder: Path | None = None, tell: Callable[[str, list[str]], None] | None = None
) -> dict[str, list[str]]:
    """Check every file of what was pulled against its manifest, by size and SHA-256.

    Args:
        references: what was pulled; nothing: all that is there.
        folder: of weights; default `weights_folder`.
        tell: called with each reference and its differences, as soon as they are known.

    Returns:
        The differences by reference, see `differences`; an empty list where all is as it was.

    Raises:
        XrayError: a reference was not pulled, a manifest is damaged, or a file cannot be read.
    """
    folder = folder or weights_folder()
    pulled = {path.name: (path, manifest) for path, manifest in pulled_folders(folder)}
    wanted = list(references)
    for reference in wanted:
        if folder_name(reference) not in pulled:
            known = [manifest.reference for _, manifest in pulled.values()]
            raise XrayError(f"not pulled into {str(folder)!r}: {unknown('weights', reference, known)}")
    checked: dict[str, list[str]] = {}
    for name in [folder_name(reference) for reference in wanted] or pulled:
        path, manifest = pulled[name]
        try:
            checked[manifest.reference] = differences(path, manifest)
        except OSError as error:
            raise XrayError(f"cannot read the weights at {str(path)!r}: {error.strerror or error}") from error
        if tell:
            tell(manifest.reference, checked[manifest.reference])
    return checked
