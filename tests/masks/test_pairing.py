from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.mask_inputs import candidate

from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.uri import join
from xray.masks.labelme import Labelme
from xray.masks.png import ImageNetS, Png
from xray.sources.categories import load_categories
from xray.sources.imagefolder import ImageFolder

CATEGORIES = load_categories({"red fox": [277]})


def test_masks_are_paired_by_key(tmp_path: Path) -> None:
    for name in ("a/one.png", "b/two.png", "three.png", "a/na me%.png", "id.7.png", "a/four_mask.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    keys = ["a/one.jpg", "b/one.jpg", "b/two.JPEG", "deep/three.jpg", "a/na me%.jpg", "a/na%20me%25.jpg", "id.7"]
    paired = Png(root=str(tmp_path)).attach(candidate(key, mask_uri="file:///source.png") for key in keys)
    names = [one.mask_uri and one.mask_uri.removeprefix(tmp_path.as_uri() + "/") for one in paired]
    odd = "a/na%20me%25.png"
    assert names == ["a/one.png", None, "b/two.png", "three.png", odd, odd, "id.7.png"]
    assert [one.mask_uri for one in ImageNetS(root=str(tmp_path)).attach(map(candidate, keys))] == [
        name and f"{tmp_path.as_uri()}/{name}" for name in names
    ]
    (four,) = Png(root=tmp_path.as_uri(), suffix="_mask.png").attach([candidate("a/four.jpg")])
    assert four.mask_uri == (tmp_path / "a/four_mask.png").as_uri()


def test_without_a_root_annotations_are_beside_the_photos(tmp_path: Path) -> None:
    for name in ("a b.jpg", "a b.json", "c.jpg"):
        (tmp_path / name).write_bytes(b'{"imageWidth": 1, "imageHeight": 1, "shapes": []}')
    photos = [candidate(name, (tmp_path / name).as_uri(), mask_uri="file:///m.png") for name in ("a b.jpg", "c.jpg")]
    cell = candidate("x", f"{tmp_path.as_uri()}/a%20b.parquet#row=1")
    paired = [one.mask_uri for one in Labelme().attach([*photos, cell])]
    assert paired == [(tmp_path / "a b.json").as_uri(), None, None]


@pytest.mark.parametrize("stem", [b"100% \xff", b"a\nb", "ü".encode()])
def test_any_file_name_is_paired(tmp_path: Path, stem: bytes) -> None:
    for kind, suffix in (("photos", b".jpg"), ("masks", b".png")):
        folder = tmp_path / kind / "red fox"
        folder.mkdir(parents=True)
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + stem + suffix))).write_bytes(b"x")
    photos = ImageFolder(root=str(tmp_path / "photos")).candidates(CATEGORIES)
    (paired,) = Png(root=str(tmp_path / "masks")).attach(photos)
    assert paired.mask_uri is not None


def test_masks_in_an_object_store_are_paired(bucket: str) -> None:
    root = bucket.format("pairing")
    write_bytes(join(root, "photos", "red fox", "1.jpg"), b"x")
    write_bytes(join(root, "masks", "red fox", "1.png"), b"x")
    photos = ImageFolder(root=join(root, "photos")).candidates(CATEGORIES)
    (paired,) = Png(root=join(root, "masks")).attach(photos)
    assert paired.mask_uri == join(root, "masks", "red fox", "1.png")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="nowhere"):
        list(Png(root=str(tmp_path / "nowhere")).attach([]))
