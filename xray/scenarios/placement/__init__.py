"""Placements: how large an object is, where it is, and how it is turned."""

from xray.scenarios.placement.place import Placement, place
from xray.scenarios.placement.settings import Direction, Position, Size

__all__ = ["Direction", "Placement", "Position", "Size", "place"]
