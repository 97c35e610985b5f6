"""What lies in a file or folder of weights: its hash, its precision, and whether it is safe to load."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xray.core.errors import XrayError
from xray.models.weights.folder import locate, visible_files

LOADED = (".safetensors", ".json", ".txt", ".model")
"""Endings of what is loaded from a folder: tensors, configurations, vocabularies. A pull brings nothing else."""

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".pickle")
"""Endings of weights that may run code when they are opened; in a folder they are never opened."""

_VARIANT = re.compile(r"\.([a-z0-9_]+)(?:-\d+-of-\d+)?\.safetensors$")
_HASHED_AT_ONCE = 4  # file_digest leaves the interpreter's lock, and a few files in flight keep a network disk busy


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 by relative name."""
    ordered = list(names)
    with ThreadPoolExecutor(_HASHED_AT_ONCE) as pool:
        return dict(zip(ordered, pool.map(lambda name: sha256_of(folder / name), ordered), strict=True))


def combined(sha256s: Mapping[str, str]) -> str:
    """The fingerprint of a folder from the SHA-256 of its files.

    It is the SHA-256 of `sha256sum`'s output for the sorted names, so that it can be checked by hand.

    >>> combined({"b.json": "22", "a.json": "11"}) == combined({"a.json": "11", "b.json": "22"})
    True
    """
    lines = "".join(f"{sha256s[name]}  {name}\n" for name in sorted(sha256s))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def fingerprint(path: Path) -> str:
    """SHA-256, hexadecimal, over what is loaded from a file or folder.

    Of a file, the hash of its bytes. Of a folder, `combined` over its files that end in one of `LOADED`; hidden files,
    the manifest and pickles, which are never opened, do not count.

    Raises:
        XrayError: nothing is there, nothing of it can be loaded, or it cannot be read.
    """
    path = Path(path)
    try:
        if path.is_file():
            return sha256_of(path)
        names = [name for name in visible_files(path) if name.endswith(LOADED)]
        if not names:
            refuse_pickles(path)
            raise XrayError(f"no weights at {str(path)!r}: no file there ends in {', '.join(LOADED)}")
        return combined(hashes(path, names))
    except OSError as error:
        raise XrayError(f"cannot read the weights at {str(path)!r}: {error.strerror or error}") from error


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder in which weights are only there as pickles; a file that has safetensors beside it may lie there.

    Raises:
        XrayError: names the first such file.
    """
    names = list(visible_files(folder))
    safe = {Path(name).parent for name in names if name.endswith(".safetensors")}
    for name in names:
        if name.endswith(PICKLES) and Path(name).parent not in safe:
            raise XrayError(
                f"refused the weights {str(folder / name)!r}: a pickle can run code when it is opened, and there are "
                "no safetensors beside it; use a folder that was saved with safe_serialization=True"
            )


def variant(name: str) -> str | None:
    """The variant that a file of weights is saved as, such as fp16; None: the plain one.

    >>> variant("unet/diffusion_pytorch_model.fp16.safetensors")
    'fp16'
    >>> variant("unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors")
    'fp16'
    >>> variant("unet/diffusion_pytorch_model-00001-of-00002.safetensors")
    """
    found = _VARIANT.search(name.rpartition("/")[2])
    return found[1] if found else None


def variant_of(folder: Path) -> str | None:
    """What to give diffusers or transformers as `variant` for a folder; None where the plain files are all there.

    Some repositories have safetensors in half precision only. They load with that variant, in any `dtype`.
    """
    by_folder: dict[Path, set[str | None]] = {}
    for name in visible_files(folder):
        if name.endswith(".safetensors"):
            by_folder.setdefault(Path(name).parent, set()).add(variant(name))
    lacking = [variants for variants in by_folder.values() if None not in variants]
    return min(name for name in lacking[0] if name is not None) if lacking else None


def pinned(references: Iterable[str]) -> dict[str, str]:
    """Fingerprints of what references mean now, to be kept in a plan.

    Raises:
        XrayError: a reference means nothing here, see `locate`.
    """
    return {reference: fingerprint(locate(reference)) for reference in sorted(set(references))}


def check_pinned(pins: Mapping[str, str]) -> None:
    """Refuse weights that are not those of the plan.

    Args:
        pins: what `pinned` gave.

    Raises:
        XrayError: names the reference whose files are gone or have another fingerprint.
    """
    for reference, before in pins.items():
        path = locate(reference)
        now = fingerprint(path)
        if now != before:
            raise XrayError(
                f"the weights {reference!r} have changed since the plan: they were {before[:12]}, and what lies at "
                f"{str(path)!r} is {now[:12]}; bring back the former (xray weights verify says what differs from the "
                "pull), or plan a new run"
            )
