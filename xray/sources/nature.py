"""Photographs of nature from the Debian package `mate-backgrounds`."""

from __future__ import annotations

from pathlib import Path

from xray.core.errors import ConfigError

NATURE_PACKAGE = "mate-backgrounds"
NATURE_LICENCE = f"GPL-2+ ({NATURE_PACKAGE})"
_FOLDER = "usr/share/backgrounds/mate/nature"


def nature_photos(package: Path) -> dict[str, Path]:
    """Return the photographs in the unpacked package, by the name of their place.

    Raises:
        ConfigError: there are none.
    """
    photos = {path.stem: path for path in sorted((package / _FOLDER).glob("*.jpg"))}
    if not photos:
        raise ConfigError(f"no photographs in {str(package / _FOLDER)!r}: the layout of the package has changed")
    return photos
