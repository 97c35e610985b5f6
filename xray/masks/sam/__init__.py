"""The Segment Anything Model as a mask refiner: networks, prompts, and the selection among proposed masks."""

from __future__ import annotations

from xray.masks.sam.refiner import Sam

__all__ = ["Sam"]
