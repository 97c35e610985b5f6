"""Draw the picture of `usage.md`: one object in every scenario that needs no diffusion model.

python docs/one_object.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from xray.core.images import Pixels, encode
from xray.runs.recipe import default_scenarios
from xray.scenarios import Photo, build_scenario
from xray.sources.landscapes import landscape
from xray.sources.shapes import draw_scene

SIZE = (180, 240)
COLUMNS = 5
GAP, LABEL = 10, 24


def checkered(rgba: Pixels) -> Pixels:
    """Composite an RGBA image over a checkerboard, as image viewers do."""
    board = np.where((np.indices(rgba.shape[:2]) // 10).sum(0) % 2, 205, 235)[:, :, None]
    alpha = rgba[:, :, 3:] / 255
    return np.rint(rgba[:, :, :3] * alpha + board * (1 - alpha)).astype(np.uint8)


def main() -> None:
    """Write `one_object.jpg` next to this file."""
    photo, donor = Photo(*draw_scene("umbrella", "seaside", "6", SIZE)), landscape("meadow", 5, SIZE)
    names = default_scenarios()
    height, width = SIZE
    rows = -(-len(names) // COLUMNS)
    sheet = np.full((rows * (height + LABEL + GAP) + GAP, COLUMNS * (width + GAP) + GAP, 3), 255, np.uint8)
    for index, name in enumerate(names):
        scenario = build_scenario(name)
        image = scenario.render(photo, seed=11 + index, donor=donor if scenario.donor_rule else None).image
        top, left = GAP + index // COLUMNS * (height + LABEL + GAP), GAP + index % COLUMNS * (width + GAP)
        sheet[top : top + height, left : left + width] = checkered(image) if image.shape[2] == 4 else image
        at = (left, top + height + 17)
        cv2.putText(sheet, name, at, cv2.FONT_HERSHEY_SIMPLEX, 0.48, (40, 40, 40), 1, cv2.LINE_AA)
    Path(__file__).with_name("one_object.jpg").write_bytes(encode(sheet, "jpeg", 88))


if __name__ == "__main__":
    main()
