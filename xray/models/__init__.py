"""Models: classifiers over ImageNet-1k's classes, by name, each with its own preprocessing."""

from __future__ import annotations

from xray.models.base import Classifier, Loaded
from xray.models.prediction import Panel, rows
from xray.models.spec import parse_model

__all__ = ["Classifier", "Loaded", "Panel", "parse_model", "rows"]
