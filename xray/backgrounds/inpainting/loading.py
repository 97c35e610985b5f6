"""Loads an inpainting pipeline from its files: strictly, and without output."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xray.backgrounds.inpainting.folder_check import NETWORKS, PipelineFiles
from xray.core.errors import ConfigError, extra
from xray.models.weights import locate
from xray.models.weights.pretrained import read_model

if TYPE_CHECKING:
    import torch

    from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion

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


def open_pipeline(files: PipelineFiles, settings: StableDiffusion, device: str) -> Any:
    """Load a diffusers pipeline for inpainting on the CPU, in the precision and memory layout for the device.

    Raises:
        ConfigError: weights are damaged, or do not match their configuration or each other; the scheduler does not
            support the number of steps.
    """
    with extra("diffusion"):
        import diffusers
        import torch
        import transformers  # noqa: F401 - contains the text encoders
    dtype = getattr(torch, settings.dtype_on(device))
    with _quiet():
        networks = {name: _read_network(cls, folder, dtype) for name, (cls, folder) in files.networks.items()}
        _check_fit(files, networks, "vae", latent_channels="out_channels")
        if "controlnet" in networks:
            same = {name: name for name in ("cross_attention_dim", "block_out_channels")}
            _check_fit(files, networks, "controlnet", **same)
        if files.is_xl:
            options: dict[str, Any] = {"add_watermarker": False}
        elif "safety_checker" in networks:
            options = {"requires_safety_checker": True}
        else:
            options = {"requires_safety_checker": False, "safety_checker": None, "feature_extractor": None}
        inpainting: Any = diffusers.AutoPipelineForInpainting
        with _named_errors(files.model):
            pipeline = inpainting.from_pretrained(
                str(files.model), use_safetensors=True, local_files_only=True, **networks, **options
            )
        if files.lora is not None:
            _add_lora(pipeline, files.lora, settings.lora_scale)
    if settings.scheduler is not None:
        name, changes = SCHEDULERS[settings.scheduler]
        pipeline.scheduler = getattr(diffusers, name).from_config(pipeline.scheduler.config, **changes)
    try:
        pipeline.scheduler.set_timesteps(settings.steps)
    except ValueError as error:
        name = type(pipeline.scheduler).__name__
        raise ConfigError(f"{name} does not support {settings.steps} steps: {error}") from error
    pipeline.set_progress_bar_config(disable=True)
    _speed_up(pipeline, settings, settings.channels_last_on(device))
    return pipeline


def open_decoder(reference: str, settings: StableDiffusion, device: str) -> Any:
    """Load a tiny autoencoder to a device.

    Raises:
        ConfigError: weights are damaged, or do not match their configuration.
    """
    with extra("diffusion"):
        import torch
    with _quiet():
        return _read_network("AutoencoderTiny", locate(reference), getattr(torch, settings.dtype_on(device))).to(device)


def _read_network(cls: str, folder: Path, dtype: torch.dtype) -> Any:
    network = read_model(getattr(importlib.import_module(NETWORKS.get(cls, "diffusers")), cls), folder, dtype=dtype)
    # Even without a backward pass, torch chooses other kernels, with other last bits, for weights without gradients.
    return network.requires_grad_(True)


def _check_fit(files: PipelineFiles, networks: Mapping[str, Any], name: str, **pairs: str) -> None:
    """Refuse a network whose configuration differs from the UNet's in a pair ours=theirs."""
    for ours, theirs in pairs.items():
        own, other = networks[name].config[ours], networks["unet"].config[theirs]
        if own != other:
            raise ConfigError(
                f"{str(files.networks[name][1])!r} does not fit the UNet: its {ours} is {own}, the UNet's {theirs} is "
                f"{other}"
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


def _speed_up(pipeline: Any, settings: StableDiffusion, channels_last: bool) -> None:
    import torch

    # The VAE overflows in float16 only; otherwise pipelines would convert it to float32 and back for every image.
    if pipeline.vae.dtype != torch.float16:
        pipeline.vae.register_to_config(force_upcast=False)
    if channels_last:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    if settings.fuse_qkv:
        pipeline.fuse_qkv_projections()
    if settings.tiling:
        pipeline.vae.enable_tiling()
    if settings.compile:
        pipeline.unet.compile()
        pipeline.vae.decoder.compile()


@contextlib.contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Convert the libraries' errors about damaged or incompatible files to a ConfigError that names the path."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        first_line = str(error).partition("\n")[0]
        raise ConfigError(f"cannot load {str(path)!r}: {type(error).__name__}: {first_line}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the libraries' progress bars and warnings; what they warn of is checked here."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity_error()
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, before, strict=True):
            library.set_verbosity(verbosity)
