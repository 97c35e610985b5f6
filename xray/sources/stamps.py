"""The sample of earlier versions, kept so that their runs can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from xray.core.errors import ConfigError
from xray.core.plugins import settings
from xray.sources.base import Candidate, Source
from xray.sources.categories.base import Category


@settings
class Stamps(Source):
    """Cut-outs of Debian's `tuxpaint-stamps-default` over photographs: the sample of earlier versions.

    Runs with it can be read, evaluated and scored. New ones use `animals`, whose photographs are not composed.

    Args:
        size: width and height of a scene in pixels.
        background_seed: determines the background and position of each object.
        cache: folder of packages and scenes.
    """

    name: ClassVar[str] = "stamps"
    summary: ClassVar[str] = "composed sample of earlier versions, for reading their runs"
    caveat: ClassVar[str] = (
        "originals are real cut-outs composed over real photographs of nature, not plain photographs; their layout was "
        "chosen for a plausible accuracy of efficientnet-lite0, from which drops are measured, so that no accuracy and "
        "no drop in this sample is a finding"
    )

    size: int = 256
    background_seed: int = 0
    cache: Path | None = None

    def categories(self) -> Sequence[Category]:
        """Refuse to name categories for a new run."""
        raise self._gone()

    def candidates(self, categories: Sequence[Category]) -> Iterator[Candidate]:
        """Refuse to list photographs for a new plan."""
        raise self._gone()

    @staticmethod
    def _gone() -> ConfigError:
        return ConfigError("the sample `stamps` is no longer made: write `source: {kind: animals}`")
