"""Loads an inpainting pipeline from a folder: strictly, and without output."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.backgrounds.inpainting.folder_check import NETWORKS, PipelineFolder
from xray.core.errors import ConfigError, extra
from xray.models.weights import variant_of

if TYPE_CHECKING:
    import torch

SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddim_trailing": ("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "dpmpp_2m_karras": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "euler_trailing": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
    "lcm": ("LCMScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
}
"""Samplers by name: the class in diffusers, and changes to the model's own schedule."""


def open_pipeline(
    folder: PipelineFolder,
    dtype: torch.dtype,
    *,
    vae: Path | None = None,
    controlnet: Path | None = None,
    lora: tuple[Path, float] | None = None,
    scheduler: str | None = None,
) -> Any:
    """Load a pipeline for inpainting, on the CPU.

    Args:
        folder: checked by `read_folder`.
        dtype: precision of all networks.
        vae: folder of another VAE.
        controlnet: folder of a ControlNet.
        lora: file and weight of a LoRA, which is fused into the weights.
        scheduler: one of SCHEDULERS; None: the model's own.

    Returns:
        A diffusers pipeline.

    Raises:
        ConfigError: weights are damaged, or do not match their configuration or each other.
    """
    with extra("diffusion"):
        import diffusers
        import transformers  # noqa: F401 - contains the text encoders
    networks = {name: cls for name, cls in folder.parts.items() if cls in NETWORKS}
    with _quiet():
        loaded = {name: load_network(cls, folder.path / name, dtype) for name, cls in networks.items() if name != "vae"}
        loaded["vae"] = load_network("AutoencoderKL", vae or folder.path / "vae", dtype)
        if controlnet is not None:
            loaded["controlnet"] = load_network("ControlNetModel", controlnet, dtype)
            _check_fit(loaded["controlnet"], controlnet, loaded["unet"], "cross_attention_dim", "block_out_channels")
        _check_fit(loaded["vae"], vae or folder.path / "vae", loaded["unet"], latent_channels="out_channels")
        if folder.is_xl:
            options: dict[str, Any] = {"add_watermarker": False}
        elif "safety_checker" in networks:
            options = {"requires_safety_checker": True}
        else:
            options = {"requires_safety_checker": False, "safety_checker": None, "feature_extractor": None}
        inpainting: Any = diffusers.AutoPipelineForInpainting
        with _named_errors(folder.path):
            pipeline = inpainting.from_pretrained(
                str(folder.path), dtype=dtype, use_safetensors=True, local_files_only=True, **loaded, **options
            )
        if lora is not None:
            _add_lora(pipeline, *lora)
    if scheduler is not None:
        name, changes = SCHEDULERS[scheduler]
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **changes)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_network(cls: str, folder: Path, dtype: torch.dtype) -> Any:
    """Load a network from its folder, every parameter from the file.

    Raises:
        ConfigError: weights are missing, damaged or of another shape.
    """
    module = importlib.import_module(NETWORKS.get(cls, "diffusers"))
    with _named_errors(folder):
        network, info = getattr(module, cls).from_pretrained(
            str(folder),
            dtype=dtype,
            variant=variant_of(folder),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    # The libraries initialise missing tensors randomly, with no more than a warning.
    missing = sorted(info["missing_keys"])
    if missing:
        more = ", …" if len(missing) > 3 else ""
        raise ConfigError(f"the weights in {str(folder)!r} lack {len(missing)} tensors: {', '.join(missing[:3])}{more}")
    return network.eval()


def _check_fit(network: Any, path: Path, unet: Any, *same: str, **pairs: str) -> None:
    """Refuse a network whose configuration does not match the UNet's: equal names, and pairs ours=theirs."""
    for ours, theirs in {**{name: name for name in same}, **pairs}.items():
        if network.config[ours] != unet.config[theirs]:
            raise ConfigError(
                f"{str(path)!r} does not fit the UNet: its {ours} is {network.config[ours]}, the UNet's {theirs} is "
                f"{unet.config[theirs]}"
            )


def _add_lora(pipeline: Any, file: Path, scale: float) -> None:
    with extra("diffusion"):
        import peft  # noqa: F401 - diffusers needs it for LoRA
    with _named_errors(file):
        pipeline.load_lora_weights(
            str(file.parent), weight_name=file.name, adapter_name="xray", use_safetensors=True, local_files_only=True
        )
    if not pipeline.get_active_adapters():
        raise ConfigError(f"the LoRA {str(file)!r} matches no layer of {type(pipeline).__name__}: wrong model")
    pipeline.fuse_lora(lora_scale=scale)
    pipeline.unload_lora_weights()


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Convert the libraries' errors about damaged or incompatible files to a ConfigError that names the path."""
    import safetensors
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        TypeError,
        AttributeError,
        safetensors.SafetensorError,
    ) as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"cannot load {str(path)!r}: {type(error).__name__}: {first_line}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the libraries' progress bars and warnings; what they warn of is checked here."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, (verbosity, bars) in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
            if bars:
                library.enable_progress_bar()
