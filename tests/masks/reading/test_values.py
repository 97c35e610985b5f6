from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.masks.base import AnnotationFile
from xray.masks.formats.png import Png
from xray.masks.reading.values import Decision, Numbers, Seen, decide, share_ignored

OBJECT = np.zeros((20, 30), bool)
OBJECT[5:15, 8:20] = True
BAND = np.zeros_like(OBJECT)
BAND[5:15, 8:10] = BAND[5:15, 18:20] = True
SHARED = OBJECT & ~BAND
SHARED[6:14, [9, 18]] = True  # ignored pixels that are nearer to the object
PHOTO = Decoded(np.zeros((20, 30, 3), np.uint8), None, ())
SOFT = np.where(OBJECT, np.linspace(140, 255, 30), np.linspace(0, 100, 30)).astype(np.uint8)


def saved(image: Any, format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, format)
    return stream.getvalue()


def labels(mask: np.ndarray, label: int, kind: Any = np.uint8) -> np.ndarray:
    return (mask * label).astype(kind)


def palette(mask: np.ndarray, label: int) -> Image.Image:
    image = Image.fromarray(labels(mask, label)).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    return image


def cut_out(mask: np.ndarray) -> np.ndarray:
    picture = np.random.default_rng(0).integers(0, 256, (*mask.shape, 3), dtype=np.uint8)
    return np.dstack([picture * mask[..., None], labels(mask, 255)]).astype(np.uint8)


def read(*images: bytes, **settings: Any) -> list[Any]:
    """Return the decided format, its notes, and the mask in each file."""
    files = [AnnotationFile(f"red fox/{k}.png", data, 30, 20) for k, data in enumerate(images)]
    png, notes = Png(root="masks", **settings).resolve(files)
    return [png, notes, *(png.read(data, PHOTO)[0] for data in images)]


@pytest.mark.parametrize(
    "image",
    [
        saved(labels(OBJECT, 255)),
        saved(labels(OBJECT, 1)),
        saved(Image.fromarray(OBJECT)),
        saved(labels(OBJECT, 2)),
        saved(labels(OBJECT, 26_001, np.uint16)),
        saved(labels(OBJECT, 65_535, np.uint16)),
        saved(palette(OBJECT, 3)),
        saved(np.where(OBJECT[..., None], (200, 30, 30), (0, 0, 0)).astype(np.uint8)),
        saved(cut_out(OBJECT)),
        saved(SOFT),
        saved(labels(OBJECT, 255), "GIF"),
        saved(labels(OBJECT, 255), "TIFF"),
        saved(labels(OBJECT, 255), "WEBP"),
        saved(labels(OBJECT, 255), "AVIF"),
    ],
    ids=["0 255", "0 1", "bits", "0 2", "instance", "16 bits", "palette", "colour", "cut-out", "soft", "gif", "tiff", "webp",
         "avif"],
)  # fmt: skip
def test_one_meaning_is_certain(image: bytes) -> None:
    _, notes, *masks = read(image, image)
    assert not any("ambiguous" in note or "invert" in note for note in notes)
    for mask in masks:
        assert np.array_equal(mask, OBJECT)


def test_an_ignored_band_is_shared_between_object_and_background() -> None:
    banded = np.where(BAND, 255, OBJECT).astype(np.uint8)
    png, notes, first, second = read(saved(banded), saved(labels(OBJECT, 1)))
    assert (png.values, png.ignore) == ((1,), (255,))
    assert "0, 1, 255" in notes[0]
    assert np.array_equal(first, SHARED)
    assert np.array_equal(second, OBJECT)


def test_labels_may_differ_between_files() -> None:
    png, _, *masks = read(*(saved(np.where(BAND, 255, labels(OBJECT, label)).astype(np.uint8)) for label in (8, 12)))
    assert (png.values, png.ignore) == ("label", (255,))
    assert all(np.array_equal(mask, SHARED) for mask in masks)


