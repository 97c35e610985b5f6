"""The settings of an inpainting pipeline that do not depend on where its weights come from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SamplerSettings:
    """The settings of a loaded pipeline; see the arguments of the same names of `StableDiffusion`."""

    steps: int
    guidance: float
    strength: float
    negative_prompt: str
    size: int | None
    dilate: int
    feather: int
    min_side: int
    channels_last: bool | None
    fuse_qkv: bool
    compile: bool
    offload: bool
    tiling: bool
