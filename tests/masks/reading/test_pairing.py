from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.mask_inputs import candidate

from xray.core.errors import XrayError
from xray.core.files import write_bytes
from xray.core.parts import split_uri
from xray.core.uri import join
from xray.masks.formats.labelme import Labelme
from xray.masks.formats.png import ImageNetS, Png
from xray.masks.reading.pairing import Pairing
from xray.sources.base import Candidate
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


def masks(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def names(paired: Iterable[Candidate], folder: Path) -> list[list[str]]:
    """Names of the files of each photograph, below the folder."""
    start = f"{folder.as_uri()}/"
    return [[uri.removeprefix(start) for uri in split_uri(one.mask_uri)] if one.mask_uri else [] for one in paired]


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("red fox/1.PNG", "red fox/1.jpg"),
        ("Red Fox/IMG_1.png", "red fox/img_1.JPG"),
        (unicodedata.normalize("NFD", "füchse/ä.png"), unicodedata.normalize("NFC", "füchse/ä.jpg")),
        (unicodedata.normalize("NFC", "ä.png"), unicodedata.normalize("NFD", "füchse/ä.jpg")),
        ("red fox/1.jpg.png", "red fox/1.jpg"),
        ("train/masks/1.png", "train/images/1.jpg"),
        ("masks/train/1.png", "images/train/1.jpg"),
        ("7/mask.png", "7/image.jpg"),
        ("11.png", "red fox/11.JPEG.jpg"),
        ("red fox/x.jpg.png", "red fox/x.png"),
        ("x_mask.png", "x.jpg"),
        ("x.JPEG_mask.png", "x.JPEG"),
        ("mask_7.png", "image_7.jpg"),
        ("gt-x.png", "x.jpg"),
        ("val_masks/x.png", "val_images/x.jpg"),
    ],
)
def test_spellings_of_one_name_match(tmp_path: Path, file: str, key: str) -> None:
    (paired,) = Png(root=str(masks(tmp_path, file))).attach([candidate(key)])
    assert paired.mask_uri is not None


