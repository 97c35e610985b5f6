"""Scenarios, the images that a model sees: pure functions of (photo, settings, seed), one file per family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xray.core.plugins import build
from xray.core.types import Photo, Picture, Prompt
from xray.scenarios.base import Scenario

__all__ = ["Photo", "Picture", "Prompt", "Scenario", "build_scenario"]


def build_scenario(spec: str | Mapping[str, Any]) -> Scenario:
    """Build a scenario from its recipe entry.

    The entry is `"name"`, or `{"kind": "name", "preset": "ximagenet12", setting: value, …}`. Explicit settings override
    the preset's.

    Raises:
        ConfigError: unknown scenario, preset or setting.
        pydantic.ValidationError: a setting is out of range.

    >>> build_scenario({"kind": "blur_background", "preset": "ximagenet12", "sigma": 5})
    BlurBackground(kernel=15, sigma=5.0, bleed=True)
    """
    return build("scenario", Scenario, spec)
