"""Models by name: what `family:architecture` means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xray.core.errors import XrayError
from xray.core.plugins import available, find
from xray.core.uri import local_path
from xray.models.base import Classifier


def _parse_folder(folder: Path) -> Classifier:
    """The model in a local folder: its config.json says which library wrote it."""
    from xray.models.timm import Timm
    from xray.models.transformers import Transformers

    try:
        config: Any = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise XrayError(f"no model in the folder {str(folder)!r}: cannot read its config.json: {error}") from error
    if isinstance(config, dict) and isinstance(config.get("architecture"), str):
        return Timm(architecture=f"local-dir:{folder}")
    if isinstance(config, dict) and "architectures" in config:
        return Transformers(model=str(folder))
    raise XrayError(
        f"{str(folder / 'config.json')!r} is neither timm's (with `architecture`) nor transformers' (`architectures`)"
    )


def parse_model(spec: str) -> Classifier:
    """The classifier that a recipe names; nothing is loaded yet.

    Args:
        spec: `timm:resnet50`, `torchvision:vgg16`, `hf:google/vit-base-patch16-224`, `lite:efficientnet-lite0`; with
            weights of one's own `timm:resnet50@/path/to/weights.safetensors`; the path of a folder that timm or
            transformers wrote; `package.module:Class:rest` for a family from elsewhere.

    Raises:
        XrayError: no such family, no model in the folder, or nothing after the family.

    >>> parse_model("lite:efficientnet-lite0")
    Lite(architecture='efficientnet-lite0')
    """
    family, colon, rest = spec.partition(":")
    if spec.startswith("file://") or (not colon and "/" in spec):
        folder = local_path(spec) or Path(spec).expanduser()
        return _parse_folder(folder.absolute())
    if "." in family:
        attribute, _, rest = rest.partition(":")
        family = f"{family}:{attribute}"
    cls = find("model family", Classifier, family)
    if not rest:
        raise XrayError(f"model {spec!r} names no architecture: write family:architecture, such as timm:resnet50")
    return cls.parse(rest)


def families() -> list[str]:
    """Names of the model families."""
    return list(available(Classifier))
