"""What a bank of backgrounds is: photographs that objects are put before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.sources.base import Candidate


class Bank:
    """Base of background banks; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    stand_in: ClassVar[str] = ""
    """What the reader must know of these backgrounds; said in the report."""

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """The background photographs, in an order that does not depend on the machine.

        A candidate's `category` is that of an object in it, empty if there is none of the recipe's.

        Args:
            source: the run's own photographs (SOURCE).

        Raises:
            XrayError: the bank is not there or empty.
        """
        raise NotImplementedError
