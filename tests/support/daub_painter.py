"""An inpainter without weights, for tests of plans and of everything after inpainting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from xray.backgrounds.inpainting.base import Inpainter
from xray.core.plugins import settings


@settings
class Daub(Inpainter):
    """An inpainter without weights that accepts any prompt."""

    name: ClassVar[str] = "daub"
    summary: ClassVar[str] = "for tests"

    def weights(self) -> Mapping[str, str]:
        return {}

    def check(self, prompts: Sequence[str]) -> list[str]:
        return []
