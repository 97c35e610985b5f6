from __future__ import annotations

from pathlib import Path

import pytest
from support.mask_inputs import candidate

from xray.core import files
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.masks.formats.voc import Voc, parse_voc


def object_xml(name: str, *box: object) -> str:
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def document(*objects: str) -> bytes:
    return f"<annotation><size><width>60</width><height>40</height></size>{''.join(objects)}</annotation>".encode()


def boxes(data: bytes) -> list[object]:
    return [one.box for one in parse_voc(data).objects]


def test_each_object_gives_a_box_and_is_selected_by_name(tmp_path: Path) -> None:
    data = document(object_xml("fox", 11, 6, 20, 30), object_xml("fox", 15, 2, 40, 20), object_xml("cat", 1, 1, 60, 40))
    foxes = (10, 5, 20, 30), (14, 1, 40, 20)
    assert boxes(data) == [*foxes, (0, 0, 60, 40)]  # pixels count from 1, and the last is included
    assert (boxes(document()), parse_voc(data).size, parse_voc(b"<annotation/>").size) == ([], (60, 40), None)
    (tmp_path / "x.xml").write_bytes(data)
    for labels in (("fox",), {"c": ("Fox ",)}):
        (one,) = Voc(root=str(tmp_path), labels=labels).attach([candidate("x.jpg")])
        assert (one.boxes, one.drawn_on, one.mask_uri) == (foxes, (60, 40), None)
    with pytest.raises(ConfigError, match="wolf"):
        list(Voc(root=str(tmp_path), labels=("wolf",)).attach([candidate("x.jpg")]))


def test_a_bad_object_costs_only_itself_and_polygons_are_masks(tmp_path: Path, photo: Decoded) -> None:
    polygon = "<polygon>" + "".join(f"<x{n}>{x}</x{n}><y{n}>{y}</y{n}>" for n, x, y in CORNERS) + "</polygon>"
    text = object_xml("c", 11.5, 6, 20, 30).replace("</object>", f"{polygon}<difficult>1</difficult></object>")
    (tmp_path / "x.xml").write_bytes(document(text, object_xml("c", 9, 1, 2, 3)))
    voc = Voc(root=str(tmp_path))
    (one,) = voc.attach([candidate("x.jpg")])
    assert (one.boxes, one.problem) == (((10.5, 5, 20, 30),), "")
    mask, notes = voc.read(files.read_bytes(one.mask_uri or ""), photo)
    assert (int(mask.sum()), notes) == (10 * 20, ("mask_parts_left_out",))
    assert any("x.jpg" in note for note in voc.notes())


CORNERS = [(1, 10, 5), (2, 20, 5), (3, 20, 25), (4, 10, 25)]
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
