"""A run's own photographs as backgrounds for each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from xray import schema
from xray.backgrounds.base import Bank
from xray.errors import XrayError
from xray.plugins import settings
from xray.sources.base import Candidate


@settings
class OwnPhotos(Bank):
    """Every usable photograph of the run, for objects of other categories; what stands in it stays in it."""

    name: ClassVar[str] = "sources"
    summary: ClassVar[str] = "the run's own photographs of other categories"
    stand_in: ClassVar[str] = "backgrounds are the run's other photographs: their own objects may be visible"

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """The photographs with status ok, in the table's order."""
        usable = source.filter(pc.equal(source["status"], schema.OK))
        if not usable.num_rows:
            raise XrayError("no usable photograph in the run that could be a background")
        columns = ["image_id", "category", "uri", "mask_uri", "place", "split", "licence"]
        for row in usable.select(columns).to_pylist():
            yield Candidate(key=row.pop("image_id"), **row)
