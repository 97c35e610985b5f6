"""The rivals of `xray generate`: a Pillow script, and per-row Ray Data."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

Pair = tuple[str, str]


def _tinted(image: Image.Image, low: int, high: int) -> Image.Image:
    _, saturation, value = image.convert("HSV").split()
    fixed = Image.new("L", image.size, random.randint(low, high))
    return Image.merge("HSV", (fixed, saturation, value)).convert("RGB")


def _shifted(image: Image.Image) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    shift = random.randint(0, 127)
    return Image.merge("HSV", (hue.point(lambda h: (h + shift) % 256), saturation, value)).convert("RGB")


def _bright(image: Image.Image) -> Image.Image:
    blurred = np.asarray(image.filter(ImageFilter.BoxBlur(4)), np.float32)
    return Image.fromarray(np.clip(1.5 * np.asarray(image, np.float32) + 0.9 * blurred + 1.9, 0, 255).astype(np.uint8))


def _covering(donor: Image.Image, size: tuple[int, int]) -> Image.Image:
    scale = max(size[0] / donor.width, size[1] / donor.height)
    donor = donor.resize((round(donor.width * scale), round(donor.height * scale)))
    return donor.crop((0, 0, *size))


def scenarios_with_pillow(image: Image.Image, mask: Image.Image, donor: Image.Image) -> dict[str, Image.Image]:
    """Return every classical scenario of a photograph, made by Pillow."""
    black = Image.new("RGB", image.size)
    soft = image.filter(ImageFilter.GaussianBlur(3))

    def on_background(changed: Image.Image) -> Image.Image:
        return Image.composite(image, changed, mask)

    transparent = image.copy()
    transparent.putalpha(mask)
    return {
        "original": image,
        "blur_background": on_background(soft),
        "blur_object": Image.composite(soft, image, mask),
        "image_r": on_background(_tinted(image, 0, 42)),
        "image_g": on_background(_tinted(image, 43, 127)),
        "image_b": on_background(_tinted(image, 128, 212)),
        "image_rainbow": on_background(_shifted(image)),
        "image_grey": image.convert("L").convert("RGB"),
        "bright_background": on_background(_bright(image)),
        "bright_object": Image.composite(_bright(image), image, mask),
        "segmented": on_background(black),
        "transparent": transparent,
        "no_object": Image.composite(black, image, mask),
        "random_background": on_background(_covering(donor, image.size)),
    }


def pillow_script(item: tuple[str, str, str, str]) -> int:
    """One photograph of the Pillow script: image, mask, donor, output folder; returns how many files it wrote."""
    path, mask_path, donor_path, folder = item
    made = scenarios_with_pillow(
        Image.open(path).convert("RGB"), Image.open(mask_path).convert("L"), Image.open(donor_path).convert("RGB")
    )
    for scenario, image in made.items():
        suffix = "png" if image.mode == "RGBA" else "jpg"
        target = Path(folder) / scenario / f"{Path(path).stem}.{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target, **({} if suffix == "png" else {"quality": 95, "subsampling": 0}))
    return len(made)


def render_row(uri: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """A per-row function of Ray Data: reads, decodes, renders one scenario and encodes, row by row."""

    def render(row: dict[str, Any]) -> dict[str, Any]:
        import cv2
        import pyarrow as pa

        from xray.core import schema
        from xray.pipeline.generate.render import Renderer
        from xray.runs.folder import RunFolder
        from xray.runs.receipts import Shard

        cv2.setNumThreads(1)
        renderer = Renderer(RunFolder(uri).recipe)
        source = pa.Table.from_pylist([row["source"]], schema=schema.SOURCE)
        plan = pa.Table.from_pylist([row["plan"]], schema=schema.PLAN)
        return renderer.shard(Shard("row", source, plan)).images.to_pylist()[0]

    return render


def transparent_png(image: np.ndarray, mask: np.ndarray) -> bytes:
    """Pillow's default PNG of a cut-out whose colours are kept under alpha 0."""
    picture = Image.fromarray(image)
    picture.putalpha(Image.fromarray(mask))
    sink = io.BytesIO()
    picture.save(sink, "PNG")
    return sink.getvalue()
