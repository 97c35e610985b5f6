"""Scenarios, the images that a model sees: pure functions of (photo, settings, seed), one file per family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import build, find
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
    fields = {"kind": spec} if isinstance(spec, str) else dict(spec)
    preset = fields.pop("preset", None)
    if preset is not None and "kind" in fields:
        fields = {**_preset(str(fields["kind"]), str(preset)), **fields}
    return build("scenario", Scenario, fields)


def _preset(kind: str, preset: str) -> Mapping[str, Any]:
    presets = find("scenario", Scenario, kind).presets
    if not presets:
        raise ConfigError(f"scenario {kind!r} has no presets: remove `preset: {preset}`", where=("preset",))
    if preset not in presets:
        raise ConfigError(str(unknown(f"preset of scenario {kind!r}", preset, presets)), where=("preset",))
    return presets[preset]
