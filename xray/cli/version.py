"""What `xray --version` prints."""

from __future__ import annotations

import platform
import sys

from xray.core.environment import environment

_EXTRAS = {"ray": "ray", "torch": "models"}
"""Libraries whose presence decides what xray can do, and the extras that install them."""


def version() -> str:
    """Return the versions of xray, Python, Ray and torch, a line each; nothing is imported."""
    found = environment()
    libraries = found["libraries"]
    own = libraries.get("xray-robustness", "of a folder, not installed")
    revision = f" ({found['revision'][:12]})" if found["revision"] else ""
    lines = [f"xray {own}{revision}", f"Python {found['python']} on {platform.platform()}: {sys.executable}"]
    for library, extra in _EXTRAS.items():
        missing = f"is not installed: pip install 'xray-robustness[{extra}]'"
        lines.append(f"{library} {libraries.get(library, missing)}")
    return "\n".join(lines)
