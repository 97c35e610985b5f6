from __future__ import annotations

import os
from pathlib import Path

import pytest

from xray.core.files import write_bytes
from xray.core.uri import join
from xray.masks.png import Png
from xray.sources.categories import load_categories
from xray.sources.imagefolder import ImageFolder

CATEGORIES = load_categories({"red fox": [277]})


@pytest.mark.parametrize("stem", [b"a", b"100%", b"\xff", b"100% \xff", b"a\nb", "ü".encode()])
def test_any_name_that_a_disk_holds_finds_its_mask(tmp_path: Path, stem: bytes) -> None:
    for kind, suffix in (("photos", b".jpg"), ("masks", b".png")):
        folder = tmp_path / kind / "red fox"
        folder.mkdir(parents=True)
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + stem + suffix))).write_bytes(b"x")
    photos = ImageFolder(root=str(tmp_path / "photos")).candidates(CATEGORIES)
    (found,) = Png(root=str(tmp_path / "masks")).attach(photos)
    assert found.mask_uri is not None


def test_masks_in_an_object_store_are_found(bucket: str) -> None:
    root = bucket.format("pairing")
    write_bytes(join(root, "photos", "red fox", "1.jpg"), b"x")
    write_bytes(join(root, "masks", "red fox", "1.png"), b"x")
    photos = ImageFolder(root=join(root, "photos")).candidates(CATEGORIES)
    (found,) = Png(root=join(root, "masks")).attach(photos)
    assert found.mask_uri == join(root, "masks", "red fox", "1.png")
