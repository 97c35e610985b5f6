"""What a bank of backgrounds is: photographs that objects are put before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.core import schema
from xray.sources.base import Candidate


class Bank:
    """Base of background banks; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    stand_in: ClassVar[str] = ""
    """What the reader must know of these backgrounds; said in the report."""

    def own(self, source: pa.Table) -> pa.Table:
        """The backgrounds (BACKGROUNDS) that are photographs of the run itself, which were looked at; default: none.

        Args:
            source: the run's own photographs (SOURCE).

        Raises:
            XrayError: they are wanted, and none is usable.
        """
        return schema.BACKGROUNDS.empty_table()

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """The other background photographs, in an order that does not depend on the machine.

        A candidate's `category` is that of an object in it, empty if there is none of the recipe's.

        Args:
            source: the run's own photographs (SOURCE).

        Raises:
            XrayError: the bank is not there or empty.
        """
        raise NotImplementedError
