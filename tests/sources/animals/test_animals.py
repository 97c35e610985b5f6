from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support.animals_cache import fill_cache
from support.packages import deb, qt_resources

from xray.core.errors import ConfigError
from xray.core.files import read_bytes
from xray.core.images import Limits, decode
from xray.sources.animals import Animals
from xray.sources.animals.sample import (
    PACKAGE,
    SamplePhoto,
    fetch_photos,
    list_photos,
    read_mask,
    read_photo,
    unpack_photos,
)
from xray.sources.animals.source import Frame, square_around
from xray.sources.categories import Category, load_categories

PHOTOS = list_photos("photographs.csv")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    fill_cache(folder)
    return folder


def test_the_list_is_complete() -> None:
    assert len({photo.sha256 for photo in PHOTOS}) == 55
    assert Counter(photo.category for photo in PHOTOS) == {
        "ungulate": 15, "bird": 11, "carnivore": 9, "primate": 5, "reptile": 4, "arthropod": 4, "small_mammal": 3,
        "marsupial": 2, "sea_mammal": 2,
    }  # fmt: skip
    assert Counter(photo.closeness for photo in PHOTOS) == {"class": 31, "genus": 7, "family": 8, "order": 9}
    assert len(list_photos("monuments.csv")) == 41
    for photo in (*PHOTOS, *list_photos("monuments.csv")):
        assert photo.licence in ("Public domain", "CC0-1.0", "CC-BY-2.0", "CC-BY-3.0", "CC-BY-SA-4.0")
        assert "https://" in photo.credit
    assert {photo.category for photo in PHOTOS} == {category.name for category in load_categories("animals")}


def test_every_photograph_has_a_mask() -> None:
    areas = {photo.name: float(read_mask(photo).mean()) for photo in PHOTOS}
    assert min(areas.values()) > 0.03
    assert max(areas.values()) < 0.6
    assert areas["erase_gosling"] == pytest.approx(0.1274, abs=5e-5)


@pytest.mark.parametrize("frame", ["whole", "square"])
def test_images_and_masks_of_a_frame(frame: Frame, cache: Path) -> None:
    source = Animals(frame=frame, cache=cache)
    candidates = list(source.candidates(source.categories()))
    assert [one.key for one in candidates] == [f"{photo.category}/{photo.name}" for photo in PHOTOS]
    for one, photo in zip(candidates[::9], PHOTOS[::9], strict=True):
        image = decode(read_bytes(one.uri), Limits(min_side=1)).image
        mask = decode(read_bytes(one.mask_uri or ""), Limits(min_side=1)).image
        assert image.shape == mask.shape
        assert (image.shape[0] == image.shape[1]) == (frame == "square")
        window = square_around(read_mask(photo)) if frame == "square" else ...
        assert np.array_equal(mask[:, :, 0] > 127, read_mask(photo)[window])
        assert (one.category, one.licence, one.credit) == (photo.category, photo.licence, photo.credit)


def test_the_closest_animals_of_some_categories(cache: Path) -> None:
    birds = Category(name="Bird", indices=(10,))
    (one, *_) = candidates = list(Animals(closeness="class", cache=cache).candidates([birds]))
    assert one.category == "Bird"
    expected = [photo for photo in PHOTOS if photo.category == "bird" and photo.closeness == "class"]
    assert len(candidates) == len(expected)
    with pytest.raises(ConfigError, match=r"teapot.*bird"):
        next(Animals(cache=cache).candidates([Category(name="teapot")]))


def test_square_holds_the_object_where_it_fits() -> None:
    for photo in PHOTOS:
        mask = read_mask(photo)
        rows, columns = square_around(mask)
        side = min(mask.shape)
        assert rows.stop - rows.start == columns.stop - columns.start == side
        inside = mask[rows, columns].sum() / mask.sum()
        (_, xs) = np.nonzero(mask)
        if mask.shape[0] == side and np.ptp(xs) < side:
            assert inside == 1
        assert inside > 0.64


def drawn_package(*photos: SamplePhoto, data: bytes = b"a photograph") -> bytes:
    resources = {f"/gcompris/src/activities/{photo.resource}": data for photo in photos}
    return deb({"usr/share/gcompris-qt/rcc/zoo.rcc": qt_resources(resources)})


def test_photographs_are_checked(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"a photograph").hexdigest()
    fox = SamplePhoto("fox", "zoo/fox.webp", sha256, "CC0-1.0", "somebody", "carnivore")
    unpack_photos([fox], drawn_package(fox), tmp_path)
    assert (tmp_path / "carnivore/fox.webp").read_bytes() == b"a photograph"
    for archive in (drawn_package(fox, data=b"another"), drawn_package(SamplePhoto("dog", "zoo/dog.webp", "", "", ""))):
        with pytest.raises(ConfigError, match=r"zoo/fox\.webp"):
            unpack_photos([fox], archive, tmp_path)


def test_an_archive_in_the_cache_is_used_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gcompris-qt-data_3.1-2_all.deb").write_bytes(b"another archive")
    with pytest.raises(ConfigError, match=r"sha256.*\n.*kind: shapes"):
        fetch_photos(tmp_path)
    assert not (tmp_path / "animals").exists() or not list((tmp_path / "animals").iterdir())
    assert PACKAGE.addresses[0].startswith("https://")


@pytest.mark.slow
def test_the_real_package(tmp_path: Path) -> None:
    try:
        folder = fetch_photos(tmp_path)
    except ConfigError as error:
        pytest.skip(f"no network: {error}")
    for photo in PHOTOS:
        assert read_photo(folder / photo.file).shape[:2] == read_mask(photo).shape
