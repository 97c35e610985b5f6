"""A folder of your own photographs as backgrounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.backgrounds.base import Bank
from xray.core import files
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.core.uri import base_name, is_image, to_uri
from xray.sources.base import Candidate
from xray.sources.imagefolder import relative_key


@settings
class Photos(Bank):
    """A bank of all photographs below a folder. Each is a place of its own, named by its file's stem.

    Args:
        root: path or URI of the folder.
        licence: licence of the photographs, recorded with every image.
    """

    name: ClassVar[str] = "photos"
    summary: ClassVar[str] = "a folder of photographs without the recipe's objects"

    root: str
    licence: str = "unknown"

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the photographs, sorted by path."""
        root = to_uri(self.root)
        photos = [uri for uri in files.list_files(root) if is_image(uri)]
        if not photos:
            raise ConfigError(f"no photographs for backgrounds in {self.root!r}")
        for uri in photos:
            place = base_name(uri).rpartition(".")[0]
            yield Candidate(relative_key(uri, root), category="", uri=uri, place=place, licence=self.licence)
