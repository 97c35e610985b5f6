"""Models by name: classifiers over ImageNet-1k's classes, with their preprocessing, and networks to train."""

from __future__ import annotations

from xray.models.base import Classifier, Loaded, Task, Trainable
from xray.models.registry import parse_model

__all__ = ["Classifier", "Loaded", "Task", "Trainable", "parse_model"]
