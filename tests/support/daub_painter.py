"""A painter without weights, for tests of what comes after painting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xray.backgrounds.inpainting.base import Painter
from xray.core.plugins import settings


@settings
class Daub(Painter):
    """Has no weights, and takes any prompt."""

    name: ClassVar[str] = "daub"
    summary: ClassVar[str] = "daubs"

    def weights(self) -> Mapping[str, str]:
        return {}

    def check(self, prompts: Sequence[str]) -> list[str]:
        return []
