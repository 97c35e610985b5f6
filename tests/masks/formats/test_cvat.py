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

from xray.core.errors import ConfigError
from xray.core.images import Decoded
from xray.masks.formats.cvat import Cvat


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