def test_settings_override_what_is_seen() -> None:
    trimap = saved(np.where(BAND, 3, np.where(OBJECT, 1, 2)).astype(np.uint8))
    assert np.array_equal(read(trimap, values=(1,))[2], OBJECT & ~BAND)
    assert np.array_equal(read(trimap, values=(1, 3))[2], OBJECT)
    assert np.array_equal(read(saved(labels(~OBJECT, 255)), invert=True)[2], OBJECT)
    assert not read(saved(labels(~OBJECT, 255)), invert=True)[1]


@pytest.mark.parametrize("values", [(1, 2, 3), (0, 1, 2), (0, 128, 255), (50, 200)])
def test_ambiguous_values_are_refused_and_named(values: tuple[int, ...]) -> None:
    image = np.resize(np.array(values, np.uint8), (20, 30))
    with pytest.raises(ConfigError) as caught:
        read(saved(image))
    assert ", ".join(map(str, values)) in str(caught.value)
    assert "red fox/0.png" in str(caught.value)


def test_a_photograph_is_no_mask() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    with pytest.raises(ConfigError, match="colour"):
        read(saved(photo), saved(photo))


def test_an_ambiguous_file_among_others_costs_only_itself() -> None:
    trimap = np.resize(np.array([1, 2, 3], np.uint8), (20, 30))
    files = [AnnotationFile(f"{k}.png", saved(image), 30, 20) for k, image in enumerate([trimap, labels(OBJECT, 2)])]
    png, notes = Png(root="masks").resolve(files)
    assert any("0.png" in note and "1, 2, 3" in note for note in notes)
    assert np.array_equal(png.read(files[1].data, PHOTO)[0], OBJECT)
    with pytest.raises(Rejected) as caught:
        png.read(files[0].data, PHOTO)
    assert caught.value.reason == "mask_ambiguous"


def test_masks_of_another_size_are_noted_with_both_sizes() -> None:
    _, notes = Png(root="masks").resolve([AnnotationFile("1.png", saved(labels(OBJECT, 255)), 60, 40)])
    assert any("30×20" in note and "60×40" in note for note in notes)


def test_damaged_files_do_not_decide() -> None:
    png, notes = Png(root="masks").resolve([AnnotationFile("1.png", b"PK", 30, 20)])
    assert (png.values, notes) == ("brightness", [])  # type: ignore[attr-defined]


def test_decisions_do_not_depend_on_order() -> None:
    seen = [Seen("a", (0, 1), False, False), Seen("b", (0, 1, 255), False, False), Seen("c", (0, 255), False, False)]
    assert decide(seen) == decide(seen[::-1])
    assert decide([]) == Decision("brightness")


def test_colours_that_are_nearly_grey_are_grey() -> None:
    grey = np.dstack([labels(OBJECT, 250), labels(OBJECT, 255), labels(OBJECT, 248)])
    assert not Numbers.of(Image.fromarray(grey)).colours


def test_a_large_mask_is_decided_from_some_of_its_pixels() -> None:
    large = np.kron(np.where(BAND, 255, OBJECT).astype(np.uint8), np.ones((101, 101), np.uint8))
    png, notes = Png(root="masks").resolve([AnnotationFile("1.png", saved(large), 3030, 2020)])
    assert (png.values, png.ignore) == ((1,), (255,))  # type: ignore[attr-defined]
    assert len(notes) == 1


def test_an_ignored_band_is_shared_in_inverted_masks_too() -> None:
    image = saved(np.where(BAND, 255, ~OBJECT).astype(np.uint8))
    assert np.array_equal(read(image, values=(1,), ignore=(255,), invert=True)[2], SHARED)


def test_a_band_along_the_outline_gives_the_outline_back_and_a_large_region_nothing() -> None:
    true = cv2.ellipse(np.zeros((200, 300), np.uint8), ((150, 100), (120, 80), 20), 1, -1)
    band = cv2.dilate(true, np.ones((5, 5))) - cv2.erode(true, np.ones((5, 5)))
    mask = share_ignored((true - band * true) > 0, band > 0)
    assert np.count_nonzero(mask & (true > 0)) / np.count_nonzero(mask | (true > 0)) > 0.97
    object_HW, region_HW = np.zeros((2, 200, 300), bool)
    object_HW[50:150, 50:100], region_HW[50:150, 100:250] = True, True
    assert np.count_nonzero(share_ignored(object_HW, region_HW)) <= np.count_nonzero(object_HW) + 8 * 100


