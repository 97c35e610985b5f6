"""Segmentation masks of Pascal VOC and CVAT."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.exports import (
    FOX,
    PERSON,
    area,
    attach,
    read,
    save,
)

from xray.core.errors import ConfigError
from xray.core.images import Decoded
from xray.masks.formats.voc_masks import VocMasks
from xray.sources.labels.colours import voc_colour


def test_palettes_of_voc_are_labels_and_unknown_colours_are_refused(tmp_path: Path, photo: Decoded) -> None:
    numbers = np.where(area(FOX), 12, np.where(area(PERSON), 15, 0)).astype(np.uint8)
    numbers[0] = 255  # VOC's ignored pixels
    image = Image.fromarray(numbers, "P")
    image.putpalette([channel for number in range(256) for channel in voc_colour(number)])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    save(tmp_path / "SegmentationClass/x.png", stream.getvalue())
    voc = VocMasks(root=str(tmp_path))
    assert np.array_equal(read(voc, attach(voc, "dog"), photo)[0], area(FOX))
    save(tmp_path / "labelmap.txt", "dog:1,2,3::")
    assert "(64, 0, 128)" in attach(voc, "dog").problem
    save(tmp_path / "SegmentationClass/x.png", b"GIF")
    assert attach(voc, "dog").problem.startswith("corrupt_mask")
    for bad in ("dog", "dog:1,2", "dog:a,b,c"):
        save(tmp_path / "labelmap.txt", bad)
        with pytest.raises(ConfigError, match="labelmap"):
            attach(voc)
    background = "dog:64,0,128::\nbackground:192,128,128::"
    save(tmp_path / "labelmap.txt", background)
    save(tmp_path / "SegmentationClass/x.png", stream.getvalue())
    assert np.array_equal(read(voc, attach(voc, "cat"), photo)[0], area(FOX))
    with pytest.raises(ConfigError, match="SegmentationClass"):
        attach(VocMasks(root=str(tmp_path / "SegmentationClass")))
