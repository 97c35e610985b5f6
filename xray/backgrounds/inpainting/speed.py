"""What makes a pipeline fast: the order of tensors in memory, fused layers, compiled networks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xray.core.errors import XrayError

if TYPE_CHECKING:
    from xray.backgrounds.inpainting.stable_diffusion import Sdxl


def speed_up(pipeline: Any, painter: Sdxl, channels_last: bool) -> None:
    """Make a pipeline fast as the settings say, before it is on its device.

    Args:
        pipeline: of diffusers; changed.
        painter: its settings.
        channels_last: what `painter.channels_last` comes to on the device.
    """
    import torch

    # Only float16 overflows in the VAE; the pipelines would convert it to float32 and back for every picture.
    if pipeline.vae.dtype != torch.float16:
        pipeline.vae.register_to_config(force_upcast=False)
    if channels_last:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    if painter.fuse_qkv:
        pipeline.fuse_qkv_projections()
    if painter.tiling:
        pipeline.vae.enable_tiling()
    if painter.compile:
        pipeline.unet.compile()
        pipeline.vae.decoder.compile()


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """Where torch would give up compiling anew and go on without, an error.

    Raises:
        XrayError: it was compiled as often as torch allows.
    """
    import torch._dynamo

    try:
        with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
            yield
    except torch._dynamo.exc.FailOnRecompileLimitHit as error:
        limit = torch._dynamo.config.recompile_limit
        raise XrayError(
            f"`compile: true`: torch has compiled a network {limit} times, its limit, and would go on without: "
            "use `compile: false`"
        ) from error
