from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from xray.core.errors import Rejected
from xray.core.images import Decoded
from xray.masks.voc import Voc, parse_voc
from xray.sources.base import Candidate


def candidate(key: str, uri: str = "file:///photos/x.jpg", **more: Any) -> Candidate:
    return Candidate(key=key, category="c", uri=uri, **more)


def thing(name: str, *box: object) -> str:
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def document(*things: str) -> bytes:
    return f"<annotation><size><width>60</width></size>{''.join(things)}</annotation>".encode()


def test_pixels_count_from_one_and_the_last_is_included() -> None:
    assert parse_voc(document(thing("fox", 1, 1, 60, 40))) == ((0, 0, 60, 40),)


def test_each_object_has_its_box_and_is_chosen_by_name() -> None:
    data = document(thing("fox", 11, 6, 20, 30), thing("fox", 15, 2, 40, 20), thing("cat", 1, 1, 60, 40))
    assert parse_voc(data, ("fox",)) == ((10, 5, 20, 30), (14, 1, 40, 20))
    assert parse_voc(data)[2] == (0, 0, 60, 40)
    assert parse_voc(data, ("dog",)) == ()
    assert parse_voc(document()) == ()


BOMB = b"""<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotation>&b;</annotation>"""
OUTSIDE = b"""<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/hostname">]><annotation>&a;</annotation>"""
HOSTILE = [
    b"",
    b"{}",
    b"<annotation>",
    b"\xff\xfe<",
    BOMB,
    OUTSIDE,
    document("<object/>"),
    document("<object><bndbox><xmin>1</xmin></bndbox></object>"),
    document(thing("fox", "a", 1, 2, 3)),
    document(thing("fox", "nan", 1, 2, 3)),
    document(thing("fox", 1, 1, "inf", 3)),
    document(thing("fox", 9, 1, 2, 3)),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_hostile_xml_is_a_problem_of_its_image_alone(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        parse_voc(data)
    assert caught.value.reason == "corrupt_mask"
    (tmp_path / "bad.xml").write_bytes(data)
    (tmp_path / "good.xml").write_bytes(document(thing("fox", 1, 1, 9, 9)))
    offered = [candidate("x/bad.jpg", mask_uri="file:///source.png"), candidate("good.jpg"), candidate("none.jpg")]
    bad, good, none = Voc(root=str(tmp_path)).attach(offered)
    assert (bad.problem, bad.boxes, bad.mask_uri) == ("corrupt_mask", (), None)
    assert (good.problem, good.boxes) == ("", ((0, 0, 9, 9),))
    assert (none.problem, none.boxes) == ("", ())


def test_boxes_are_no_masks(photo: Decoded) -> None:
    with pytest.raises(Rejected, match="missing_mask"):
        Voc().read(None, photo)
