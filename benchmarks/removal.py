"""Removers without weights: CPU time per photograph, and how well they fill a hole whose content is known.

    python benchmarks/removal.py [--photos FOLDER] [--lama FILE]

FOLDER has `images/GROUP/NAME.*` and `masks/GROUP/NAME.png`; without one, 12 photographs of 375×500 pixels are drawn.
The time is that of removing the object of each photograph at its own size. For the rest, a photograph is scaled to a
long side of 500 pixels, and the outline of the next photograph's object, scaled to 18 % of the area, is filled in it:

- psnr: of the filled area beside what was there, in dB; a blurred guess scores well.
- texture: mean gradient inside beside that of what was there; 1 is as much detail.
- seam: mean gradient across the edge of the area beside that of what was there; 1 is no visible edge.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1"}

import cv2
import numpy as np
from support.photographs import write_photographs

from xray.backgrounds.removal.base import RemovalInput
from xray.backgrounds.removal.fill import Fill
from xray.backgrounds.removal.hole import dilated
from xray.backgrounds.removal.lama import Lama
from xray.backgrounds.removal.patchmatch import PatchMatch
from xray.backgrounds.removal.telea import Telea
from xray.backgrounds.removal.tile import Tile
from xray.core.device import load_on
from xray.core.errors import Rejected
from xray.core.images import decode
from xray.core.types import Mask, Photo, Pixels

SIDE, AREA, SEED = 500, 0.18, 0
MAX_SECONDS = 2.5
Remove = Callable[[Photo], Pixels]


def photos(folder: Path, images: str) -> Iterator[Photo]:
    """Yield the photographs that have a mask."""
    for path in sorted((folder / images).rglob("*.*")):
        mask = (folder / "masks" / path.relative_to(folder / images)).with_suffix(".png")
        if mask.is_file():
            yield Photo(decode(path.read_bytes()).image, decode(mask.read_bytes()).image[:, :, 0] > 127)


def with_hole(photo: Photo, outline: Mask) -> Photo:
    """Return a photograph at the size of the test, with another object's outline in its centre as its object."""
    height, width = photo.mask.shape
    scale = SIDE / max(height, width)
    size = (round(width * scale), round(height * scale))
    image = cv2.resize(photo.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    x, y, w, h = cv2.boundingRect(outline.view(np.uint8))
    tight = outline[y : y + h, x : x + w].astype(np.uint8)
    grow = min((AREA * size[0] * size[1] / tight.sum()) ** 0.5, 0.9 * size[0] / w, 0.9 * size[1] / h)
    w, h = max(1, round(w * grow)), max(1, round(h * grow))
    mask = np.zeros(size[::-1], bool)
    left, top = (size[0] - w) // 2, (size[1] - h) // 2
    mask[top : top + h, left : left + w] = cv2.resize(tight, (w, h), interpolation=cv2.INTER_NEAREST) > 0
    return Photo(image, mask)  # type: ignore[arg-type]


def gradient(image: Pixels) -> np.ndarray:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def quality(photo: Photo, filled: Pixels) -> tuple[float, float, float]:
    """Return PSNR, texture and seam of a filled photograph beside the photograph itself."""
    area = (filled != photo.image).any(axis=2) | photo.mask
    inner = area & ~dilated(~area, 4)
    edge = dilated(area, 1) & dilated(~area, 1)
    error = float(np.mean((filled[area].astype(float) - photo.image[area]) ** 2))
    after, before = gradient(filled), gradient(photo.image)
    ratios = (float(after[where].mean() / max(1e-6, before[where].mean())) for where in (inner, edge))
    return 10 * float(np.log10(255**2 / max(error, 1e-6))), *ratios  # type: ignore[return-value]


def measure(remove: Remove, sample: Sequence[Photo], holes: Sequence[Photo]) -> dict[str, float]:
    """Return CPU seconds per photograph, refused photographs, and the medians of the quality."""
    seconds, refused = list[float](), 0
    for photo in sample:
        started = time.process_time()
        try:
            remove(photo)
        except Rejected:
            refused += 1
            continue
        seconds.append(time.process_time() - started)
    psnr, texture, seam = zip(*(quality(photo, remove(photo)) for photo in holes), strict=True)
    figures = {"cpu_mean": statistics.mean(seconds), "cpu_max": max(seconds), "refused": refused}
    figures |= {"psnr": statistics.median(psnr), "texture": statistics.median(texture), "seam": statistics.median(seam)}
    return {name: round(value, 3) for name, value in figures.items()}


def removers(lama: str | None) -> Iterator[tuple[str, Remove]]:
    for remover in (Fill(), Fill(fill="mean"), Tile(), Telea(), PatchMatch()):
        label = f"fill {remover.fill}" if isinstance(remover, Fill) else remover.name
        yield label, lambda photo, remover=remover: remover.remove(photo, SEED)  # type: ignore[misc]
    if lama:
        model = load_on(Lama(model=lama).load, "cpu")

        def by_lama(photo: Photo) -> Pixels:
            item = RemovalInput(photo, SEED)
            return model.finish(item, model.run([model.prepare(item)])[0])

        yield "lama", by_lama


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder of photographs and masks; default: drawn ones")
    options.add_argument("--lama", metavar="FILE", help="an .onnx file of LaMa")
    options.add_argument("--most", type=int, help="number of photographs; default: all")
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder, images = chosen.photos or Path(temporary), "images"
        if chosen.photos is None:
            images = "photos"
            write_photographs(folder, 1 if chosen.tiny else 12)
        sample = list(photos(folder, images))[: chosen.most]
    holes = [with_hole(photo, sample[(n + 1) % len(sample)].mask) for n, photo in enumerate(sample)]
    columns = ("cpu_mean", "cpu_max", "refused", "psnr", "texture", "seam")
    print(f"{len(sample)} photographs\n{'remover':<14}" + "".join(f"{column:>10}" for column in columns))
    results = {}
    for name, remove in removers(chosen.lama):
        results[name] = figures = measure(remove, sample, holes)
        print(f"{name:<14}" + "".join(f"{figures[column]:>10.3f}" for column in columns))
    passed = results["patchmatch"]["cpu_mean"] <= MAX_SECONDS
    print(json.dumps({"photographs": len(sample), "removers": results, "patchmatch_in_time": passed}))


if __name__ == "__main__":
    main()
