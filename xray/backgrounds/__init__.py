"""New backgrounds for objects: banks of photographs, and inpainters that generate them."""

from __future__ import annotations

from xray.backgrounds.base import Bank
from xray.backgrounds.inpainting.base import Inpainter

__all__ = ["Bank", "Inpainter"]
