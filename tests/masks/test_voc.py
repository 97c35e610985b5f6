from __future__ import annotations

from pathlib import Path

import pytest
from support.mask_inputs import candidate

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks.voc import Voc, parse_voc


def object_xml(name: str, *box: object) -> str:
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def document(*objects: str) -> bytes:
    return f"<annotation><size><width>60</width><height>40</height></size>{''.join(objects)}</annotation>".encode()


def test_each_object_gives_a_box_and_is_selected_by_name() -> None:
    data = document(object_xml("fox", 11, 6, 20, 30), object_xml("fox", 15, 2, 40, 20), object_xml("cat", 1, 1, 60, 40))
    assert parse_voc(data, ("fox",)) == (((10, 5, 20, 30), (14, 1, 40, 20)), (60, 40))
    assert parse_voc(data)[0][2] == (0, 0, 60, 40)  # pixels count from 1, and the last is included
    assert parse_voc(data, ("dog",)) == parse_voc(document()) == ((), (60, 40))
    assert parse_voc(b"<annotation/>") == ((), None)


ENTITY = (
    b"""<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>"""
)


@pytest.mark.parametrize(
    "data",
    [
        b"<annotation>",
        ENTITY,
        document("<object><bndbox><xmin>1</xmin></bndbox></object>"),
        document(object_xml("fox", "a", 1, 2, 3)),
        document(object_xml("fox", 1, 1, "inf", 3)),
        document(object_xml("fox", 9, 1, 2, 3)),
    ],
)
def test_bad_xml_is_a_problem_of_its_image_only(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="corrupt_mask"):
        parse_voc(data)
    (tmp_path / "bad.xml").write_bytes(data)
    (tmp_path / "good.xml").write_bytes(document(object_xml("fox", 1, 1, 9, 9)))
    photos = [candidate("x/bad.jpg", mask_uri="file:///source.png"), candidate("good.jpg"), candidate("none.jpg")]
    bad, good, none = Voc(root=str(tmp_path)).attach(photos)
    assert (bad.problem.partition(":")[0], bad.boxes, bad.mask_uri) == ("corrupt_mask", (), None)
    assert (good.problem, good.boxes) == ("", ((0, 0, 9, 9),))
    assert (none.problem, none.boxes) == ("", ())


def test_voc_has_no_masks(photo: Decoded) -> None:
    with pytest.raises(Rejected, match="missing_mask"):
        Voc().read(None, photo)
