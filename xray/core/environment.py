"""The environment of this process: library versions and the revision of the code."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "xray-robustness", "numpy", "opencv-python-headless", "simplejpeg", "pillow", "pyarrow", "pandas", "scipy",
    "scikit-learn", "statsmodels", "ray", "torch", "torchvision", "timm", "transformers", "diffusers",
    "segment-anything", "torchmetrics", "torch-fidelity", "pypatchmatch", "onnxruntime",
)  # fmt: skip


@functools.cache
def environment() -> dict[str, Any]:
    """Return the versions of Python, the platform and the libraries, and the git revision of the code."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {library: version for library in _LIBRARIES if (version := _version(library))},
        "revision": _revision(),
    }


def _version(library: str) -> str | None:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """The git revision, if the code runs from a checkout."""
    folder = Path(__file__).parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()
