from __future__ import annotations

import pytest
from support.mask_inputs import candidate

from xray.sources.image_names import ImageNames, path_of


def match(names: list[str], *keys: str, uri: str = "file:///photos/none.jpg") -> list[int | None]:
    return ImageNames([path_of(name) for name in names]).match([candidate(key, uri=uri) for key in keys])


@pytest.mark.parametrize(
    "name",
    [
        "images\\a\\fox.jpg",
        "C:\\Users\\me\\fox.jpg",
        "../../fox.jpg",
        "https://host/b/fox.jpg?X-Token=a/b",
        "s3://bucket/fox.jpg",
        "/data/upload/4/8a7bcdef-fox.jpg",
        "/data/local-files/?d=photos%2Ffox.jpg",
        "data/local-files/?d=fox.jpg",
        "fox.jpg?token=1",
        "FOX.JPG",
        "fox.jpeg",
        "fox_png.rf.0a1b2c3d.jpg",
        "./fox.jpg ",
    ],
)
def test_names_of_tools_are_understood(name: str) -> None:
    assert match([name, "wolf.jpg"], "red fox/fox.jpg") == [0]


def test_letters_that_look_alike_and_percent_encoding_are_the_same() -> None:
    assert match(["u\u0308ber.jpg"], "\u00fcber.jpg") == [0]
    assert match(["a b.jpg"], "a%20b.jpg") == [0]
    assert match(["a%20b.jpg"], "a b.jpg") == [0]


def test_folders_decide_between_images_of_one_name() -> None:
    names = ["red fox\\1.jpg", "cello\\1.jpg"]
    assert match(names, "red fox/1.jpg", "cello/1.jpg", "1.jpg") == [0, 1, None]
    assert match(names, "1.jpg", uri="file:///data/red%20fox/1.jpg") == [0]
    assert match(["1.jpg", "1.JPG"], "1.jpg", "1.JPG") == [0, 1]


def test_one_image_belongs_to_the_photograph_whose_folders_agree_best() -> None:
    assert match(["cello/1.jpg"], "red fox/1.jpg", "cello/1.jpg") == [None, 0]
    assert match(["1.jpg"], "red fox/1.jpg", "cello/1.jpg") == [0, 0]  # the plan says that they share it
    assert match(["", "/", ".."], "1.jpg") == [None]


def test_names_without_suffix_may_have_dots() -> None:
    names = ["fox_jpg.rf.0a1b", "fox_jpg.rf.9c8d", "v1.2"]
    assert match(names, "fox_jpg.rf.9c8d.jpg", "fox_jpg.rf.0a1b.jpg", "v1.2.png") == [1, 0, 2]


def test_folders_that_only_say_a_kind_do_not_divide_splits() -> None:
    names = ["train/labels/1", "valid/labels/1"]
    assert match(names, "valid/images/1.jpg", "train/images/1.jpg") == [1, 0]
    assert match(["images/1.jpg", "photos/1.jpg"], "photos/1.jpg", "images/1.jpg", uri="file:///set/x.jpg") == [1, 0]


def test_the_photograph_with_the_exact_name_has_the_image() -> None:
    assert match(["a/1.jpg"], "a/1.png", "a/1.jpg") == [None, 0]
