"""A run's own photographs as backgrounds for each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from xray.backgrounds.base import Bank
from xray.core import schema
from xray.core.errors import XrayError
from xray.core.plugins import settings
from xray.sources.base import Candidate


@settings
class OwnPhotos(Bank):
    """Every usable photograph of the run, for objects of other categories; what stands in it stays in it."""

    name: ClassVar[str] = "sources"
    summary: ClassVar[str] = "the run's own photographs of other categories"
    stand_in: ClassVar[str] = "backgrounds are the run's other photographs: their own objects may be visible"

    def own(self, source: pa.Table) -> pa.Table:
        """The photographs with status ok, in the table's order."""
        columns = {name: source[name] for name in schema.BACKGROUNDS.names if name != "donor_id"}
        bank = pa.table({"donor_id": source["image_id"], **columns}, schema=schema.BACKGROUNDS)
        usable = pc.equal(source["status"], schema.OK)
        if not pc.all(usable, min_count=0).as_py():  # else no column is copied
            bank = bank.filter(usable)
        if not len(bank):
            raise XrayError("no usable photograph in the run that could be a background")
        return bank

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """None."""
        return iter(())
