"""The base class of background banks: pools of photographs that objects are placed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pyarrow as pa

from xray.core import schema
from xray.sources.base import Candidate


class Bank:
    """The base class of pools of background photographs; a subclass is a `@settings` dataclass with a `name`.

    The pool is what `own` and `candidates` return together. `random_background` samples its donors from it.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    """One line for `xray list backgrounds`."""
    caveat: ClassVar[str] = ""
    """A limitation of these backgrounds that the report states; empty: none."""
    shows_objects: ClassVar[bool] = False
    """True if these are photographs of the run, with objects that can be removed; `caveat` then holds only for
    scenarios that show them with their objects."""

    def own(self, source: pa.Table) -> pa.Table:
        """Return the run's own photographs that serve as backgrounds (BACKGROUNDS); default: none.

        They have been scanned already.

        Args:
            source: the run's own photographs (SOURCE).

        Raises:
            ConfigError: none of them is usable.
        """
        return schema.BACKGROUNDS.empty_table()

    def candidates(self, source: pa.Table) -> Iterator[Candidate]:
        """Yield the other background photographs, in an order that does not depend on the machine.

        A candidate's `category` is the recipe's category of an object in it; empty if there is none.

        Args:
            source: the run's own photographs (SOURCE).

        Raises:
            ConfigError: the photographs are missing, or there are none.
        """
        raise NotImplementedError
