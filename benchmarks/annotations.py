"""Time and memory for attaching the annotations of a large COCO file.

    python benchmarks/annotations.py [--annotations 1000000]

Writes a COCO file with eight annotations per image, each a polygon of 20 corners and a box, and attaches it to as many
photographs as images, in a process of its own. `mb` is the most memory that the process ever had.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from xray.masks.formats.coco import Coco
from xray.sources.base import Candidate

PER_IMAGE, CORNERS = 8, 20
CATEGORIES = [f"category {number}" for number in range(80)]


def polygon(seed: random.Random) -> list[float]:
    """Return a star-shaped polygon in an image of 640×480."""
    x, y = seed.uniform(100, 540), seed.uniform(100, 380)
    angles = [2 * math.pi * corner / CORNERS for corner in range(CORNERS)]
    points = [
        (x + seed.uniform(20, 100) * math.cos(angle), y + seed.uniform(20, 100) * math.sin(angle)) for angle in angles
    ]
    return [round(value, 2) for point in points for value in point]


def write_coco(path: Path, annotations: int) -> None:
    """Write a COCO file, without holding it in memory."""
    seed = random.Random(0)
    images = -(-annotations // PER_IMAGE)
    with path.open("w") as stream:
        stream.write('{"images": [')
        for number in range(images):
            image = {"id": number, "file_name": f"{number:012d}.jpg", "width": 640, "height": 480}
            stream.write((", " if number else "") + json.dumps(image))
        stream.write('], "annotations": [')
        for number in range(annotations):
            annotation = {
                "id": number, "image_id": number % images, "category_id": number % len(CATEGORIES), "iscrowd": 0,
                "segmentation": [polygon(seed)], "bbox": [100.5, 100.5, 50.25, 60.75], "area": 3052.69,
            }  # fmt: skip
            stream.write((", " if number else "") + json.dumps(annotation))
        categories = [{"id": number, "name": name} for number, name in enumerate(CATEGORIES)]
        stream.write(f'], "categories": {json.dumps(categories)}}}')


def photographs(count: int) -> Iterator[Candidate]:
    for number in range(count):
        name = f"{number:012d}.jpg"
        yield Candidate(f"val/{name}", CATEGORIES[number % len(CATEGORIES)], f"file:///data/val/{name}")


def attach(path: Path, images: int) -> None:
    """Attach a file to photographs; print their number, seconds and peak memory."""
    started = time.perf_counter()
    annotated = sum(one.mask_uri is not None for one in Coco(file=str(path)).attach(photographs(images)))
    print(annotated, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--annotations", type=int, default=1_000_000)
    options.add_argument("--attach", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--images", type=int, help=argparse.SUPPRESS)
    options.add_argument("--tiny", action="store_true", help="only try the program: the figures mean nothing")
    chosen = options.parse_args()
    if chosen.attach:
        attach(chosen.attach, chosen.images)
        return
    count = 800 if chosen.tiny else chosen.annotations
    images = -(-count // PER_IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        write_coco(path, count)
        size = path.stat().st_size / 1e6
        command = [sys.executable, __file__, "--attach", str(path), "--images", str(images)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    annotated, seconds, memory = map(float, done.stdout.split())
    print(f"{count:,} annotations in a file of {size:.0f} MB: {seconds:.1f} s, {memory:.0f} MB of memory")
    figures = {"annotations": count, "file_mb": round(size), "seconds": round(seconds, 1), "mb": round(memory)}
    print(json.dumps(figures | {"annotated": int(annotated)}))


if __name__ == "__main__":
    main()
