"""Makes more images than Ray's object store holds; prints as JSON how many, and whether Ray spilled any.

python small_object_store.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import ray

from support.drawn_photos import recipe_values, write
from support.tiny_pools import planned
from xray.core.images import encode
from xray.pipeline.generate.generate import generate

BYTES = 100_000_000
HEIGHT, WIDTH = 1000, 1500


def write_noise(folder: Path, photographs: int) -> None:
    """Write photographs that no format compresses."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[200:700, 300:900] = 255
    for number in range(photographs):
        noise = np.random.default_rng(number).integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
        write(folder / f"photos/ball/{number}.png", encode(noise, "png"))
        write(folder / f"masks/ball/{number}.png", encode(mask, "png"))


def main(folder: Path) -> None:
    write_noise(folder, 12)
    scenarios, images = ["original", "image_r"], {"format": "png"}
    values = recipe_values(folder, categories={"ball": [430]}, scenarios=scenarios, images=images, shard_size=1)
    ray.init(
        address="local",
        num_cpus=4,
        object_store_memory=BYTES,
        object_spilling_directory=str(folder / "spilled"),
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    result = generate(planned(folder, values))
    spilled = any((folder / "spilled").rglob("*"))
    print(json.dumps({"images": result.ok, "more_than_fit": result.bytes > BYTES, "spilled": spilled}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
