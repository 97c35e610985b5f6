"""Sources: which photographs there are, with their categories, masks, splits and licences as far as known."""

from __future__ import annotations

from xray.sources.base import Box, Candidate, Source, Split, without_duplicates

__all__ = ["Box", "Candidate", "Source", "Split", "without_duplicates"]
