"""Models by name: parse `family:architecture`, and name the models of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xray.core.errors import ConfigError, XrayError
from xray.core.plugins import find, settings_of
from xray.core.uri import local_path
from xray.models.base import Classifier


def parse_model(spec: str) -> Classifier:
    """Return the classifier that a recipe names; nothing is loaded.

    Args:
        spec: `timm:resnet50`, `torchvision:vgg16`, `hf:google/vit-base-patch16-224`, `lite:efficientnet-lite0`; with
            weights of one's own `timm:resnet50@/path/to/weights.safetensors`; the path of a folder that timm or
            transformers wrote; `package.module:Class:rest` for a family outside xray.

    Raises:
        ConfigError: no such family, no model in the folder, or nothing after the family.

    >>> parse_model("lite:efficientnet-lite0")
    Lite(architecture='efficientnet-lite0')
    """
    family, _, rest = spec.partition(":")
    if is_folder(spec):
        folder = local_path(spec) or Path(spec).expanduser()
        return _parse_folder(folder.absolute())
    if "." in family:
        attribute, _, rest = rest.partition(":")
        family = f"{family}:{attribute}"
    cls = find("model family", Classifier, family)
    if not rest:
        raise ConfigError(f"model {spec!r} names no architecture: write family:architecture, such as timm:resnet50")
    return cls.parse(rest)


def is_folder(spec: str) -> bool:
    """Return whether a model string is the path or `file://` URI of a folder.

    >>> is_folder("models/mine"), is_folder("timm:resnet50")
    (True, False)
    """
    return spec.startswith("file://") or (":" not in spec and "/" in spec)


def models_by_name(value: Any) -> dict[str, str]:
    """Return model strings by name.

    Args:
        value: a mapping of names to model strings; or a list of model strings, or one, named by `model_name`.

    Raises:
        ConfigError: not model strings, or two models with the same name.
    """
    if isinstance(value, Mapping):
        return {str(name): str(spec) for name, spec in value.items()}
    if not isinstance(value, list | tuple | str):
        raise ConfigError(f"`models` is a list of model strings such as timm:resnet50; got {value!r}")
    names: dict[str, str] = {}
    for spec in [value] if isinstance(value, str) else value:
        name = model_name(str(spec))
        if name in names:
            raise ConfigError(f"two models are called {name!r}; write `models: {{name: {spec}, …}}`")
        names[name] = str(spec)
    return names


def model_name(spec: str) -> str:
    """Return the default name of a model in a run.

    >>> model_name("timm:resnet50"), model_name("weights/my_net.safetensors")
    ('resnet50', 'my_net')
    """
    name = spec.partition("@")[0].rstrip("/").rpartition("/")[2]
    return name.rpartition(":")[2].removesuffix(".safetensors")


def same_model(one: str, other: str) -> bool:
    """Return whether two model strings mean the same model; False if that is not known here.

    >>> same_model("timm:resnet50", "timm:resnet50"), same_model("timm:resnet50", "timm:resnet18")
    (True, False)
    """
    try:
        return one == other or parse_model(one) == parse_model(other)
    except XrayError:  # a model of the machine that will evaluate it
        return False


def local_weights(spec: str) -> str | None:
    """Return the local file or folder of weights that a model string names, if it names one."""
    texts = [value for value in settings_of(parse_model(spec)).values() if isinstance(value, str)]
    for text in (text.removeprefix("local-dir:") for text in texts):
        path = local_path(text) or Path(text).expanduser()
        if path.is_file() or ("/" in text and path.is_dir()):  # a folder `resnet50` is not the weights of timm:resnet50
            return str(path)
    return None


def _parse_folder(folder: Path) -> Classifier:
    """Return the model in a local folder; its config.json tells which library wrote it."""
    from xray.models.timm import Timm
    from xray.models.transformers import Transformers

    try:
        config: Any = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"no model in the folder {str(folder)!r}: cannot read its config.json: {error}") from error
    if isinstance(config, dict) and isinstance(config.get("architecture"), str):
        return Timm(architecture=f"local-dir:{folder}")
    if isinstance(config, dict) and "architectures" in config:
        return Transformers(model=str(folder))
    raise ConfigError(
        f"{str(folder / 'config.json')!r} is neither timm's (with `architecture`) nor transformers' (`architectures`)"
    )
