"""A cache on disk for sample data that is downloaded or drawn once."""

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
    """The cache's folder: `$XRAY_CACHE`, or `~/.cache/xray`.

    On a cluster all machines must share it; a run in an object store gets copies of its files.
    """
    return Path(os.environ.get("XRAY_CACHE") or Path.home() / ".cache" / "xray").absolute()


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Hash settings (plain JSON values) to 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def fill_once(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Return a folder, filling it first if it does not exist; readers see all of it or nothing.

    It is filled under another name and then renamed: an interrupted fill starts over, and of two processes that fill
    it at the same time the first one wins.
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
