"""xray.core.environment."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass


_LIBRARIES = (
    "xray-robustness", "numpy", "opencv-python-headless", "simplejpeg", "pillow", "pyarrow", "pandas", "scipy",
    "statsmodels", "ray", "torch", "torchvision", "timm", "transformers", "diffusers",
    "segment-anything", "torchmetrics", "torch-fidelity",
)  # fmt: skip


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


@functools.cache
def environment() -> dict[str, Any]:
    """Versions of what this process runs, and the git revision of the code."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {library: version for library in _LIBRARIES if (version := _version(library))},
        "revision": _revision(),
    }


def _revision() -> str | None:
    """The git revision of the code, if it is run from a checkout."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        told = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip()
