"""Checks of a diffusion model's folder before it is loaded: known classes, safetensors, complete files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray.core.errors import ConfigError, extra
from xray.models.weights import refuse_pickles

PIPELINES = frozenset({
    "StableDiffusionInpaintPipeline", "StableDiffusionPipeline",
    "StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline",
})  # fmt: skip
"""The supported `_class_name`s of `model_index.json`. All can inpaint; base models do so by noising the kept part."""

NETWORKS: Mapping[str, str] = {
    "AutoencoderKL": "diffusers",
    "CLIPTextModel": "transformers",
    "CLIPTextModelWithProjection": "transformers",
    "CLIPVisionModelWithProjection": "transformers",
    "StableDiffusionSafetyChecker": "diffusers.pipelines.stable_diffusion.safety_checker",
    "UNet2DConditionModel": "diffusers",
}
"""Classes with weights, and the modules that contain them."""
_OTHERS = {"CLIPFeatureExtractor", "CLIPImageProcessor", "CLIPTokenizer", "CLIPTokenizerFast"}
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}


@dataclass(frozen=True)
class PipelineFolder:
    """A diffusers pipeline on disk.

    Args:
        path: the folder.
        kind: class of the pipeline.
        parts: classes by component.
    """

    path: Path
    kind: str
    parts: Mapping[str, str]

    @property
    def is_xl(self) -> bool:
        """True for Stable Diffusion XL."""
        return "XL" in self.kind


def read_folder(path: Path) -> PipelineFolder:
    """Check a folder without loading it: `model_index.json`, components, and headers of weights.

    Raises:
        ConfigError: no pipeline, one that cannot inpaint, a component that is missing or brings its own code, weights
            that are pickled or truncated; names the file.
    """
    index = read_json(path / "model_index.json", "a diffusers pipeline")
    kind = str(index.get("_class_name"))
    if kind not in PIPELINES:
        raise ConfigError(f"{str(path)!r} is of class {kind}; supported are {', '.join(sorted(PIPELINES))}")
    parts = dict(_parts(path, index))
    if "safety_checker" not in parts:  # the only user of the extractor
        parts.pop("feature_extractor", None)
    for missing in sorted({"unet", "vae", "text_encoder", "tokenizer", "scheduler"} - parts.keys()):
        raise ConfigError(f"{str(path)!r} is not a complete pipeline: it has no {missing}")
    for name, cls in parts.items():
        if not (path / name).is_dir():
            raise ConfigError(f"{str(path)!r} is not a complete pipeline: {name} of model_index.json is missing")
        if cls in NETWORKS:
            check_network(path / name)
    return PipelineFolder(path, kind, parts)


def _parts(path: Path, index: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in index.items():
        if isinstance(value, list) and value != [None, None]:
            library, cls = (str(part) for part in value) if len(value) == 2 else ("", str(value))
            known = cls in NETWORKS or cls in _OTHERS or cls.endswith("Scheduler")
            if library not in _LIBRARIES or not known:
                raise ConfigError(f"refused {str(path)!r}: its {name} is {library}.{cls}, no part of Stable Diffusion")
            yield name, cls


def check_network(folder: Path) -> None:
    """Check a network's folder without loading it: its configuration and the headers of its weights.

    Raises:
        ConfigError: configuration or weights are missing, weights are pickled or truncated; names the file.
    """
    read_json(folder / "config.json", "a network")
    refuse_pickles(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"no weights in {str(folder)!r}: no .safetensors file")
    listed = {
        name for index in folder.glob("*.index*.json") for name in read_json(index, "").get("weight_map", {}).values()
    }
    for name in sorted(listed - {file.name for file in files}):
        raise ConfigError(f"weights are missing: {str(folder / name)!r}")
    for file in files:
        check_header(file)


def check_header(file: Path) -> None:
    """Compare a safetensors file's size and layout with its header, without reading its tensors.

    Raises:
        ConfigError: damaged, truncated or missing.
    """
    with extra("diffusion"):
        import safetensors
    if not file.is_file():
        raise ConfigError(f"no weights at {str(file)!r}")
    try:
        with safetensors.safe_open(file, framework="numpy"):
            pass
    except (safetensors.SafetensorError, OSError) as error:
        raise ConfigError(f"refused the weights {str(file)!r}: damaged or truncated: {error}") from error


def read_json(file: Path, what: str) -> dict[str, Any]:
    """Read an object from a JSON file.

    Raises:
        ConfigError: the file is missing (the message states that its folder is not `what`), or damaged.
    """
    try:
        value = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{str(file.parent)!r} is not the folder of {what}: it has no {file.name}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(file)!r} is damaged: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{str(file)!r} is damaged: not a JSON object")
    return value


def lora_file(path: Path) -> Path:
    """Return the single safetensors file of a LoRA, given the file or its folder.

    Raises:
        ConfigError: not exactly one file, a pickle, or damaged.
    """
    if path.is_dir():
        refuse_pickles(path)
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise ConfigError(f"a LoRA is one .safetensors file, and {str(path)!r} contains: {names}. Name the file")
        path = files[0]
    if path.suffix != ".safetensors":
        raise ConfigError(f"refused the weights {str(path)!r}: a LoRA must be a .safetensors file")
    check_header(path)
    return path
