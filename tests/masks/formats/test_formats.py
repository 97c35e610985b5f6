"""What all annotation formats have in common."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from pycocotools import mask as pycoco
from support.mask_inputs import png

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.core.plugins import available
from xray.masks import Annotations, Mask, Refiner
from xray.masks.fitting import read_mask
from xray.masks.formats.coco import Coco
from xray.masks.formats.from_source import FromSource
from xray.masks.formats.labelme import Labelme
from xray.masks.formats.png import ImageNetS, Png


def label_map(mask: Mask) -> bytes:
    ids = np.where(mask, 300, 0)
    return png(np.dstack([ids % 256, ids // 256, ids * 0]).astype(np.uint8))


def drawing(mask: Mask) -> bytes:
    dots = [{"label": "fox", "points": [(x, y)] * 2, "shape_type": "rectangle"} for y, x in np.argwhere(mask).tolist()]
    return json.dumps({"imageWidth": mask.shape[1], "imageHeight": mask.shape[0], "shapes": dots}).encode()


def runs(mask: Mask) -> bytes:
    rle = pycoco.encode(np.asfortranarray(mask.astype(np.uint8)))
    segmentations = [{"size": rle["size"], "counts": rle["counts"].decode()}]
    return json.dumps({"width": mask.shape[1], "height": mask.shape[0], "segmentations": segmentations}).encode()


@pytest.mark.parametrize(
    ("annotations", "encode"),
    [
        (Png(root="masks"), png),
        (FromSource(), png),
        (ImageNetS(root="maps"), label_map),
        (Labelme(), drawing),
        (Coco(file="instances.json"), runs),
    ],
)
def test_masks_are_upright_or_as_stored_or_rejected(
    annotations: Annotations,
    encode: Callable[[Mask], bytes],
    mask: Mask,
    photo: Decoded,
    rotated: tuple[Decoded, Mask],
) -> None:
    decoded, stored = rotated
    assert ((decoded.image[:, :, 0] > 127) == mask).mean() > 0.98, "the photograph shows the upright mask"
    cases = ((photo, mask, ()), (decoded, mask, ()), (decoded, stored, ("mask_rotated_by_exif",)))
    for image, drawn, expected_notes in cases:
        result, notes = read_mask(annotations, encode(drawn), image)
        assert (result == mask).all()
        assert (result.dtype, notes) == (bool, expected_notes)
    rejected = ((encode(stored), "wrong_size"), (encode(mask[1:]), "wrong_size"), (b"", "corrupt"), (None, "missing"))
    for data, reason in rejected:
        with pytest.raises(Rejected, match=reason):
            read_mask(annotations, data, photo)


def test_formats_and_refiners_are_listed_by_name() -> None:
    tools = {"coco", "cvat", "label_studio", "labelme", "segment_anything", "voc", "voc_masks", "yolo"}
    assert {*tools, "alpha", "imagenet_s", "png", "source"} <= set(available(Annotations))
    assert {"given", "grabcut", "guess", "sam"} <= set(available(Refiner))
