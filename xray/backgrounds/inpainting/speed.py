"""Acceleration of a pipeline: memory layout, fused layers, compiled networks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from xray.backgrounds.inpainting.sampler import SamplerSettings
from xray.core.errors import ConfigError


def speed_up(pipeline: Any, settings: SamplerSettings, channels_last: bool) -> None:
    """Apply the settings that accelerate a pipeline, before it is moved to its device.

    Args:
        pipeline: a diffusers pipeline; modified.
        settings: `fuse_qkv`, `tiling` and `compile` are used.
        channels_last: the value of `settings.channels_last`, resolved for the device.
    """
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
def fail_on_recompile_limit() -> Iterator[None]:
    """Raise where torch would silently stop compiling and run uncompiled.

    Raises:
        ConfigError: a network reached torch's recompile limit.
    """
    import torch._dynamo

    try:
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            yield
    except torch._dynamo.exc.FailOnRecompileLimitHit as error:
        limit = torch._dynamo.config.recompile_limit
        raise ConfigError(
            f"`compile: true`: torch has compiled a network {limit} times, its limit, and would continue uncompiled: "
            "use `compile: false`"
        ) from error
