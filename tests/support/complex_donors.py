"""A scenario whose donors are the least complex photographs, as packages of users may have it."""

from __future__ import annotations

from typing import ClassVar

from xray.core.plugins import settings
from xray.core.types import DonorRule
from xray.scenarios.background import RandomBackground


@settings
class SimpleBackground(RandomBackground):
    """The object over one of the least complex photographs."""

    name: ClassVar[str] = "simple_background"

    @property
    def donor_rule(self) -> DonorRule:
        """Any donor of the least complex tenth."""
        return DonorRule(complexity="low")
