from __future__ import annotations

import os
from pathlib import Path

import pytest

from xray.core import files
from xray.core.errors import XrayError
from xray.core.images import decode, read_header
from xray.core.plugins import build
from xray.core.uri import join
from xray.sources.base import Source
from xray.sources.categories import Category, load_categories
from xray.sources.imagefolder import ImageFolder, relative_key

FOX = Category(name="red fox", indices=(277,), wnids=("n02119022",))
CELLO = Category(name="cello", indices=(486,), wnids=("n02992211",))
ODD_NAMES = [b"two\nlines.jpg", b"<script>alert(1)<\xe2\x81\x84script>.jpg", b"no-utf8-\xff\xfe.jpg", b"100%25 #1?.JPG"]


def put(folder: Path, name: str | bytes, data: bytes) -> None:
    path = os.path.join(os.fsencode(folder), os.fsencode(name))  # noqa: PTH118 - bytes
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
    with open(path, "wb") as stream:  # noqa: PTH123 - bytes
        stream.write(data)


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    for name in ("n02119022/b.jpg", "n02119022/deep/er/a.PNG", "Red_Fox/c.jpeg", "Cello/1.jpg"):
        put(tmp_path, name, jpeg)
    for name in ("tables/x.jpg", "dog/y.jpg", "n02119022/notes.txt", "readme.md", ".hidden/z.jpg"):
        put(tmp_path, name, b"")
    return tmp_path


def test_folders_by_wordnet_id_or_name(photos: Path) -> None:
    source = ImageFolder(root=str(photos), split="train", licence="mine")
    found = list(source.candidates([FOX, CELLO]))
    assert [(one.key, one.category) for one in found] == [
        ("Cello/1.jpg", "cello"),
        ("Red_Fox/c.jpeg", "red fox"),
        ("n02119022/b.jpg", "red fox"),
        ("n02119022/deep/er/a.PNG", "red fox"),
    ]
    assert {(one.split, one.licence, one.problem) for one in found} == {("train", "mine", "")}
    assert files.read_bytes(found[0].uri) == (photos / "Cello/1.jpg").read_bytes()


def test_remarks_say_what_is_left_out(photos: Path) -> None:
    absent = Category(name="airship", indices=(405,))
    assert ImageFolder(root=str(photos)).remarks([FOX, CELLO, absent]) == [
        "2 folders are no category of the recipe: dog, tables",
        "1 category has no folder: airship",
        "1 file lies in no folder: readme.md",
        "1 file is no image by its name: notes.txt",
    ]


def test_nothing_to_remark(tmp_path: Path, jpeg: bytes) -> None:
    put(tmp_path, "cello/1.jpg", jpeg)
    assert ImageFolder(root=str(tmp_path)).remarks([CELLO]) == []


def test_odd_file_names_come_through(tmp_path: Path, jpeg: bytes) -> None:
    for name in ODD_NAMES:
        put(tmp_path / "cello", name, jpeg)
    found = list(ImageFolder(root=str(tmp_path)).candidates([CELLO]))
    assert sorted(one.key for one in found) == sorted(
        [
            "cello/two\nlines.jpg",
            "cello/<script>alert(1)<⁄script>.jpg",
            "cello/no-utf8-%FF%FE.jpg",
            "cello/100%2525 #1?.JPG",
        ]
    )
    for one in found:
        assert one.uri.isascii()
        assert "\n" not in one.uri
        one.key.encode()
        assert decode(files.read_bytes(one.uri)).image.shape == (48, 64, 3)


def test_keys_do_not_depend_on_where_the_folder_is(tmp_path: Path, jpeg: bytes) -> None:
    for root in ("one", "two %20 #?"):
        put(tmp_path / root / "cello", "1.jpg", jpeg)
    keys = [
        [one.key for one in ImageFolder(root=str(tmp_path / root)).candidates([CELLO])]
        for root in ("one", "two %20 #?")
    ]
    assert keys == [["cello/1.jpg"]] * 2


def test_different_files_have_different_keys() -> None:
    assert relative_key("file:///r/a%25FF", "file:///r") != relative_key("file:///r/a%FF", "file:///r")


def test_categories_from_folders(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("n02119022/1.jpg", "violoncello/1.jpg"):
        put(tmp_path, name, jpeg)
    source = ImageFolder(root=str(tmp_path))
    assert source.categories() == (FOX, Category(name="violoncello", indices=(486,), wnids=("n02992211",)))
    assert len(list(source.candidates(source.categories()))) == 2


def test_folders_that_imagenet_does_not_know(photos: Path) -> None:
    with pytest.raises(XrayError, match=r"'dog' in .* is no WordNet id") as caught:
        ImageFolder(root=str(photos)).categories()
    assert f"{str(photos)!r}" in str(caught.value)
    assert '"dog": [' in str(caught.value)
    assert '"Red_Fox": [277]' in str(caught.value)


def test_nothing_fits(photos: Path) -> None:
    with pytest.raises(XrayError, match=r"no photographs .*folders there: Cello, Red_Fox, dog.*categories: airship"):
        list(ImageFolder(root=str(photos)).candidates([Category(name="airship", indices=(405,))]))


@pytest.mark.parametrize("call", ["categories", "candidates"])
def test_no_such_folder(tmp_path: Path, call: str) -> None:
    source = ImageFolder(root=str(tmp_path / "missing"))
    with pytest.raises(XrayError, match=r"no folder .*missing"):
        source.categories() if call == "categories" else list(source.candidates([FOX]))


def test_no_folders_at_all(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"expected .*/<category>/photo.jpg"):
        ImageFolder(root=str(tmp_path)).categories()


def test_formats_that_cannot_be_read_are_offered(tmp_path: Path) -> None:
    put(tmp_path, "cello/phone.HEIC", b"x")
    assert [one.key for one in ImageFolder(root=str(tmp_path)).candidates([CELLO])] == ["cello/phone.HEIC"]


def test_extensions_can_be_chosen(photos: Path) -> None:
    source = build("source", Source, {"kind": "imagefolder", "root": str(photos), "extensions": ["png"]})
    assert [one.key for one in source.candidates([FOX])] == ["n02119022/deep/er/a.PNG"]


def test_object_store(bucket: str, jpeg: bytes) -> None:
    for name in ("n02119022/1.jpg", "Red Fox/ü %?#.jpg", "dog/1.jpg", "loose.jpg"):
        files.write_bytes(join(bucket.format("my%20photos"), *name.split("/")), jpeg)
    source = ImageFolder(root=bucket.format("my%20photos/"))
    found = list(source.candidates([FOX]))
    assert [one.key for one in found] == ["Red Fox/ü %25?#.jpg", "n02119022/1.jpg"]
    assert all(files.read_bytes(one.uri) == jpeg for one in found)
    assert source.remarks([FOX]) == [
        "1 folder is no category of the recipe: dog",
        "1 file lies in no folder: loose.jpg",
    ]
    with pytest.raises(XrayError, match=r"no folder .*missing"):
        list(ImageFolder(root=bucket.format("missing")).candidates([FOX]))


def test_real_photographs(photos12: Path) -> None:
    groups = {"bird": list(range(7, 25)), "dog": list(range(151, 269))}
    categories = load_categories(groups)
    found = list(ImageFolder(root=str(photos12 / "images")).candidates(categories))
    assert {one.category for one in found} == {"bird", "dog"}
    assert read_header(files.read_bytes(found[0].uri)).format == "JPEG"
