"""A run's own photographs as backgrounds for each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from xray.backgrounds.base import Bank
from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.sources.base import Candidate


@settings
class OwnPhotos(Bank):
    """A bank of the run's usable photographs. Scenarios show them without their own objects, or whole."""

    name: ClassVar[str] = "sources"
    summary: ClassVar[str] = "the run's own photographs"
    caveat: ClassVar[str] = "backgrounds are the run's other photographs: their own objects may be visible"
    shows_objects: ClassVar[bool] = True

    def own(self, source: pa.Table) -> pa.Table:
        """Return the photographs with status ok, in the table's order."""
        columns = {name: source[name] for name in schema.BACKGROUNDS.names if name in source.column_names}
        others = {"donor_id": source["image_id"], "complexity": pa.nulls(len(source), pa.float32())}
        bank = pa.table({**columns, **others}, schema=schema.BACKGROUNDS)
        usable = pc.equal(source["status"], schema.OK)
        if not pc.all(usable, min_count=0).as_py():  # skip the copy if nothing is filtered
            bank = bank.filter(usable)
        if not len(bank):
            raise ConfigError("the run has no usable photograph to serve as a background")
        return bank

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield nothing."""
        return iter(())
