"""Fingerprint, precision and safety of a file or folder of weights."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xray.core.errors import ConfigError, StorageError
from xray.models.weights.folder import locate, read_manifest, visible_files, weights_folder

LOADED = (".safetensors", ".json", ".txt", ".model")
"""Suffixes of the files loaded from a folder: tensors, configurations, vocabularies. Only these are pulled."""

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
"""Suffixes of weights that may run code when they are opened; in a folder they are never opened."""

_VARIANT = re.compile(r"\.([a-z0-9_]+)(?:-\d+-of-\d+)?\.safetensors$")
_HASH_THREADS = 4  # file_digest releases the GIL, and several files in flight keep a network disk busy


def sha256_of(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of files in a folder by relative name."""
    ordered = list(names)
    with ThreadPoolExecutor(_HASH_THREADS) as pool:
        return dict(zip(ordered, pool.map(lambda name: sha256_of(folder / name), ordered), strict=True))


def combined(sha256s: Mapping[str, str]) -> str:
    """Return the fingerprint of a folder from the SHA-256 of its files by name.

    It is the SHA-256 of `sha256sum`'s output for the sorted names, so it can be checked by hand.

    >>> combined({"b.json": "22", "a.json": "11"}) == combined({"a.json": "11", "b.json": "22"})
    True
    """
    lines = "".join(f"{sha256s[name]}  {name}\n" for name in sorted(sha256s))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def fingerprint(path: Path) -> str:
    """Return the hexadecimal SHA-256 over everything that is loaded from a file or folder.

    For a file, the hash of its bytes. For a folder, `combined` over its files with a suffix in `LOADED`; hidden files,
    the manifest and pickles are ignored.

    Raises:
        XrayError: there are no weights, or they cannot be read.
    """
    path = Path(path)
    try:
        if path.is_file():
            return sha256_of(path)
        names = [name for name in visible_files(path) if name.endswith(LOADED)]
        if not names:
            refuse_pickles(path)
            raise ConfigError(f"no weights at {str(path)!r}: no file with a suffix in {', '.join(LOADED)}")
        return combined(hashes(path, names))
    except OSError as error:
        raise StorageError(f"cannot read the weights at {str(path)!r}: {error.strerror or error}") from error


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with pickled weights that have no safetensors beside them."""
    names = list(visible_files(folder))
    safe = {Path(name).parent for name in names if name.endswith(".safetensors")}
    for name in names:
        if name.endswith(PICKLES) and Path(name).parent not in safe:
            raise ConfigError(
                f"refused the weights {str(folder / name)!r}: a pickle can run code when it is opened, and there are "
                "no safetensors beside it; use a folder saved with safe_serialization=True"
            )


def variant(name: str) -> str | None:
    """Return the variant of a file of weights, such as fp16; None for the plain one.

    >>> variant("unet/diffusion_pytorch_model.fp16.safetensors")
    'fp16'
    >>> variant("unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors")
    'fp16'
    >>> variant("unet/diffusion_pytorch_model-00001-of-00002.safetensors")
    """
    match = _VARIANT.search(name.rpartition("/")[2])
    return match[1] if match else None


def variants(names: Iterable[str]) -> dict[str, set[str | None]]:
    """Return the variants of the safetensors among some files, by folder."""
    by_folder: dict[str, set[str | None]] = {}
    for name in names:
        if name.endswith(".safetensors"):
            by_folder.setdefault(name.rpartition("/")[0], set()).add(variant(name))
    return by_folder


def variant_of(folder: Path) -> str | None:
    """Return the `variant` argument of diffusers or transformers for a folder; None if all plain files exist.

    Repositories with safetensors in half precision only load with that variant, in any `dtype`.
    """
    without_plain = [each for each in variants(visible_files(folder)).values() if None not in each]
    return min(filter(None, without_plain[0])) if without_plain else None


def pinned(references: Iterable[str]) -> dict[str, str]:
    """Return the current fingerprints by reference, for the plan to record."""
    return {reference: checked_fingerprint(reference) for reference in sorted(set(references))}


def checked_fingerprint(reference: str) -> str:
    """Return the fingerprint of weights; those that were pulled must be as they were pulled.

    Raises:
        XrayError: as `fingerprint`; or they have changed since the pull.
    """
    path = locate(reference)
    now = fingerprint(path)
    manifest = read_manifest(path if path.is_dir() else path.parent) if weights_folder() in path.parents else None
    if manifest is not None and manifest.fingerprint != now:
        raise ConfigError(
            f"the weights {reference!r} at {str(path)!r} have changed since they were pulled; `xray weights verify` "
            "lists the differences: remove the folder, and pull them again"
        )
    return now


def check_pinned(pins: Mapping[str, str]) -> None:
    """Refuse weights that have changed since the plan, or are missing; `pins` are from `pinned`."""
    for reference, before in pins.items():
        path = locate(reference)
        now = fingerprint(path)
        if now != before:
            raise ConfigError(
                f"the weights {reference!r} have changed since the plan: the plan has {before[:12]}, the files at "
                f"{str(path)!r} have {now[:12]}; restore them (xray weights verify lists the differences from the "
                "pull), or plan a new run"
            )
