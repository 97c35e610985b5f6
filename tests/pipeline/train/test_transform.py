from __future__ import annotations

import cv2
import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import drawn

from xray.core.images import encode
from xray.core.schema import IMAGE
from xray.pipeline.train.transform import Preparation, masks_of, pixels_of


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


def test_images_are_stretched_by_averaging_areas() -> None:
    table, pictures = images()
    prepared = preparation().prepare(table)
    assert prepared.column("sample_id").to_pylist() == ["s0", "s1", "s2"]
    pixels = pixels_of(prepared, 32)
    assert pixels.shape == (3, 32, 32, 3)
    for square, (image, _) in zip(pixels, pictures, strict=True):
        assert (square == cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA)).all()


def test_masks_keep_their_area() -> None:
    table, pictures = images()
    masks = masks_of(preparation().prepare(table), 32)
    assert set(np.unique(masks).tolist()) == {0, 1}
    for square, (_, mask) in zip(masks, pictures, strict=True):
        assert square.mean() == pytest.approx((mask > 0).mean(), abs=0.02)


def test_centre_crop() -> None:
    table, pictures = images(1)
    (square,) = pixels_of(preparation(shape="crop", side=72, masks=False).prepare(table), 72)
    assert (square == pictures[0][0][:, 12:84]).all()


def test_transparent_images_are_composited_on_the_colour() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[10:30, 10:30] = (200, 100, 50, 255)
    row = {"sample_id": "s", "image": {"bytes": encode(rgba, "png"), "path": "x"}}
    table = pa.Table.from_pylist([row], pa.schema([("sample_id", pa.string()), ("image", IMAGE)]))
    (square,) = pixels_of(preparation(colour=(10, 20, 30), masks=False, side=40).prepare(table), 40)
    assert square[0, 0].tolist() == [10, 20, 30]
    assert square[20, 20].tolist() == [200, 100, 50]


def test_slices_and_empty_tables() -> None:
    prepared = preparation().prepare(images()[0])
    assert (pixels_of(prepared.slice(1, 1), 32) == pixels_of(prepared, 32)[1:2]).all()
    assert pixels_of(prepared.slice(0, 0), 32).shape == (0, 32, 32, 3)
