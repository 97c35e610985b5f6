"""The promises of all removers without weights."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.removal_inputs import FILLING, WITHOUT_WEIGHTS, boxed, noisy, photos, red_disc

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import MIN_BACKGROUND, dilated
from xray.core.errors import Rejected
from xray.core.plugins import available, build
from xray.core.types import Photo

EVERY = pytest.mark.parametrize("remover", WITHOUT_WEIGHTS, ids=repr)


def test_all_are_tried_here() -> None:
    tried = {remover.name for remover in WITHOUT_WEIGHTS}
    assert tried == {name for name, cls in available(Remover).items() if not cls.accelerated}
    for cls in available(Remover).values():
        assert cls.summary


@EVERY
@settings(max_examples=30)
@given(photo=photos(), seed=st.integers(0, 2**63 - 1))
def test_photograph_stays_beyond_the_area(remover: Remover, photo: Photo, seed: int) -> None:
    before = photo.image.copy()
    result = _removed(remover, photo, seed)
    if isinstance(result, Rejected):
        assert result.reason == ("background_too_small" if photo.mask.any() else "mask_empty")
        return
    assert result.shape == before.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.array_equal(photo.image, before)
    area = _area(remover, photo)
    assert 1 - area.mean() >= MIN_BACKGROUND
    assert np.array_equal(result[~area], before[~area])
    if (np.ptp(before, axis=2) == 0).all():
        assert (np.ptp(result, axis=2) == 0).all()
    changed = Photo(np.where(area[:, :, None], 255 - before, before), photo.mask)
    assert np.array_equal(remover.remove(changed, seed)[area], result[area])


def _removed(remover: Remover, photo: Photo, seed: int) -> np.ndarray | Rejected:
    try:
        return remover.remove(photo, seed)
    except Rejected as verdict:
        return verdict


def _area(remover: Remover, photo: Photo) -> np.ndarray:
    if remover.name == "tile" or getattr(remover, "region", "mask") == "box":
        rows, columns = np.flatnonzero(photo.mask.any(1)), np.flatnonzero(photo.mask.any(0))
        area = np.zeros_like(photo.mask)
        area[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        return area
    return dilated(photo.mask, getattr(remover, "dilate", 0))


@pytest.mark.parametrize("remover", FILLING, ids=repr)
def test_no_red_is_left_of_a_red_disc(remover: Remover) -> None:
    photo = red_disc()
    assert int((photo.image[:, :, 0].astype(int) - photo.image[:, :, 1])[~photo.mask].max()) > 20  # its soft rim
    assert (remover.remove(photo, 3) == 128).all()


@EVERY
@pytest.mark.parametrize(
    "box",
    [(0, 20, 30, 40), (0, 0, 30, 30), (0, 20, 90, 40), (0, 0, 40, 70), (30, 30, 34, 32)],
    ids=["one side", "corner", "two sides", "three sides", "small"],
)
def test_object_at_the_frame_is_replaced(remover: Remover, box: tuple[int, int, int, int]) -> None:
    photo = boxed(70, 90, box)
    result = remover.remove(photo, 5)
    assert (result[photo.mask] != photo.image[photo.mask]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("remover", FILLING, ids=repr)
def test_object_that_touches_all_sides(remover: Remover) -> None:
    mask = np.zeros((70, 90), bool)
    mask[30:36] = mask[:, 40:46] = True
    photo = Photo(np.full((70, 90, 3), (10, 200, 30), np.uint8), mask)
    photo.image[mask] = 255
    assert np.abs(remover.remove(photo, 5).astype(int) - (10, 200, 30)).max() <= 5  # Telea's rounding adds up


@pytest.mark.parametrize("remover", FILLING, ids=repr)
def test_ten_components(remover: Remover) -> None:
    photo = Photo(np.full((120, 200, 3), 128, np.uint8), np.zeros((120, 200), bool))
    for number in range(10):
        y, x = 20 + 50 * (number % 2), 15 + 40 * (number // 2)
        photo.mask[y : y + 12, x : x + 12] = True
    photo.image[photo.mask] = (255, 0, 0)
    assert (remover.remove(photo, 5) == 128).all()


@EVERY
@pytest.mark.parametrize("edge", [1, 0])
def test_hardly_any_background(remover: Remover, edge: int) -> None:
    photo = boxed(100, 100, (edge, edge, 100 - edge, 100 - edge))
    with pytest.raises(Rejected) as caught:
        remover.remove(photo, 5)
    assert caught.value.reason == "background_too_small"


@pytest.mark.parametrize("remover", [{"kind": "telea", "radius": 0.5}, {"kind": "patchmatch", "side": 32},
    {"kind": "patchmatch", "patch": 0}, {"kind": "fill", "fill": "red"}, {"kind": "telea", "dilate": -1}])  # fmt: skip
def test_settings_out_of_range(remover: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(key for key in remover if key != "kind")):
        build("remover", Remover, remover)


def test_patchmatch_depends_on_photograph_and_seed_alone() -> None:
    program = (
        "import sys, hashlib\nfrom support.removal_inputs import boxed\n"
        "from xray.backgrounds.removal.patchmatch import PatchMatch\n"
        "remover, photo = PatchMatch(), boxed(70, 90, (20, 20, 50, 50))\n"
        "print(hashlib.sha256(remover.remove(photo, 2**40 + 7).tobytes()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    remover, photo = build("remover", Remover, "patchmatch"), boxed(70, 90, (20, 20, 50, 50))
    assert not np.array_equal(remover.remove(photo, 1), remover.remove(photo, 2))
    assert hashlib.sha256(remover.remove(photo, 2**40 + 7).tobytes()).hexdigest() == run.stdout.strip()


def test_patchmatch_keeps_the_texture_that_telea_smears() -> None:
    stripes = np.repeat(np.repeat(np.array([[[0], [255]]], np.uint8), 4, axis=1).reshape(1, 8, 1), 3, axis=2)
    photo = Photo(np.tile(stripes, (120, 20, 1)), np.zeros((120, 160), bool))
    photo.mask[40:80, 60:100] = True
    contrast = {r.name: float(r.remove(photo, 5)[55:65, 75:85].std()) for r in FILLING[:2]}
    assert contrast["patchmatch"] > 100 > contrast["telea"]


def test_large_photograph_is_filled_small_and_kept_large() -> None:
    image = cv2.resize(noisy(50, 75), (1200, 800), interpolation=cv2.INTER_CUBIC)
    mask = np.zeros((800, 1200), bool)
    mask[300:500, 400:700] = True
    result = build("remover", Remover, {"kind": "patchmatch", "side": 128}).remove(Photo(image, mask), 5)
    area = dilated(mask, 5)
    assert np.array_equal(result[~area], image[~area])
    assert result[area].std() > 20


def test_patchmatch_needs_a_whole_patch_of_background() -> None:
    mask = np.zeros((60, 60), bool)
    mask[::3] = True
    with pytest.raises(Rejected) as caught:
        build("remover", Remover, {"kind": "patchmatch", "dilate": 0}).remove(Photo(noisy(60, 60), mask), 5)
    assert caught.value.reason == "background_too_small"


def test_patchmatch_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from xray.core.errors import ResourceError

    remover = build("remover", Remover, "patchmatch")
    assert remover.check() == []
    monkeypatch.setitem(sys.modules, "patchmatch", None)
    with pytest.raises(ResourceError, match=r"pip install 'xray-robustness\[removal\]'"):
        remover.check()
