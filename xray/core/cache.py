"""What is fetched or drawn once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """`$XRAY_CACHE`, or `~/.cache/xray`.

    On a cluster it must be a folder that all machines share; a run in an object store gets copies.
    """
    return Path(os.environ.get("XRAY_CACHE") or Path.home() / ".cache" / "xray").absolute()


def digest(settings: Mapping[str, Any]) -> str:
    """Sixteen hexadecimal digits that stand for some settings (plain JSON values)."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def filled_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder, filled if it is not there yet; readers see all of it or none.

    It is filled under another name and then renamed: what was interrupted starts anew, and of two processes that
    fill it at once the first one wins.

    Args:
        folder: where it shall be.
        fill: writes into the empty folder that it is given.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        partial.chmod(0o755)
        fill(partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
