"""How real painted pictures are, and how many of them the filter kept; reads a run, writes its table `realism`."""

from __future__ import annotations

from xray.realism.tables import keep_rates, realism

__all__ = ["keep_rates", "realism"]
