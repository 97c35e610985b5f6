from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.animals_cache import fill_cache

from xray.backgrounds.base import Bank
from xray.backgrounds.drawn import Drawn
from xray.backgrounds.monuments import Monuments
from xray.backgrounds.own_photos import OwnPhotos
from xray.backgrounds.photos import Photos
from xray.core import files, schema
from xray.core.errors import XrayError
from xray.core.images import encode
from xray.core.plugins import available, build
from xray.sources.landscapes import PLACES, landscape

NONE = schema.SOURCE.empty_table()


def picture(height: int, width: int) -> bytes:
    return encode(np.full((height, width, 3), 99, np.uint8), "jpeg")


def test_plugin_names() -> None:
    assert list(available(Bank)) == ["drawn", "monuments", "photos", "places", "sources"]
    assert build("bank of backgrounds", Bank, {"kind": "photos", "root": "x"}) == Photos(root="x")


@pytest.mark.parametrize("place", PLACES)
def test_landscapes_depend_on_place_and_seed(place: str) -> None:
    one, again, other = (landscape(place, seed, (60, 80)) for seed in (1, 1, 2))
    assert one.shape == (60, 80, 3)
    assert one.dtype == np.uint8
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
    assert one.std() > 10


def test_drawn(tmp_path: Path) -> None:
    bank = Drawn(per_place=2, size=(60, 80), cache=tmp_path)
    candidates = list(bank.candidates(NONE))
    assert len({one.key for one in candidates}) == 2 * len(PLACES)
    assert {one.place for one in candidates} == set(PLACES)
    assert {one.category for one in candidates} == {""}
    assert len({files.read_bytes(one.uri) for one in candidates}) == len(candidates)
    assert [one.uri for one in bank.candidates(NONE)] == [one.uri for one in candidates]


def test_photos(tmp_path: Path) -> None:
    for name in ("b/Lake <1>.jpg", "a.PNG", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(40, 50))
    candidates = list(Photos(root=str(tmp_path), licence="CC0").candidates(NONE))
    assert [(one.key, one.place, one.category, one.licence) for one in candidates] == [
        ("a.PNG", "a", "", "CC0"),
        ("b/Lake <1>.jpg", "Lake <1>", "", "CC0"),
    ]
    assert files.read_bytes(candidates[1].uri) == picture(40, 50)


def test_photos_that_are_links_elsewhere_have_a_reason(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "a.png").write_bytes(picture(40, 50))
    (tmp_path / "pool/link.png").symlink_to(tmp_path / "a.png")
    (closed,) = Photos(root=str(tmp_path / "pool")).candidates(NONE)
    assert closed.problem.partition(":")[0] == "link_outside"
    (opened,) = Photos(root=str(tmp_path / "pool"), follow_links=True).candidates(NONE)
    assert opened.problem == ""


def test_photos_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="no photographs for backgrounds"):
        next(Photos(root=str(tmp_path)).candidates(NONE))
    with pytest.raises(XrayError, match="no folder"):
        next(Photos(root=str(tmp_path / "missing")).candidates(NONE))


def test_monuments(tmp_path: Path) -> None:
    fill_cache(tmp_path, animals=False)
    bank = Monuments(cache=tmp_path)
    candidates = list(bank.candidates(NONE))
    assert len({one.place for one in candidates}) == 41
    assert {one.category for one in candidates} == {""}
    assert len({files.read_bytes(one.uri) for one in candidates}) == 41
    assert all("https://" in (one.credit or "") for one in candidates)
    assert [one.uri for one in bank.candidates(NONE)] == [one.uri for one in candidates]


def source_row(image_id: str, status: str, place: str | None) -> dict[str, object]:
    empty = dict.fromkeys(schema.SOURCE.names)
    facts = {"category": "cat", "uri": f"file:///{image_id}.jpg", "place": place, "licence": "CC0"}
    return {**empty, **facts, "image_id": image_id, "status": status}


def test_own_photos_are_the_usable_photographs() -> None:
    rows = [source_row("a", "ok", "roof"), source_row("b", "rejected", None), source_row("c", "ok", None)]
    table = pa.Table.from_pylist(rows, schema.SOURCE)
    own = OwnPhotos().own(table)
    assert own.schema == schema.BACKGROUNDS
    kept = own.select(["donor_id", "category", "place", "licence"]).to_pylist()
    assert [tuple(row.values()) for row in kept] == [("a", "cat", "roof", "CC0"), ("c", "cat", None, "CC0")]
    assert list(OwnPhotos().candidates(table)) == []
    with pytest.raises(XrayError, match="no usable photograph"):
        OwnPhotos().own(NONE)
