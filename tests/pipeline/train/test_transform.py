from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import drawn

from xray.core.images import encode
from xray.core.schema import IMAGE
from xray.pipeline.train.transform import Preparation


def preparation(**changes: object) -> Preparation:
    fields = {"side": 32, "shape": "stretch", "colour": (0, 0, 0), "masks": True, **changes}
    return Preparation(**fields)  # type: ignore[arg-type]


def images(count: int = 3) -> tuple[pa.Table, list[tuple[np.ndarray, np.ndarray]]]:
    pictures = [drawn(seed) for seed in range(count)]
    rows = [
        {
            "sample_id": f"s{k}",
            "image": {"bytes": encode(image, "png"), "path": "x"},
            "mask": {"bytes": encode(mask, "png"), "path": "x"},
        }
        for k, (image, mask) in enumerate(pictures)
    ]
    schema = pa.schema([("sample_id", pa.string()), ("image", IMAGE), ("mask", IMAGE)])
    return pa.Table.from_pylist(rows, schema), pictures  # type: ignore[return-value]


def test_images_are_stretched_by_averaging_areas_and_masks_keep_theirs() -> None:
    table, pictures = images()
    (prepared,) = preparation().prepare(table).to_batches()
    assert prepared.column("sample_id").to_pylist() == ["s0", "s1", "s2"]
    pixels, masks = preparation().arrays(prepared)
    assert pixels.shape == (3, 32, 32, 3)
    for square, (image, _) in zip(pixels, pictures, strict=True):
        assert (square == cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)).all()
    assert set(np.unique(masks).tolist()) == {0, 1}
    for square, (_, mask) in zip(masks, pictures, strict=True):
        assert square.mean() == pytest.approx((mask > 0).mean(), abs=0.02)


def squares(table: pa.Table, **changes: object) -> np.ndarray:
    chosen = preparation(masks=False, **changes)
    return chosen.arrays(chosen.prepare(table).to_batches()[0])[0]


def test_centre_crop() -> None:
    table, pictures = images(1)
    (square,) = squares(table, shape="crop", side=72)
    assert (square == pictures[0][0][:, 12:84]).all()


def test_transparent_images_are_composited_on_the_colour() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[10:30, 10:30] = (200, 100, 50, 255)
    row = {"sample_id": "s", "image": {"bytes": encode(rgba, "png"), "path": "x"}}
    table = pa.Table.from_pylist([row], pa.schema([("sample_id", pa.string()), ("image", IMAGE)]))
    (square,) = squares(table, colour=(10, 20, 30), side=40)
    assert square[0, 0].tolist() == [10, 20, 30]
    assert square[20, 20].tolist() == [200, 100, 50]


def test_slices_are_views() -> None:
    how = preparation()
    (prepared,) = how.prepare(images()[0]).to_batches()
    for part, whole in zip(how.arrays(prepared.slice(1, 1)), how.arrays(prepared), strict=True):
        assert (part == whole[1:2]).all()
        assert np.shares_memory(part, whole)
    assert how.arrays(prepared.slice(0, 0))[0].shape == (0, 32, 32, 3)
