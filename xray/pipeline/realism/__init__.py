"""How real painted pictures are, and how many of them the filter kept; reads a run, writes its table `realism`."""

from __future__ import annotations

from xray.pipeline.realism.keep_rates import judgements, keep_rates, rates
from xray.pipeline.realism.realism import realism

__all__ = ["judgements", "keep_rates", "rates", "realism"]
