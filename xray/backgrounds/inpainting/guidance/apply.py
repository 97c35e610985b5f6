"""Guide the steps of a diffusers pipeline, and measure what came out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from xray.backgrounds.inpainting.base import InpaintRequest
from xray.backgrounds.inpainting.canvas import Canvas
from xray.backgrounds.inpainting.guidance.base import GuideTarget, LoadedGuide
from xray.backgrounds.inpainting.guidance.scheduler import GuidedScheduler, score_of_latents
from xray.core.complexity import complexity
from xray.core.compositing import restore
from xray.core.types import Photo, Pixels


@contextlib.contextmanager
def guided(
    pipeline: Any, decoder: Any, guide: LoadedGuide, strength: float, targets: Sequence[GuideTarget]
) -> Iterator[None]:
    """Let a guide push every step of a pipeline while it makes the images of some targets; at strength 0, none.

    The gradient goes through `decoder`, an autoencoder of diffusers.
    """
    if not strength:
        yield
        return
    plain = pipeline.scheduler
    pipeline.scheduler = GuidedScheduler(plain, score_of_latents(decoder, guide, targets), strength)
    try:
        yield
    finally:
        pipeline.scheduler = plain


def measures(guide: LoadedGuide, images: Sequence[Pixels], targets: Sequence[GuideTarget]) -> list[dict[str, Any]]:
    """Return what a guide records of inpainted images of the canvases' sizes, once their objects are put back."""
    photos = [target.canvas.crop_and_scale(image).copy() for image, target in zip(images, targets, strict=True)]
    pairs = zip(photos, targets, strict=True)
    return guide.measure([restore(image, target.photo, "object") for image, target in pairs], targets)


def complexities(photo: Photo, inpainted: Pixels, background: bool) -> dict[str, Any]:
    """Return the complexity of a photograph and of the result, each as a whole; if asked, also without the object."""
    whole = restore(inpainted.copy(), photo, "object")
    measured = {"image": {"before": complexity(photo.image), "after": complexity(whole)}}
    if background and photo.removed is not None:
        cv2.copyTo(photo.removed, photo.inside, whole)
        measured["background"] = {"before": complexity(photo.removed), "after": complexity(whole)}
    return measured


def warm_up_target(canvas: Canvas) -> GuideTarget:
    """Return a black target without an object."""
    width, height = canvas.photo
    black, nothing = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    return GuideTarget.of(InpaintRequest(Photo(black, nothing), "", 0, (0,)), canvas, black)
