"""The background pool of the sample of earlier versions, kept so that their runs can be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from xray.backgrounds.base import Bank
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.sources.base import Candidate


@settings
class Places(Bank):
    """A dozen photographs of nature from Debian's `mate-backgrounds`: the pool of the sample of earlier versions.

    Args:
        longest: maximum width and height in pixels.
        cache: folder of package and photographs.
    """

    name: ClassVar[str] = "places"
    summary: ClassVar[str] = "nature photographs of earlier versions, for reading their runs"
    caveat: ClassVar[str] = "backgrounds are a dozen photographs of nature, several of them close-ups of flowers"

    longest: int = 1024
    cache: Path | None = None

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Refuse to list photographs for a new plan."""
        raise ConfigError("the pool `places` is no longer made: write `backgrounds: {kind: monuments}`")