def test_a_name_that_two_files_may_mean_matches_neither(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a/IMG.png", "A/img.png")
    paired = Png(root=str(folder)).attach([candidate("a/img.jpg"), candidate("A/img.jpg")])
    assert names(paired, folder) == [[], ["A/img.png"]]


def test_the_photograph_of_the_same_case_has_the_file(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a.png", "B_0.png", "c.png", "1.png")
    photos = [*map(candidate, ("A.jpg", "a.jpg", "sub/c.jpg", "c.jpg", "1.JPEG.jpg", "1.jpg"))]
    found = Png(root=str(folder))
    assert names(found.attach(photos), folder) == [[], ["a.png"], [], ["c.png"], [], ["1.png"]]
    assert any(note.startswith("3 annotations are not in") for note in found.notes())
    several = Png(root=str(folder), suffix="_*.png").attach([candidate("b.jpg"), candidate("B.jpg")])
    assert names(several, folder) == [[], ["B_0.png"]]


def test_names_that_agree_in_plain_form_only_are_noted_and_never_ambiguous(tmp_path: Path) -> None:
    folder = masks(tmp_path, "x_mask.png", "y_mask.png", "mask_y.png", "z.png", "z_mask.png")
    found = Png(root=str(folder))
    paired = found.attach(map(candidate, ("x.jpg", "y.jpg", "z.jpg", "mask.jpg")))
    assert names(paired, folder) == [["x_mask.png"], [], ["z.png"], []]
    assert any(note.startswith("1 photographs have annotations of another spelling: x.jpg") for note in found.notes())


def test_splits_are_found_by_the_folders_of_the_photograph(tmp_path: Path) -> None:
    folder = masks(tmp_path, "masks/val/x.png", "masks/train/x.png", "masks/train/y.png")
    photos = [
        candidate("x.jpg", "file:///any/data/val/x.jpg"),
        candidate("y.jpg", "file:///any/data/val/y.jpg"),  # the one of another split is not its own
        candidate("x.jpg", "file:///any/train_images/x.jpg"),
    ]
    found = Png(root=str(folder / "masks"))
    assert names(found.attach(photos), folder) == [["masks/val/x.png"], [], ["masks/train/x.png"]]


def test_the_folder_with_files_of_the_same_names_is_proposed(tmp_path: Path) -> None:
    folder = masks(tmp_path, "validation/x.png", "validation/y.png", "train/x.png")
    found = Png(root=str(folder))
    list(found.attach([candidate(name, f"file:///any/data/val/{name}") for name in ("x.jpg", "y.jpg")]))
    assert f"`root: {folder}/validation`" in found.notes()[0]


def test_masks_beside_photographs_go_to_these(tmp_path: Path) -> None:
    folder = masks(tmp_path, "x.jpg", "x_mask.png")
    photos = [candidate(key, (folder / key).as_uri()) for key in ("x.jpg", "x_mask.png")]
    assert names(Png(root=str(folder)).attach(photos), folder) == [["x_mask.png"], []]


def test_all_files_of_a_photograph_are_united(tmp_path: Path) -> None:
    folder = masks(tmp_path, "1_0.png", "1_1.png", "1_2_0.png", "2_mask.txt", "3_0.PNG")
    found = Png(root=str(folder), suffix="_*.png")
    paired = found.attach([candidate(f"{stem}.jpg") for stem in ("1", "1_2", "2", "3")])
    assert names(paired, folder) == [["1_0.png", "1_1.png"], ["1_2_0.png"], [], ["3_0.PNG"]]
    notes = found.notes()
    assert any("1 photographs have several" in note for note in notes)
    assert found.notes() == []


def test_a_folder_per_photograph(tmp_path: Path) -> None:
    folder = masks(tmp_path, "red fox/1/0.png", "red fox/1/1.png", "7/masks/b.png", "7/masks/c.png", "8/masks/b.png")
    paired = Png(root=str(folder), suffix="/*.png").attach(
        [candidate("red fox/1.jpg"), candidate("7/images/7.png"), candidate("8/images/x.png")]
    )
    assert names(paired, folder) == [
        ["red%20fox/1/0.png", "red%20fox/1/1.png"],
        ["7/masks/b.png", "7/masks/c.png"],
        ["8/masks/b.png"],
    ]


def test_names_may_begin_with_a_prefix(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a/mask_1.png", "a/1.png")
    assert names(Png(root=str(folder), prefix="mask_").attach([candidate("a/1.jpg")]), folder) == [["a/mask_1.png"]]


def test_notes_propose_a_name_and_count_what_is_left(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a/1_obj.png", "a/2_obj.png", "a/9.png")
    found = Png(root=str(folder))
    list(found.attach([candidate("a/1.jpg"), candidate("a/2.jpg"), candidate("a/9.jpg")]))
    looked, left = found.notes()
    assert "2 annotations" in looked
    assert 'suffix: "_obj.png"' in looked
    assert "2 files" in left
    assert "a/1_obj.png" in left


def test_photographs_in_the_folder_of_masks_are_not_left_over(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a/1.png", "a/1_mask.png")
    found = Png(root=str(folder), suffix="_mask.png")
    list(found.attach([candidate("a/1.png", (folder / "a/1.png").as_uri())]))
    assert found.notes() == []


def test_a_photograph_is_not_its_own_mask(tmp_path: Path) -> None:
    folder = masks(tmp_path, "a/1.png", "a/1_mask.png", "b/2.jpg", "b/2.png")
    found = Png(root=str(folder))
    photos = [candidate(key, (folder / key).as_uri()) for key in ("a/1.png", "a/1_mask.png", "b/2.jpg", "b/2.png")]
    assert names(found.attach(photos), folder) == [[], [], ["b/2.png"], []]
    (note,) = found.notes()
    assert "2 annotations" in note
    assert 'suffix: "_mask.png"' in note


def test_only_files_of_the_format_are_left_over(tmp_path: Path) -> None:
    for name in ("1.txt", "2.txt", "2.jpg", "data.yaml"):
        (tmp_path / name).write_bytes(b"")
    pairing = Pairing(str(tmp_path), ".txt")
    assert pairing.find(candidate("1.jpg")) == (tmp_path / "1.txt").as_uri()
    (left,) = pairing.notes()
    assert left.startswith("1 files")
    assert left.endswith("2.txt")


def test_a_suffix_of_many_asterisks_takes_no_time(tmp_path: Path) -> None:
    for name in (f"{'a_' * 60}1.png", "fox_a_b_c_d_e_f_x.png"):
        write_bytes(join(tmp_path.as_uri(), name), b"")
    (fox,) = Png(root=str(tmp_path), suffix="_*_*_*_*_*_*_x.png").attach([candidate("fox.jpg")])
    assert fox.mask_uri == (tmp_path / "fox_a_b_c_d_e_f_x.png").as_uri()
