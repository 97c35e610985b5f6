"""A folder of a diffusion model, looked at before it is loaded: known classes, safetensors, nothing cut off."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xray.core.errors import XrayError, extra
from xray.models.weights import refuse_pickles

PIPELINES = frozenset({
    "StableDiffusionInpaintPipeline", "StableDiffusionPipeline",
    "StableDiffusionXLInpaintPipeline", "StableDiffusionXLPipeline",
})  # fmt: skip
"""What `_class_name` in `model_index.json` may be: all can inpaint, the plain ones by noising what stays."""

NETWORKS: Mapping[str, str] = {
    "AutoencoderKL": "diffusers",
    "CLIPTextModel": "transformers",
    "CLIPTextModelWithProjection": "transformers",
    "CLIPVisionModelWithProjection": "transformers",
    "StableDiffusionSafetyChecker": "diffusers.pipelines.stable_diffusion.safety_checker",
    "UNet2DConditionModel": "diffusers",
}
"""Classes with weights, and the module that has them."""
_OTHERS = {"CLIPFeatureExtractor", "CLIPImageProcessor", "CLIPTokenizer", "CLIPTokenizerFast"}
_LIBRARIES = {"diffusers", "transformers", "stable_diffusion"}


@dataclass(frozen=True)
class PipelineFolder:
    """A diffusers pipeline on disk.

    Args:
        path: of the folder.
        kind: its class.
        parts: class by component, of those that are there.
    """

    path: Path
    kind: str
    parts: Mapping[str, str]

    @property
    def is_xl(self) -> bool:
        """Whether it is Stable Diffusion XL."""
        return "XL" in self.kind


def read_folder(path: Path) -> PipelineFolder:
    """Look at a folder without loading it: `model_index.json`, that all components are there, headers of weights.

    Raises:
        XrayError: no pipeline, one that cannot inpaint, a component with code or classes of its own, one that is
            missing, weights that are pickled or cut off; names the file.
    """
    index = read_json(path / "model_index.json", "a diffusers pipeline")
    kind = str(index.get("_class_name"))
    if kind not in PIPELINES:
        raise XrayError(f"{str(path)!r} is of class {kind}; the painter takes {', '.join(sorted(PIPELINES))}")
    parts = dict(_parts(path, index))
    if "safety_checker" not in parts:  # which is all that it serves
        parts.pop("feature_extractor", None)
    for lacking in sorted({"unet", "vae", "text_encoder", "tokenizer", "scheduler"} - parts.keys()):
        raise XrayError(f"{str(path)!r} is no whole pipeline: it has no {lacking}")
    for name, cls in parts.items():
        if not (path / name).is_dir():
            raise XrayError(f"{str(path)!r} is no whole pipeline: model_index.json names {name}, which is not there")
        if cls in NETWORKS:
            check_network(path / name)
    return PipelineFolder(path, kind, parts)


def _parts(path: Path, index: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in index.items():
        if isinstance(value, list) and value != [None, None]:
            library, cls = (str(part) for part in value) if len(value) == 2 else ("", str(value))
            known = cls in NETWORKS or cls in _OTHERS or cls.endswith("Scheduler")
            if library not in _LIBRARIES or not known:
                raise XrayError(f"refused {str(path)!r}: its {name} is {library}.{cls}, no part of Stable Diffusion")
            yield name, cls


def check_network(folder: Path) -> None:
    """Look at a network's folder without loading it: its configuration and the headers of its weights.

    Raises:
        XrayError: no configuration or weights there, weights that are pickled or cut off; names the file.
    """
    read_json(folder / "config.json", "a network")
    refuse_pickles(folder)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise XrayError(f"no weights in {str(folder)!r}: no .safetensors file")
    listed = {
        name for index in folder.glob("*.index*.json") for name in read_json(index, "").get("weight_map", {}).values()
    }
    for name in sorted(listed - {file.name for file in files}):
        raise XrayError(f"weights are missing: {str(folder / name)!r}")
    for file in files:
        check_header(file)


def check_header(file: Path) -> None:
    """Compare a safetensors file's size and layout with its header, without reading its tensors.

    Raises:
        XrayError: damaged, cut off or not there.
    """
    with extra("diffusion"):
        import safetensors
    if not file.is_file():
        raise XrayError(f"no weights at {str(file)!r}")
    try:
        with safetensors.safe_open(file, framework="numpy"):
            pass
    except (safetensors.SafetensorError, OSError) as error:
        raise XrayError(f"refused the weights {str(file)!r}: damaged or cut off: {error}") from error


def read_json(file: Path, what: str) -> dict[str, Any]:
    """An object in a JSON file.

    Raises:
        XrayError: it is not there (then its folder is not `what`), or damaged.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise XrayError(f"{str(file.parent)!r} is no folder of {what}: it has no {file.name}") from None
    except (OSError, ValueError) as error:
        raise XrayError(f"{str(file)!r} is damaged: {error}") from error
    if not isinstance(found, dict):
        raise XrayError(f"{str(file)!r} is damaged: no JSON object")
    return found


def lora_file(path: Path) -> Path:
    """The one safetensors file that a LoRA consists of.

    Raises:
        XrayError: not exactly one, a pickle, or damaged.
    """
    if path.is_dir():
        refuse_pickles(path)
        files = sorted(path.glob("*.safetensors"))
        if len(files) != 1:
            names = ", ".join(file.name for file in files) or "none"
            raise XrayError(f"a LoRA is one .safetensors file; in {str(path)!r} there are: {names}. Name the file")
        path = files[0]
    if path.suffix != ".safetensors":
        raise XrayError(f"refused the weights {str(path)!r}: a LoRA is taken from a .safetensors file only")
    check_header(path)
    return path
