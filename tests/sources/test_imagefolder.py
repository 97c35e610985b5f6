from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from xray.core import files
from xray.core.errors import ConfigError, XrayError
from xray.core.images import read_header
from xray.core.plugins import build
from xray.core.uri import join
from xray.sources.base import Source
from xray.sources.categories import Category, load_categories
from xray.sources.imagefolder import ImageFolder, relative_key

FOX = Category(name="red fox", indices=(277,), wnids=("n02119022",))
CELLO = Category(name="cello", indices=(486,), wnids=("n02992211",))
AIRSHIP = Category(name="airship", indices=(405,))


def put(folder: Path, name: str | bytes, data: bytes) -> None:
    path = Path(os.fsdecode(os.path.join(os.fsencode(folder), os.fsencode(name))))  # noqa: PTH118 - bytes
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def photos(tmp_path: Path, jpeg: bytes) -> Path:
    for name in ("n02119022/b.jpg", "n02119022/deep/er/a.PNG", "Red_Fox/c.jpeg", "Cello/1.jpg"):
        put(tmp_path, name, jpeg)
    for name in ("tables/x.jpg", "dog/y.jpg", "n02119022/notes.txt", "readme.md", ".hidden/z.jpg"):
        put(tmp_path, name, b"")
    return tmp_path


def test_folders_are_named_after_wordnet_ids_or_categories(photos: Path) -> None:
    source = ImageFolder(root=str(photos), split="train", licence="mine")
    candidates = list(source.candidates([FOX, CELLO]))
    assert [(one.key, one.category) for one in candidates] == [
        ("Cello/1.jpg", "cello"),
        ("Red_Fox/c.jpeg", "red fox"),
        ("n02119022/b.jpg", "red fox"),
        ("n02119022/deep/er/a.PNG", "red fox"),
    ]
    assert {(one.split, one.licence, one.problem) for one in candidates} == {("train", "mine", "")}
    assert files.read_bytes(candidates[0].uri) == (photos / "Cello/1.jpg").read_bytes()


def test_notes_name_what_is_left_out(photos: Path) -> None:
    notes = ImageFolder(root=str(photos)).notes([FOX, CELLO, AIRSHIP])
    expected = [("2", "dog, tables"), ("1", "airship"), ("1", "readme.md"), ("1", "notes.txt"), ("1", ".hidden")]
    assert [(note.split()[0], note.split(": ")[1]) for note in notes] == expected
    for folder in ("tables", "dog"):
        (photos / folder).rename(photos / f".{folder}")
    (photos / "readme.md").unlink()
    (photos / "n02119022/notes.txt").unlink()
    (note,) = ImageFolder(root=str(photos)).notes([FOX, CELLO])
    assert {*note.split(": ")[1].split(", ")} == {".dog", ".tables", ".hidden"}


