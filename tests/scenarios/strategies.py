"""Hypothesis strategies for photographs, and every combination of a scenario's settings."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from hypothesis import strategies as st

from xray.backgrounds.inpainting.base import Inpainter
from xray.backgrounds.inpainting.stable_diffusion import StableDiffusion
from xray.core.plugins import available
from xray.core.types import Pixels
from xray.scenarios import Photo, Scenario

VALUES: Mapping[str, tuple[Any, ...]] = {
    "kernel": (1, 3, 15, 31),
    "sigma": (0.5, 1.5),
    "gain": (0.3, 1.0, 4.0),
    "category": (None, "same"),
    "painter": (StableDiffusion(steps=4, guidance=0.0),),
}
"""Values to try for settings that are not choices. Add new settings here, or their scenario cannot be tested."""

seeds = st.integers(0, 2**63 - 1)


def pixels(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@st.composite
def images(draw: st.DrawFn, max_side: int = 24) -> Pixels:
    return pixels(draw(st.integers(1, max_side)), draw(st.integers(1, max_side)), draw(st.integers(0, 2**32)))


@st.composite
def photos(draw: st.DrawFn) -> Photo:
    """Random pixels with a mask: a box (which may touch any border), scattered pixels, empty or full."""
    image = draw(images())
    height, width = image.shape[:2]
    mask = np.zeros((height, width), bool)
    kind = draw(st.sampled_from(["box", "scattered", "empty", "full"]))
    if kind == "box":
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[top : draw(st.integers(top + 1, height)), left : draw(st.integers(left + 1, width))] = True
    elif kind == "scattered":
        mask = np.random.default_rng(draw(st.integers(0, 2**32))).random((height, width)) < draw(st.floats(0, 1))
    elif kind == "full":
        mask[:] = True
    return Photo(image, mask, pixels(height, width, draw(st.integers(0, 2**32))))


def every_setting(cls: type[Scenario]) -> Iterator[Scenario]:
    """Yield the scenario with every combination of its choices and of the VALUES of its other settings."""
    hints = get_type_hints(cls, localns={"Inpainter": Inpainter})
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    for values in itertools.product(*(_values(name, hints[name]) for name in names)):
        yield cls(**dict(zip(names, values, strict=True)))


def donor_for(scenario: Scenario, photo: Photo, backdrop: Pixels) -> Pixels:
    """Return the scenario's donor: an inpainted image has the photo's size, a photograph any."""
    return pixels(*photo.mask.shape, seed=len(backdrop)) if scenario.inpaints else backdrop


def _values(name: str, hint: Any) -> tuple[Any, ...]:
    if hint is bool:
        return (False, True)
    return get_args(hint) if get_origin(hint) is Literal else VALUES[name]


EVERY = [scenario for name, cls in available(Scenario).items() if name != "edit" for scenario in every_setting(cls)]
"""All but edits, which move the object and refuse some photographs: they have tests of their own."""
