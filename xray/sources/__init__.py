"""Sources of photographs: images with their categories, masks, splits and licences."""

from __future__ import annotations

from xray.sources.base import Box, Candidate, Source, Split, mark_duplicates

__all__ = ["Box", "Candidate", "Source", "Split", "mark_duplicates"]