def test_annotations_beside_their_photographs_are_not_noted(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("1.jpg", "1.json", "IMG_2.JPG", "IMG_2.AAE", "3.json", "1.cr2"):
        put(tmp_path, f"cello/{name}", jpeg)
    (note,) = ImageFolder(root=str(tmp_path)).notes([CELLO])
    assert note.split(": ")[1] == "1.cr2, 3.json"


def test_any_file_name_is_listed(tmp_path: Path, jpeg: bytes) -> None:
    for name in [b"two\nlines.jpg", b"no-utf8-\xff\xfe.jpg", b"100%25 #1?.JPG"]:
        put(tmp_path / "cello", name, jpeg)
    candidates = list(ImageFolder(root=str(tmp_path)).candidates([CELLO]))
    expected = {"cello/two\nlines.jpg", "cello/no-utf8-%FF%FE.jpg", "cello/100%2525 #1?.JPG"}
    assert {one.key for one in candidates} == expected
    for one in candidates:
        assert re.fullmatch(r"[!-~]+", one.uri)
        assert files.read_bytes(one.uri) == jpeg


def test_keys_are_relative_to_the_root_and_unique(tmp_path: Path, jpeg: bytes) -> None:
    for root in ("one", "two %20 #?"):
        put(tmp_path / root / "cello", "1.jpg", jpeg)
        assert [one.key for one in ImageFolder(root=str(tmp_path / root)).candidates([CELLO])] == ["cello/1.jpg"]
    assert relative_key("file:///r/a%25FF", "file:///r") != relative_key("file:///r/a%FF", "file:///r")


def test_categories_of_folders(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("n02119022/1.jpg", "violoncello/1.jpg"):
        put(tmp_path, name, jpeg)
    source = ImageFolder(root=str(tmp_path))
    assert source.categories() == (FOX, Category(name="violoncello", indices=(486,), wnids=("n02992211",)))
    assert len(list(source.candidates(source.categories()))) == 2
    put(tmp_path, "crane/1.jpg", jpeg)  # a bird and a machine
    with pytest.raises(XrayError, match="crane"):
        source.categories()


def test_a_root_without_photographs_of_the_categories(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"Cello, Red_Fox, dog.*airship"):
        list(ImageFolder(root=str(photos)).candidates([AIRSHIP]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(XrayError, match=r"<category>/photo\.jpg"):
        ImageFolder(root=str(tmp_path / "empty")).categories()
    missing = ImageFolder(root=str(tmp_path / "missing"))
    with pytest.raises(XrayError, match="missing"):
        missing.categories()


def test_extensions(photos: Path) -> None:
    put(photos, "Cello/phone.HEIC", b"x")  # listed, so that it is rejected with a reason
    keys = [one.key for one in ImageFolder(root=str(photos)).candidates([CELLO])]
    assert keys == ["Cello/1.jpg", "Cello/phone.HEIC"]
    source = build("source", Source, {"kind": "imagefolder", "root": str(photos), "extensions": ["png"]})
    assert [one.key for one in source.candidates([FOX])] == ["n02119022/deep/er/a.PNG"]


def test_object_store(bucket: str, jpeg: bytes) -> None:
    for name in ("n02119022/1.jpg", "Red Fox/ü %?#.jpg", "dog/1.jpg", "loose.jpg"):
        files.write_bytes(join(bucket.format("my%20photos"), *name.split("/")), jpeg)
    source = ImageFolder(root=bucket.format("my%20photos/"))
    candidates = list(source.candidates([FOX]))
    assert [one.key for one in candidates] == ["Red Fox/ü %25?#.jpg", "n02119022/1.jpg"]
    assert all(files.read_bytes(one.uri) == jpeg for one in candidates)
    assert [note.split(": ")[1] for note in source.notes([FOX])] == ["dog", "loose.jpg"]
    with pytest.raises(XrayError, match="missing"):
        list(ImageFolder(root=bucket.format("missing")).candidates([FOX]))


def test_real_photographs(photos12: Path) -> None:
    categories = load_categories({"bird": list(range(7, 25)), "dog": list(range(151, 269))})
    candidates = list(ImageFolder(root=str(photos12 / "images")).candidates(categories))
    assert {one.category for one in candidates} == {"bird", "dog"}
    assert read_header(files.read_bytes(candidates[0].uri)).format == "JPEG"


def test_a_link_to_a_folder_above_the_category_brings_no_photographs_of_others(photos: Path) -> None:
    (photos / "Cello/everything").symlink_to(photos)
    (photos / "Cello/again").symlink_to(photos / "Cello")
    candidates = ImageFolder(root=str(photos)).candidates([CELLO])
    assert [one.key for one in candidates] == ["Cello/1.jpg"]


def test_folders_within_categories_that_are_called_like_others_are_named(photos: Path, jpeg: bytes) -> None:
    for name in ("Cello/red fox/2.jpg", "Cello/train/3.jpg", "Red_Fox/kit/4.jpg", "n02119022/red fox/5.jpg"):
        put(photos, name, jpeg)
    notes = ImageFolder(root=str(photos)).notes([FOX, CELLO])
    assert [note.split(": ")[1] for note in notes if "within" in note] == ["Cello/red fox"]


def test_a_folder_around_the_categories_is_not_one(tmp_path: Path, jpeg: bytes) -> None:
    for name in ("101 Objects/red fox/1.jpg", "101 Objects/cello/2.jpg"):
        put(tmp_path, name, jpeg)
    with pytest.raises(XrayError, match=r"101 Objects.*cello, red fox"):
        ImageFolder(root=str(tmp_path)).categories()
    assert len(ImageFolder(root=str(tmp_path / "101 Objects")).categories()) == 2
    put(tmp_path / "one", "dog/pug/1.jpg", jpeg)
    put(tmp_path / "one", "dog/boxer/1.jpg", jpeg)
    assert [one.name for one in ImageFolder(root=str(tmp_path / "one")).categories()] == ["dog"]


def test_files_without_suffix_are_named_if_there_is_nothing_else(tmp_path: Path, jpeg: bytes) -> None:
    put(tmp_path, "cello/photo", jpeg)
    with pytest.raises(XrayError, match="no image extension: photo"):
        list(ImageFolder(root=str(tmp_path)).candidates([CELLO]))


def test_labels_of_other_things_are_shown(tmp_path: Path, jpeg: bytes) -> None:
    put(tmp_path, "1.jpg", jpeg)
    (tmp_path / "labels.csv").write_text("image,label\n1.jpg,walrus\n")
    source = build("source", Source, {"kind": "imagefolder", "root": str(tmp_path), "labels": "labels.csv"})
    with pytest.raises(XrayError, match="walrus"):
        list(source.candidates([CELLO]))


def test_links_out_of_the_root_are_followed_only_if_asked(tmp_path: Path, jpeg: bytes) -> None:
    root = tmp_path / "photos"
    put(root, "cello/1.jpg", jpeg)
    put(tmp_path, "other/secret.jpg", jpeg)
    (root / "cello/link.jpg").symlink_to(tmp_path / "other/secret.jpg")
    (root / "cello/pipe.txt").symlink_to("/nowhere")
    (root / "cello/more").symlink_to(tmp_path / "other")
    closed, opened = ImageFolder(root=str(root)), ImageFolder(root=str(root), follow_links=True)
    found = {one.key: one.problem.partition(":")[0] for one in closed.candidates([CELLO])}
    assert found == {"cello/1.jpg": "", "cello/link.jpg": "link_outside"}
    assert any("follow_links" in note and note.endswith("more") for note in closed.notes([CELLO]))
    found = {one.key: one.problem for one in opened.candidates([CELLO])}
    assert found == dict.fromkeys(("cello/1.jpg", "cello/link.jpg", "cello/more/secret.jpg"), "")
    assert not any("follow_links" in note for note in opened.notes([CELLO]))


def test_categories_that_are_links_out_of_the_root_are_explained(tmp_path: Path, jpeg: bytes) -> None:
    put(tmp_path, "other/cello/1.jpg", jpeg)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cello").symlink_to(tmp_path / "other/cello")
    with pytest.raises(ConfigError, match="follow_links: true"):
        ImageFolder(root=str(tmp_path / "photos")).categories()
    (category,) = ImageFolder(root=str(tmp_path / "photos"), follow_links=True).categories()
    assert category.name == "cello"
