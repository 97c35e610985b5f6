from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.removal_inputs import boxed, red_disc, remove

from xray.backgrounds.removal.base import Remover
from xray.backgrounds.removal.hole import dilated
from xray.backgrounds.removal.lama import Lama
from xray.backgrounds.removal.onnx import OnnxInpainting, crop_around
from xray.core.errors import ConfigError, Rejected, ResourceError, XrayError
from xray.core.plugins import build
from xray.core.types import Photo
from xray.models.weights import locate, pinned

pytest.importorskip("onnx")
from support.tiny_onnx import tiny_lama


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_lama(tmp_path_factory.mktemp("lama") / "tiny.onnx")


def lama(model: Path, **settings: Any) -> Lama:
    built = build("remover", Remover, {"kind": "lama", "model": str(model), **settings})
    assert isinstance(built, Lama)
    return built


def loaded(model: Path, **settings: Any) -> OnnxInpainting:
    return lama(model, **settings).load("cpu")


@pytest.mark.parametrize(
    "box", [(40, 30, 70, 50), (0, 30, 30, 50), (0, 0, 20, 90), (100, 0, 120, 90), (50, 40, 52, 43)]
)
@pytest.mark.parametrize("feather", [0, 4])
def test_hole_is_filled_and_the_rest_stays(file: Path, box: tuple[int, int, int, int], feather: int) -> None:
    photo = boxed(90, 120, box)
    result = remove(loaded(file, feather=feather), photo)[0]
    area = dilated(photo.mask, 5)
    assert result.flags.c_contiguous
    assert np.array_equal(result[~area], photo.image[~area])
    assert (result[photo.mask] == 204).all()


@pytest.mark.parametrize(("side", "top"), [(64, 255.0), (64, 1.0), ("H", 255.0), ("H", 1.0)])
def test_both_published_forms(tmp_path: Path, side: int | str, top: float) -> None:
    model = loaded(tiny_lama(tmp_path / "one.onnx", side=side, top=top))
    assert model.facts["size"] == ([64, 64] if side == 64 else [512, 512])
    photo = boxed(90, 120, (40, 30, 70, 50))
    assert (remove(model, photo)[0][photo.mask] == 204).all()


def test_batch_of_several_sizes(file: Path) -> None:
    model = loaded(file)
    photos = [boxed(90, 120, (40, 30, 70, 50)), boxed(30, 200, (40, 3, 70, 20)), boxed(8, 8, (3, 3, 5, 5)), red_disc()]
    results = remove(loaded(file, dilate=1), *photos)
    assert [result.shape for result in results] == [photo.image.shape for photo in photos]
    assert np.array_equal(remove(model, *photos[:2])[1], remove(model, photos[1])[0])


def test_object_has_no_influence(file: Path) -> None:
    model, photo = loaded(file), boxed(90, 120, (40, 30, 70, 50))
    area = dilated(photo.mask, 5)
    other = Photo(np.where(area[:, :, None], 255 - photo.image, photo.image), photo.mask)
    first, second = (model.prepare(item) for item in _items(photo, other))
    assert np.array_equal(first.image, second.image)
    assert first.image[:, first.mask[0] > 0].max() == 0


def _items(*photos: Photo) -> list[Any]:
    from xray.backgrounds.removal.base import RemovalInput

    return [RemovalInput(photo, 5) for photo in photos]


def test_crop_is_square_and_mirrored(file: Path) -> None:
    photo = boxed(40, 200, (95, 15, 105, 25))
    crop = loaded(file, dilate=0, context=2.0).prepare(_items(photo)[0])
    assert crop.box == (75, 0, 125, 40)
    assert crop.inner == (64, 51)
    assert np.array_equal(crop.image[:, 51:], crop.image[:, 49:36:-1])


@pytest.mark.parametrize("context", [0.0, 0.5, 4.0])
def test_crop_contains_the_hole(context: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        hole = np.zeros(rng.integers(3, 60, 2), bool)
        hole[rng.integers(hole.shape[0]), rng.integers(hole.shape[1])] = True
        hole[rng.integers(hole.shape[0]), rng.integers(hole.shape[1])] = True
        left, top, right, bottom = crop_around(hole, context)
        assert hole[top:bottom, left:right].sum() == hole.sum()
        assert 0 <= left < right <= hole.shape[1]
        assert 0 <= top < bottom <= hole.shape[0]


def test_grey_photograph_stays_grey(file: Path) -> None:
    photo = boxed(90, 120, (40, 30, 70, 50))
    photo.image[:] = photo.image[:, :, :1]
    assert np.ptp(remove(loaded(file), photo)[0], axis=2).max() == 0


def test_unusable_photographs(file: Path) -> None:
    model = loaded(file)
    with pytest.raises(Rejected) as caught:
        remove(model, boxed(100, 100, (1, 1, 99, 99)))
    assert caught.value.reason == "background_too_small"
    item = _items(boxed(90, 120, (40, 30, 70, 50)))[0]
    crop, output = model.run([model.prepare(item)])[0]
    output[0, 5, 5] = np.nan
    with pytest.raises(Rejected) as caught:
        model.finish(item, (crop, output))
    assert caught.value.reason == "removal_failed"


def test_folder_is_pinned_by_its_file(file: Path) -> None:
    by_folder, by_file = lama(file.parent), lama(file)
    assert by_folder.weights() == {"lama": str(file)} == by_file.weights()
    assert by_folder.check() == []
    reference = by_folder.weights()["lama"]
    assert pinned([reference])[reference] == pinned([str(file)])[str(file)]
    assert by_folder.load("cpu").facts == {
        "remover": "lama", "weights": {"lama": str(file)}, "size": [64, 64], "device": "CPUExecutionProvider",
    }  # fmt: skip


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_WEIGHTS", str(tmp_path))
    assert Lama().weights() == {"lama": "lama"}
    with pytest.raises(ConfigError, match=r"xray weights pull lama(?s:.*)model: "):
        Lama().check()
    tiny_lama(tmp_path / "lama" / "lama_fp32.onnx")  # as pulled
    assert locate("lama").name == "lama_fp32.onnx"
    assert Lama().check() == []
    assert Lama().weights() == {"lama": "lama"}


def test_onnxruntime_that_is_not_installed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ResourceError, match=r"pip install 'xray-robustness\[removal\]'"):
        lama(file).check()


@pytest.mark.parametrize("names", [[], ["a.onnx", "b.onnx"], ["model.pt"]])
def test_folder_without_one_file(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=names[0] if names else "none"):
        lama(tmp_path).check()


def test_other_formats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "lama.pt"
    path.write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"lama\.pt"):
        lama(path).check()


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        ({"channels": 4}, "4"),
        ({"inputs": 1}, "image"),
        ({"type": 10}, "float16"),
        ({"external": True}, "one.onnx"),
        ({"top": 1e9}, "e\\+"),
        ({"top": float("nan")}, "nan"),
    ],
    ids=str,
)
def test_other_networks_are_refused(change: dict[str, Any], seen: str, tmp_path: Path) -> None:
    path = tiny_lama(tmp_path / "one.onnx", **change)
    with pytest.raises(ConfigError, match=seen):
        loaded(path)


def test_damaged_file(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.onnx"
    for data in (b"", b"not a network", file.read_bytes()[:100]):
        path.write_bytes(data)
        for use in (loaded, lambda file: lama(file).check()):  # while planning, too
            with pytest.raises(XrayError, match=r"one\.onnx"):
                use(path)
