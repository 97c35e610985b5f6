"""Checks of a diffusion model's files before they are loaded: known classes, safetensors, complete files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray.core.errors import MALFORMED, ConfigError, extra, problem_of, refusing
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
"""Classes with weights that a model may consist of, and the modules that contain them."""
_OTHERS = {"CLIPFeatureExtractor", "CLIPImageProcessor", "CLIPTokenizer", "CLIPTokenizerFast"}
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}


@dataclass(frozen=True)
class PipelineFiles:
    """The checked files of a diffusers pipeline.

    Args:
        model: folder of the model.
        is_xl: True for Stable Diffusion XL.
        networks: class and folder by component, with the replaced VAE and the added ControlNet.
        tokenizers: their folders.
        lora: file of a LoRA.
    """

    model: Path
    is_xl: bool
    networks: Mapping[str, tuple[str, Path]]
    tokenizers: Sequence[Path]
    lora: Path | None


def check_files(
    model: Path, vae: Path | None = None, controlnet: Path | None = None, lora: Path | None = None
) -> PipelineFiles:
    """Check the files of a pipeline without loading it: `model_index.json`, components, and headers of weights.

    Args:
        model: its folder.
        vae: folder of another VAE.
        controlnet: folder of a ControlNet.
        lora: file of a LoRA, or its folder.

    Raises:
        ConfigError: no pipeline, one that cannot inpaint, a component that is missing or brings its own code, weights
            that are pickled or truncated; names the file.
    """
    index = read_json(model / "model_index.json", "a diffusers pipeline")
    kind = str(index.get("_class_name"))
    if kind not in PIPELINES:
        raise ConfigError(f"{str(model)!r} is of class {kind}; supported are {', '.join(sorted(PIPELINES))}")
    parts = _parts(model, index)
    if "safety_checker" not in parts:  # the only user of the extractor
        parts.pop("feature_extractor", None)
    for missing in sorted({"unet", "vae", "text_encoder", "tokenizer", "scheduler"} - parts.keys()):
        raise ConfigError(f"{str(model)!r} is not a complete pipeline: it has no {missing}")
    for name in parts:
        if not (model / name).is_dir():
            raise ConfigError(f"{str(model)!r} is not a complete pipeline: {name} of model_index.json is missing")
    networks = {name: (cls, model / name) for name, cls in parts.items() if cls in NETWORKS}
    if vae is not None:
        networks["vae"] = ("AutoencoderKL", vae)
    if controlnet is not None:
        networks["controlnet"] = ("ControlNetModel", controlnet)
    for _, folder in networks.values():
        _check_network(folder)
    tokenizers = [model / name for name in sorted(parts) if name.startswith("tokenizer")]
    return PipelineFiles(model, "XL" in kind, networks, tokenizers, None if lora is None else lora_file(lora))


def _parts(path: Path, index: Mapping[str, Any]) -> dict[str, str]:
    """Return the classes by component; refuse those that are no part of Stable Diffusion."""
    parts = {}
    for name, value in index.items():
        if isinstance(value, list) and value != [None, None]:
            library, cls = (str(part) for part in value) if len(value) == 2 else ("", str(value))
            known = cls in NETWORKS or cls in _OTHERS or cls.endswith("Scheduler")
            if library not in _LIBRARIES or not known:
                raise ConfigError(f"refused {str(path)!r}: its {name} is {library}.{cls}, no part of Stable Diffusion")
            parts[name] = cls
    return parts


def check_decoder(folder: Path) -> None:
    """Check the files of a tiny autoencoder without loading it.

    Raises:
        ConfigError: another class; weights that are missing, pickled or truncated.
    """
    kind = read_json(folder / "config.json", "a network").get("_class_name")
    if kind != "AutoencoderTiny":
        raise ConfigError(f"{str(folder)!r} is of class {kind}; a guide's decoder is an AutoencoderTiny")
    _check_network(folder)


def _check_network(folder: Path) -> None:
    """Check a network's configuration and the headers of its weights."""
    read_json(folder / "config.json", "a network")
    refuse_pickles(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"no weights in {str(folder)!r}: no .safetensors file")
    with refusing(f"the index of the weights in {str(folder)!r}"):
        indices = (read_json(index, "a network") for index in folder.glob("*.index*.json"))
        listed = {str(name) for index in indices for name in index.get("weight_map", {}).values()}
    for name in sorted(listed - {file.name for file in files}):
        raise ConfigError(f"weights are missing: {str(folder / name)!r}")
    for file in files:
        _check_header(file)


def _check_header(file: Path) -> None:
    """Compare a safetensors file's size and layout with its header, without reading its tensors."""
    with extra("diffusion"):
        import safetensors
    try:
        with safetensors.safe_open(file, framework="numpy"):
            pass
    except MALFORMED as error:
        raise ConfigError(f"refused the weights {str(file)!r}: damaged or truncated: {problem_of(error)}") from error


def read_json(file: Path, what: str) -> dict[str, Any]:
    """Read an object from a JSON file; if it is missing, the error states that its folder is not `what`."""
    try:
        value = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{str(file.parent)!r} is not the folder of {what}: it has no {file.name}") from None
    except MALFORMED as error:
        raise ConfigError(f"{str(file)!r} is damaged: {problem_of(error)}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{str(file)!r} is damaged: not a JSON object")
    return value


def lora_file(path: Path) -> Path:
    """Return the single safetensors file of a LoRA, given the file or its folder."""
    if path.is_dir():
        refuse_pickles(path)
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise ConfigError(f"a LoRA is one .safetensors file, and {str(path)!r} contains: {names}. Name the file")
        path = files[0]
    if path.suffix != ".safetensors":
        raise ConfigError(f"refused the weights {str(path)!r}: a LoRA must be a .safetensors file")
    _check_header(path)
    return path
