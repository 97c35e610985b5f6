"""A folder of one's own photographs as backgrounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.backgrounds.base import Bank
from xray.core import files
from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.core.uri import name_of, to_uri
from xray.sources.base import Candidate
from xray.sources.imagefolder import is_image, relative_key


@settings
class Photos(Bank):
    """All photographs below a folder; each shows a place of its own, called by its file's stem.

    Args:
        root: path or URI of the folder.
        licence: of the photographs.
    """

    name: ClassVar[str] = "photos"
    summary: ClassVar[str] = "a folder of photographs without the recipe's objects"

    root: str
    licence: str = "unknown"

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """The photographs by their path."""
        root = to_uri(self.root)
        found = [uri for uri in files.list_files(root) if is_image(uri)]
        if not found:
            raise XrayError(f"no photographs for backgrounds in {self.root!r}")
        for uri in found:
            place = name_of(uri).rpartition(".")[0]
            yield Candidate(relative_key(uri, root), category="", uri=uri, place=place, licence=self.licence)
