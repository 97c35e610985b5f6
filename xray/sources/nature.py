"""The photographs of nature in Debian's package `mate-backgrounds`."""

from __future__ import annotations

from pathlib import Path

from xray.core.errors import XrayError

NATURE_PACKAGE = "mate-backgrounds"
NATURE_LICENCE = f"GPL-2+ ({NATURE_PACKAGE})"
_FOLDER = "usr/share/backgrounds/mate/nature"


def nature_photos(package: Path) -> dict[str, Path]:
    """The photographs in the unpacked package, by the name of what they show.

    Raises:
        XrayError: there are none.
    """
    found = {path.stem: path for path in sorted((package / _FOLDER).glob("*.jpg"))}
    if not found:
        raise XrayError(f"no photographs in {str(package / _FOLDER)!r}: the package is laid out in another way")
    return found
