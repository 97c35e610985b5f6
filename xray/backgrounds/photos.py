"""A folder of your own photographs as backgrounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.backgrounds.base import Bank
from xray.core import files
from xray.core.errors import ConfigError
from xray.core.listing import LeftOut
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
        follow_links: true to follow links that lead out of the root, which are left out otherwise.
    """

    name: ClassVar[str] = "photos"
    summary: ClassVar[str] = "a folder of photographs without the recipe's objects"

    root: str
    licence: str = "unknown"
    follow_links: bool = False

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the photographs, sorted by path."""
        root = to_uri(self.root)
        left_out = LeftOut()
        entries = files.list_entries(root, within=None if self.follow_links else root, left_out=left_out)
        photos = [entry for entry in entries if is_image(entry.uri)]
        if not photos:
            raise ConfigError("; ".join([f"no photographs for backgrounds in {self.root!r}", *left_out.notes()]))
        for uri, problem in photos:
            place, key = base_name(uri).rpartition(".")[0], relative_key(uri, root)
            yield Candidate(key, category="", uri=uri, place=place, licence=self.licence, problem=problem)
