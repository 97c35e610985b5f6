from __future__ import annotations

import numpy as np
import pytest

from xray.core.errors import Rejected
from xray.core.images import Header, upright
from xray.masks.fitting import fit_to_photo

BOX = (4, 2, 10, 5)


def header(width: int = 30, height: int = 20, orientation: int = 1) -> Header:
    return Header("JPEG", width, height, orientation)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_boxes_and_points_on_stored_pixels_are_turned_with_the_photograph(orientation: int) -> None:
    x0, y0, x1, y1 = BOX
    stored = np.zeros((20, 30), np.uint8)
    stored[y0:y1, x0:x1] = 1
    rows, columns = np.nonzero(upright(stored, orientation))
    photo = header(20, 30, orientation)
    (box,), ((x, y, inside),) = fit_to_photo([BOX], [(4.5, 2.5, True)], (30, 20), photo)
    assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert upright(stored, orientation)[int(y), int(x)] == 1
    assert inside


def test_boxes_are_scaled_from_a_copy_of_another_size() -> None:
    assert fit_to_photo([BOX], [(4, 2, False)], (15, 10), header()) == ([(8, 4, 20, 10)], [(8, 4, False)])
    assert fit_to_photo([BOX], [], None, header()) == ([BOX], [])
    assert fit_to_photo([BOX], [], (30, 20), header(orientation=3)) == ([BOX], [])


@pytest.mark.parametrize("size", [(20, 20), (20, 30), (300, 100)])
def test_an_image_of_another_shape_is_refused_with_both_sizes(size: tuple[int, int]) -> None:
    with pytest.raises(Rejected) as caught:
        fit_to_photo([BOX], [], size, header())
    assert caught.value.reason == "mask_wrong_size"
    assert all(text in caught.value.detail for text in (f"{size[0]}×{size[1]}", "30×20"))
