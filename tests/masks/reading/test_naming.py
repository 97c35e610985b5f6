from __future__ import annotations

import pytest

from xray.masks.reading.naming import propose_naming

PHOTOS = ["red fox/1.jpg", "red fox/10.jpg", "cello/img_2.jpg"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["red fox/1_mask.png", "red fox/10_mask.png", "cello/img_2_mask.png"], ("", "_mask.png", 3)),
        (["red fox/1-mask.png", "cello/img_2-mask.png"], ("", "-mask.png", 2)),
        (["red fox/mask_1.png", "cello/mask_img_2.png"], ("mask_", ".png", 2)),
        (["1.bmp", "10.bmp", "img_2.bmp"], ("", ".bmp", 3)),
        (["red%20fox/1.jpg.png"], ("", ".jpg.png", 1)),
        (["red fox/1_seg0.png", "red fox/1_seg1.png", "red fox/10_seg0.png"], ("", "_*.png", 2)),
        (["red fox/1/0.png", "red fox/1/1.png", "cello/img_2/0.png"], ("", "/*.png", 2)),
        (["100.png", "other.png"], None),
        ([], None),
    ],
)
def test_the_naming_that_fits_most_photographs_is_proposed(
    files: list[str], expected: tuple[str, str, int] | None
) -> None:
    assert propose_naming(PHOTOS, files) == expected
