from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from xray.core import files
from xray.core.errors import XrayError
from xray.core.images import decode
from xray.sources.categories import Category, load_categories
from xray.sources.drawn_objects import DRAWINGS, DRAWN8
from xray.sources.landscapes import PLACES
from xray.sources.shapes import Shapes, draw_object, draw_scene
from xray.sources.sketch import Sketch, ellipse

SMALL = (72, 96)


def test_indices_are_those_of_imagenet() -> None:
    names = {category.indices[0]: category.name for category in load_categories("imagenet1k")}
    shown = {category.name: ", ".join(names[index] for index in category.indices) for category in DRAWN8}
    balls = "croquet ball, golf ball, ping-pong ball, rugby ball, soccer ball, tennis ball, volleyball"
    assert shown == {name: name for name in ("balloon", "strawberry", "street sign", "umbrella")} | {
        "ball": f"baseball, basketball, {balls}",
        "ladybird": "ladybug",
        "mushroom": "mushroom, agaric",
        "sailing boat": "catamaran, schooner, trimaran, yawl",
    }


def test_polygon_is_exact() -> None:
    sketch = Sketch(200)
    sketch.fill([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)], (1.0, 0.5, 0.0))
    assert 0 <= float(sketch.alpha.sum()) - 100 * 100 < 300  # OpenCV draws its edges 0.7 pixels too wide
    assert np.allclose(sketch.rgb[100, 100], (1.0, 0.5, 0.0))
    assert sketch.alpha[40, 40] == 0
    circle = Sketch(200)
    circle.fill(ellipse(0, 0, 0.8, 0.8), (1.0, 1.0, 1.0), plump=1.0)
    assert abs(float(circle.alpha.sum()) / (np.pi * 80**2) - 1) < 0.02
    assert circle.rgb[60, 60].mean() > circle.rgb[150, 150].mean()  # lit from the upper left
    circle.fill(ellipse(1, 1, 0.6, 0.6), (1.0, 0.0, 0.0), plump=1.0)
    assert circle.alpha[[0, -1], [0, -1]].tolist() == [0, 1]  # beyond the canvas


@pytest.mark.parametrize("category", DRAWINGS)
def test_objects_are_whole_and_of_sensible_size(category: str) -> None:
    drawing = draw_object(category, 80, random.Random(1))
    assert drawing.shape == (80, 80, 4)
    alpha = drawing[:, :, 3]
    assert (drawing[:, :, :3] <= alpha[:, :, None] + 1e-5).all()  # premultiplied
    assert 0.15 < (alpha >= 0.5).mean() < 0.85
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert border.max() < 0.5


@pytest.mark.parametrize("category", DRAWINGS)
def test_the_mask_covers_the_object(category: str) -> None:
    """The same object in front of two landscapes: pixels agree inside the mask and differ outside."""
    (one, mask), (other, same) = (draw_scene(category, place, "5", SMALL) for place in ("night", "dunes"))
    assert np.array_equal(mask, same)
    difference = np.abs(one.astype(int) - other.astype(int)).max(axis=2)
    assert (difference[mask] <= 130).all()  # the soft edge
    assert np.median(difference[mask]) == 0
    assert np.median(difference[~mask]) > 60


def test_golden_pixels() -> None:
    """Pixels may differ between processors by rounding only."""
    image, mask = draw_scene("strawberry", "seaside", "0", SMALL)
    golden = [
        [[116, 177, 241], [135, 188, 243], [77, 156, 240]],
        [[205, 227, 248], [120, 179, 238], [118, 180, 242]],
        [[160, 210, 224], [175, 15, 28], [28, 143, 169]],
    ]
    assert np.abs(image[::24, ::32].astype(int) - golden).max() <= 1
    assert abs(int(mask.sum()) - 1084) <= 2


def test_source(tmp_path: Path) -> None:
    source = Shapes(per_category=2, size=SMALL, cache=tmp_path)
    assert source.caveat
    candidates = list(source.candidates(source.categories()))
    assert [one.key for one in candidates] == [f"{name}/{number:04d}" for name in DRAWINGS for number in range(2)]
    assert {one.place for one in candidates} <= set(PLACES)
    assert all(candidates[i].place != candidates[i + 1].place for i in range(0, len(candidates), 2))
    for one in candidates:
        image = decode(files.read_bytes(one.uri)).image
        mask = decode(files.read_bytes(one.mask_uri or "")).image
        assert image.shape == mask.shape == (*SMALL, 3)
        assert set(np.unique(mask)) == {0, 255}
    (folder,) = (tmp_path / "shapes").iterdir()
    drawn = folder.stat().st_mtime_ns
    boats = list(source.candidates([Category(name="Sailing_Boat", indices=(914,))]))
    assert folder.stat().st_mtime_ns == drawn
    assert [(one.category, one.uri) for one in boats] == [("Sailing_Boat", one.uri) for one in candidates[8:10]]
    with pytest.raises(XrayError, match=r"fox.*ball"):
        next(source.candidates([Category(name="fox", indices=(277,))]))


def test_the_seed_determines_the_images(tmp_path: Path) -> None:
    one, again, other = (
        [files.read_bytes(one.uri) for one in source.candidates(DRAWN8)]
        for source in (
            Shapes(per_category=1, size=SMALL, seed=s, cache=tmp_path / c) for s, c in ((1, "a"), (1, "b"), (2, "a"))
        )
    )
    assert one == again
    assert not set(one) & set(other)
