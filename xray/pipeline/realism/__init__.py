"""Realism of a run's inpainted images (FID, KID, CLIPScore, LPIPS), and the share that the filter kept."""

from __future__ import annotations

from xray.pipeline.realism.keep_rates import judgements, keep_rates, rates
from xray.pipeline.realism.realism import realism

__all__ = ["judgements", "keep_rates", "rates", "realism"]
