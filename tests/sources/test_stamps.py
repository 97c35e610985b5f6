from __future__ import annotations

import random
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from xray.core import files
from xray.core.errors import XrayError
from xray.core.images import decode, encode
from xray.sources.categories import Category, load_categories
from xray.sources.nature import NATURE_PACKAGE, nature_photos
from xray.sources.stamps import STAMPS_FOLDER, STAMPS_PACKAGE, Stamps, compose, cut_out, place_object, stamp_list


def rgba_stamp(height: int, width: int) -> np.ndarray:
    """A red ellipse with a soft edge in transparent green, as OpenCV's BGRA."""
    alpha = np.zeros((height, width), np.uint8)
    cv2.ellipse(alpha, (width // 2, height // 2), (width // 3, height // 3), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(alpha, (5, 5), 0)
    colour = np.where(alpha[:, :, None] > 0, (0, 0, 255), (0, 255, 0)).astype(np.uint8)
    return np.dstack([colour, alpha])


ROWS = [{"category": "fruit", "stamp": "food/red.png"}, {"category": "tool", "stamp": "tools/red.png"}]
SIZES = {"food/red.png": (40, 60), "tools/red.png": (300, 200)}


def lay_out(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Write drawn stamps and backgrounds in the layout of the packages."""
    for name, (height, width) in SIZES.items():
        path = folder / "stamps" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rgba_stamp(height, width))
    backgrounds = {}
    for place, colour in (("blue", (20, 40, 200)), ("grey", (128, 128, 128))):
        backgrounds[place] = folder / f"{place}.jpg"
        backgrounds[place].write_bytes(encode(np.full((150, 200, 3), colour, np.uint8), "jpeg", 100))
    return folder / "stamps", backgrounds


def test_the_list_has_the_twelve_groups() -> None:
    rows = stamp_list()
    assert len(rows) == len({row["stamp"] for row in rows}) == 139
    names = [category.name for category in load_categories("stamps12")]
    assert list(dict.fromkeys(row["category"] for row in rows)) == names
    assert "vehicles/emergency/sedan_police.png" not in {row["stamp"] for row in rows}


def test_composite_is_alpha_blending(tmp_path: Path) -> None:
    stamps, backgrounds = lay_out(tmp_path)
    for scene in compose(stamps, backgrounds, 128, 7, ROWS):
        assert (scene.image.shape, scene.image.dtype) == ((128, 128, 3), np.uint8)
        background = decode(backgrounds[scene.place].read_bytes()).image[0, 0].astype(int)
        inside = cv2.erode(scene.mask.view(np.uint8), np.ones((9, 9), np.uint8)).astype(bool)
        outside = ~cv2.dilate(scene.mask.view(np.uint8), np.ones((21, 21), np.uint8)).astype(bool)
        assert inside.any()
        assert np.abs(scene.image[inside].astype(int) - (255, 0, 0)).max() <= 1
        assert np.abs(scene.image[outside].astype(int) - background).max() <= 2
        # the green of the transparent pixels does not leak into the soft edge
        assert scene.image[:, :, 1].max() <= max(background[1], 1) + 2


def test_mask_is_alpha_of_a_half_or_more() -> None:
    size = 16  # 80 % of the frame: no resizing
    cut = np.zeros((size, size, 4), np.float32)
    cut[:, :6, 3], cut[:, 6:, 3] = 128 / 255, 127 / 255
    image, mask = place_object(cut, np.full((20, 20, 3), 200, np.uint8), random.Random(0))
    assert mask.sum() == size * 6
    assert set(np.unique(image)) == {100, 200} | {round(200 * 128 / 255)}


@pytest.mark.parametrize(("side", "longer"), [(400, 205), (200, 205), (90, 180), (40, 154)])
def test_small_objects_are_not_enlarged_too_much(side: int, longer: int) -> None:
    cut = np.ones((side, side // 2, 4), np.float32)
    _, mask = place_object(cut, np.zeros((256, 256, 3), np.uint8), random.Random(1))
    rows, columns = np.nonzero(mask)
    assert np.ptp(rows) + 1 == longer
    assert abs(np.ptp(columns) + 1 - longer / 2) <= 1
    assert 0 < rows.min() < rows.max() < 255


def test_a_stamp_is_cropped_to_its_visible_part(tmp_path: Path) -> None:
    rgba = np.zeros((30, 40, 4), np.uint8)
    rgba[5:15, 10:30] = (0, 0, 255, 128)
    cv2.imwrite(str(tmp_path / "a.png"), rgba)
    np.testing.assert_allclose(cut_out(tmp_path / "a.png"), np.broadcast_to((128 / 255, 0, 0, 128 / 255), (10, 20, 4)))


def test_each_stamp_has_its_own_random_stream(tmp_path: Path) -> None:
    stamps, backgrounds = lay_out(tmp_path)
    both = list(compose(stamps, backgrounds, 96, 3, ROWS))
    (alone,) = compose(stamps, backgrounds, 96, 3, ROWS[1:])
    assert np.array_equal(alone.image, both[1].image)
    others = [list(compose(stamps, backgrounds, 96, seed, ROWS))[1] for seed in range(8)]
    assert len({scene.place for scene in others}) == 2
    assert len({scene.mask.tobytes() for scene in others}) > 4


def test_missing_stamp_and_stamp_without_alpha(tmp_path: Path) -> None:
    stamps, backgrounds = lay_out(tmp_path)
    with pytest.raises(XrayError, match=r"'gone\.png'"):
        list(compose(stamps, backgrounds, 96, 0, [{"category": "fruit", "stamp": "gone.png"}]))
    cv2.imwrite(str(stamps / "flat.png"), np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(XrayError, match=r"flat\.png"):
        list(compose(stamps, backgrounds, 96, 0, [{"category": "fruit", "stamp": "flat.png"}]))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache with drawn contents of both packages: every stamp of the list, two backgrounds."""
    unpacked = tmp_path / "debian" / "unpacked"
    for row in stamp_list():
        path = unpacked / STAMPS_PACKAGE / STAMPS_FOLDER / row["stamp"]
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), rgba_stamp(40, 50))
    nature = unpacked / NATURE_PACKAGE / "usr/share/backgrounds/mate/nature"
    nature.mkdir(parents=True)
    for place in ("Dune", "Storm"):
        (nature / f"{place}.jpg").write_bytes(encode(np.full((200, 300, 3), 90, np.uint8), "jpeg"))
    for package in (STAMPS_PACKAGE, NATURE_PACKAGE):
        (unpacked / package / "DEBIAN").mkdir()
        (unpacked / package / "DEBIAN" / "control").write_text(f"Package: {package}\nVersion: 1\n")
    return tmp_path


def test_scenes_are_composed_once_per_setting(cache: Path) -> None:
    source = Stamps(size=96, cache=cache)
    candidates = list(source.candidates(source.categories()))
    assert len({one.key for one in candidates}) == 139
    assert {(one.place, one.split) for one in candidates} == {("Dune", "unknown"), ("Storm", "unknown")}
    assert candidates[0].key == "fruit/food-fruit-Strawberry2"
    assert candidates[0].licence == "GPL-2 (tuxpaint-stamps-default) over GPL-2+ (mate-backgrounds)"
    image = decode(files.read_bytes(candidates[0].uri)).image
    mask = decode(files.read_bytes(candidates[0].mask_uri or "")).image
    assert image.shape == mask.shape == (96, 96, 3)
    assert set(np.unique(mask)) == {0, 255}
    assert image[mask[:, :, 0] > 0].mean(axis=0)[0] > 200
    (folder,) = (cache / "scenes").iterdir()
    composed = folder.stat().st_mtime_ns
    tools = list(source.candidates([Category(name="Tool", indices=(477,))]))
    assert folder.stat().st_mtime_ns == composed
    assert {one.category for one in tools} == {"Tool"}
    assert [one.uri for one in tools] == [one.uri for one in candidates if one.category == "tool"]
    next(Stamps(size=96, background_seed=1, cache=cache).candidates(source.categories()))
    assert len(list((cache / "scenes").iterdir())) == 2


def test_problems_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(XrayError, match=r"airship.*bovid"):
        next(Stamps(cache=tmp_path).candidates([Category(name="airship", indices=(405,))]))
    with pytest.raises(XrayError, match=r"apt-get.*shapes"):
        next(Stamps(cache=tmp_path).candidates(load_categories("stamps12")))
    with pytest.raises(XrayError, match=re.escape(str(tmp_path))):
        nature_photos(tmp_path)
