"""XML of CVAT for images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.exports import (
    attach,
    read,
    save,
)
from support.mask_inputs import HEIGHT, WIDTH, candidate

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.masks.formats.cvat import Cvat, parse_cvat
from xray.masks.reading.objects import Drawing


def test_cvat_reads_boxes_points_and_ellipses(tmp_path: Path, photo: Decoded) -> None:
    shapes = """<box label="c" xtl="10" ytl="10" xbr="20" ybr="30" rotation="90"/><points label="c" points="1,2;3,4"/>
    <ellipse label="c" cx="30" cy="20" rx="6" ry="6"/><mask label="c" rle="1,2" left="0" top="0" width="9" height="9"/>
    <polygon label="c" points="1,1;2"/><box label="c" xtl="10"/>"""
    image = f'<image name="x.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image><image name="y.jpg" width="a"/>'
    cvat = Cvat(file=save(tmp_path / "a.xml", f"<annotations>{image}</annotations>"))
    one = attach(cvat, "c")
    assert np.allclose(one.boxes, [(5, 15, 25, 25)])
    assert one.points == ((1, 2, True), (3, 4, True))
    mask, notes = read(cvat, one, photo)
    assert abs(mask.sum() / (np.pi * 6 * 6) - 1) < 0.1
    assert notes == ("mask_parts_left_out",)
    (broken,) = cvat.attach([candidate("y.jpg")])
    assert broken.problem.startswith("corrupt_mask")
    with pytest.raises(ConfigError, match="video"):
        list(Cvat(file=save(tmp_path / "v.xml", "<annotations><track/></annotations>")).attach([]))


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "", "9" * 5000, "x"])
def test_coordinates_that_are_no_numbers_cost_only_their_shape(value: str) -> None:
    shapes = (
        f'<ellipse label="fox" cx="{value}" cy="9" rx="3" ry="4"/><box label="fox" xtl="0" ytl="0" xbr="{value}" ybr="9"/>'
        f'<polygon label="fox" points="1,1;2,{value};9,9"/><mask label="fox" rle="{value}" left="0" top="0" width="2" '
        'height="2"/>'
    )
    ((_, drawing),), _ = parse_cvat(
        f'<annotations><image name="a.png" width="20" height="20"><box label="fox" xtl="1" ytl="1" xbr="5" ybr="5"/>{shapes}'
        "</image></annotations>".encode()
    )
    assert isinstance(drawing, Drawing)
    assert [one.box for one in drawing.objects if not one.left_out] == [(1, 1, 5, 5)]
    assert len(drawing.problems) == 4


def test_masks_that_would_take_minutes_cost_only_their_image() -> None:
    many = '<mask label="fox" rle="268435456" left="0" top="0" width="16384" height="16384"/>' * 30
    images = (
        f'<image name="a.png" width="16384" height="16384">{many}</image><image name="b.png" width="9" height="9"/>'
    )
    (first, second), _ = parse_cvat(f"<annotations>{images}</annotations>".encode())
    assert isinstance(first[1], Rejected)
    assert isinstance(second[1], Drawing)
