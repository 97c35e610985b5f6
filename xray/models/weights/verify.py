"""Check pulled weights against their manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from xray.core.errors import ConfigError, StorageError, unknown
from xray.models.weights.fingerprint import hashes
from xray.models.weights.folder import Manifest, folder_name, pulled_folders, visible_files, weights_folder


def differences(folder: Path, manifest: Manifest) -> list[str]:
    """Return how a pulled folder differs from its manifest: `missing NAME`, `changed NAME`, `extra NAME`."""
    present, listed = set(visible_files(folder)), manifest.files
    both = sorted(listed.keys() & present)
    same_size = [name for name in both if (folder / name).stat().st_size == listed[name].bytes]
    actual = hashes(folder, same_size)
    return [
        *(f"missing {name}" for name in sorted(listed.keys() - present)),
        *(f"changed {name}" for name in both if actual.get(name) != listed[name].sha256),
        *(f"extra {name}" for name in sorted(present - listed.keys())),
    ]


def verify(
    references: Iterable[str] = (), folder: Path | None = None, report: Callable[[str, list[str]], None] | None = None
) -> dict[str, list[str]]:
    """Check every file of pulled weights against the manifest, by size and SHA-256.

    Args:
        references: pulled weights; default: all in the folder.
        folder: the weights folder; default `weights_folder`.
        report: called with each reference and its differences as soon as they are known.

    Returns:
        The differences by reference, see `differences`; an empty list where nothing changed.

    Raises:
        XrayError: a reference was not pulled, a manifest is damaged, or a file cannot be read.
    """
    folder = folder or weights_folder()
    pulled = {path.name: (path, manifest) for path, manifest in pulled_folders(folder)}
    requested = {folder_name(reference): reference for reference in references} or dict.fromkeys(pulled, "")
    for name in requested.keys() - pulled.keys():
        choices = [manifest.reference for _, manifest in pulled.values()]
        raise ConfigError(f"not pulled into {str(folder)!r}: {unknown('weights', requested[name], choices)}")
    checked: dict[str, list[str]] = {}
    for path, manifest in map(pulled.__getitem__, requested):
        try:
            checked[manifest.reference] = differences(path, manifest)
        except OSError as error:
            raise StorageError(f"cannot read the weights at {str(path)!r}: {error.strerror or error}") from error
        if report:
            report(manifest.reference, checked[manifest.reference])
    return checked