def resolved(*images: bytes, **settings: Any) -> tuple[Png, list[str]]:
    files = (AnnotationFile(f"{k}.png", data, 30, 20) for k, data in enumerate(images))
    png, notes = Png(root="masks", **settings).resolve(files)
    return png, notes


def test_one_inverted_mask_among_hundreds_is_named() -> None:
    right, wrong = labels(OBJECT, 255), labels(~OBJECT, 255)
    framed = np.pad(wrong[1:-1, 1:-1], 1)
    for odd in (wrong, framed):
        _, notes = resolved(*[saved(right)] * 100, saved(odd), *[saved(right)] * 99)
        assert any("1 of 200 cover the borders" in note and "100.png" in note for note in notes)
    _, notes = resolved(*[saved(wrong)] * 20, saved(right), invert=True)
    assert any("1 of 21 cover the borders" in note and "20.png" in note for note in notes)
    for same in (right, wrong):  # if all do, the review of the masks says so
        assert not any("borders" in note for note in resolved(*[saved(same)] * 20)[1])


def test_borders_of_labels_cut_outs_and_ignored_frames() -> None:
    banded = [saved(np.where(BAND, 255, OBJECT).astype(np.uint8))] * 5
    void = labels(OBJECT, 1)
    void[[0, -1]] = void[:, [0, -1]] = 255
    _, notes = resolved(*banded, saved(void))
    assert not any("borders" in note for note in notes)
    _, notes = resolved(*banded, saved(labels(~OBJECT, 1)))
    assert any("1 of 6 cover the borders" in note for note in notes)
    _, notes = resolved(*[saved(cut_out(OBJECT))] * 5, saved(cut_out(~OBJECT)))
    assert any("1 of 6 cover the borders" in note for note in notes)


def test_a_file_of_other_values_among_hundreds_costs_only_itself() -> None:
    three = OBJECT.astype(np.uint8)
    three[:3] = 2
    png, notes = resolved(*[saved(labels(OBJECT, 1))] * 150, saved(three), *[saved(labels(OBJECT, 1))] * 149)
    assert any("1 of 300 masks are ambiguous: 150.png has 0, 1, 2" in note for note in notes)
    assert np.array_equal(png.read(saved(labels(OBJECT, 1)), PHOTO)[0], OBJECT)
    with pytest.raises(Rejected) as caught:
        png.read(saved(three), PHOTO)
    assert caught.value.reason == "mask_ambiguous"


@pytest.mark.parametrize(
    ("image", "settings", "seen"),
    [
        (labels(OBJECT, 7), {"values": (1,)}, "0, 7, and the object has 1"),
        (labels(OBJECT, 90), {"values": "brightness"}, "0, 90, and the object is above half"),
        (np.dstack([labels(OBJECT, 200), *[labels(OBJECT, 0)] * 2]), {"values": "brightness"}, "0xc80000"),
    ],
)
def test_a_mask_without_the_object_says_what_it_has(image: np.ndarray, settings: Any, seen: str) -> None:
    with pytest.raises(Rejected) as caught:
        Png(root="masks", **settings).read(saved(image), PHOTO)
    assert (caught.value.reason, seen in caught.value.detail) == ("mask_empty", True)


def test_the_advice_names_values_of_the_file_that_it_names() -> None:
    trimap = np.resize(np.array([1, 2, 3], np.uint8), (20, 30))
    _, notes = resolved(saved(trimap), saved(labels(OBJECT, 2)), saved(labels(OBJECT, 26001, np.uint16)))
    assert any("`values: [1]`" in note and "`ignore: [3]`" in note for note in notes)
    assert not any("borders" in note for note in notes)  # it is rejected
