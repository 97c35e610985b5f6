"""Backgrounds: banks of photographs that objects are put before."""

from __future__ import annotations

from xray.backgrounds.base import Bank

__all__ = ["Bank"]
