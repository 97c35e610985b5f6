"""What models are called in a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xray.core.errors import XrayError


def models_by_name(value: Any) -> dict[str, str]:
    """Model strings by name; a list's are called by `model_name`.

    Raises:
        XrayError: two are called the same, or these are no model strings.
    """
    if isinstance(value, Mapping):
        return {str(name): str(spec) for name, spec in value.items()}
    if not isinstance(value, list | tuple | str):
        raise XrayError(f"`models` is a list of model strings such as timm:resnet50; got {value!r}")
    names: dict[str, str] = {}
    for spec in [value] if isinstance(value, str) else value:
        name = model_name(str(spec))
        if name in names:
            raise XrayError(f"two models are called {name!r}; write `models: {{name: {spec}, …}}`")
        names[name] = str(spec)
    return names


def model_name(spec: str) -> str:
    """What a model is called if the recipe gives it no name.

    >>> model_name("timm:resnet50"), model_name("weights/my_net.safetensors")
    ('resnet50', 'my_net')
    """
    name = spec.partition("@")[0].rstrip("/").rpartition("/")[2]
    return name.rpartition(":")[2].removesuffix(".safetensors")
