from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFilter

from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded
from xray.masks.base import AnnotationFile
from xray.masks.formats.png import Png

OBJECT = np.zeros((40, 60), bool)
OBJECT[10:30, 16:40] = True
BAND = np.zeros_like(OBJECT)
BAND[10:30, 16:20] = BAND[10:30, 36:40] = True
PHOTO = Decoded(np.zeros((40, 60, 3), np.uint8), None, ())
WHITE = (OBJECT * 255).astype(np.uint8)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def saved(image: Any, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, format, **options)
    return stream.getvalue()


def resolve(*images: bytes) -> Any:
    return Png(root="masks").resolve([AnnotationFile(f"{k}.png", data, 60, 40) for k, data in enumerate(images)])[0]


def palette(*colours: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (60, 40))
    image.putdata(OBJECT.ravel().astype(int).tolist())
    image.putpalette([value for colour in colours for value in colour])
    return image


def with_alpha(alpha: Any) -> np.ndarray:
    return np.dstack([WHITE, WHITE, WHITE, np.broadcast_to(np.uint8(alpha), OBJECT.shape)])


SOFT = np.asarray(Image.fromarray(WHITE).filter(ImageFilter.GaussianBlur(1)))


@pytest.mark.parametrize(
    "image",
    [
        saved(palette((0, 0, 0), (0, 0, 0))),
        saved(Image.fromarray(OBJECT.astype(np.float32)), "TIFF"),
        saved(Image.fromarray(SOFT.astype(np.float32) / 255), "TIFF"),
        saved(Image.fromarray(np.where(OBJECT, 1, np.nan).astype(np.float32)), "TIFF"),
        saved(with_alpha(0)),
        saved(with_alpha(100)),
        saved(with_alpha(OBJECT * 100)),
    ],
    ids=["black palette", "float", "soft float", "NaN", "invisible", "faint", "overlay"],
)
def test_one_meaning_is_certain(image: bytes) -> None:
    mask = resolve(image, image).read(image, PHOTO)[0]
    assert np.count_nonzero(mask ^ OBJECT) < 5  # soft corners are cut


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (saved(np.asarray(Image.fromarray(WHITE).filter(ImageFilter.GaussianBlur(3))) // 4), "from 0 to 6"),
        (saved(SOFT.astype(np.uint16) * 16), "from 0 to 4080"),
        (saved(np.where(OBJECT, 255, 254).astype(np.uint8)), "254, 255"),
        (saved(NOISE[:, :, 0] // 2 + 64), "from 64 to 191"),
    ],
    ids=["faint", "12 bits", "254 and 255", "grey photograph"],
)
def test_what_brightness_cannot_tell_is_refused_with_its_values(image: bytes, seen: str) -> None:
    with pytest.raises(ConfigError, match=seen):
        resolve(image, image)


def test_blue_is_a_label_and_not_255() -> None:
    image = saved(np.where(BAND[..., None], (0, 0, 255), OBJECT[..., None] * (255, 0, 0)).astype(np.uint8))
    with pytest.raises(ConfigError, match="0x0000ff"):
        resolve(image, image)


@pytest.mark.parametrize(
    "odd",
    [
        saved(np.where(BAND, 255, OBJECT).astype(np.uint8)),
        saved(np.dstack([NOISE, WHITE])),
        saved(NOISE),
        saved(NOISE[:, :, 0] // 2 + 64),
    ],
    ids=["labels with a band", "cut-out", "photograph", "grey photograph"],
)
def test_a_file_unlike_the_others_costs_only_itself(odd: bytes) -> None:
    white = saved(WHITE)
    for png in (resolve(white, white, white), resolve(white, white, odd)):  # in the sample, or not
        assert np.array_equal(png.read(white, PHOTO)[0], OBJECT)
        with pytest.raises(Rejected) as caught:
            png.read(odd, PHOTO)
        assert caught.value.reason == "mask_ambiguous"


def test_a_soft_mask_among_labels_does_not_make_them_brightness() -> None:
    banded = saved(np.where(BAND, 255, OBJECT).astype(np.uint8))
    png = resolve(banded, banded, saved(SOFT))
    mask = png.read(banded, PHOTO)[0]
    assert np.array_equal(mask & ~BAND, OBJECT & ~BAND)
    assert not (mask & ~OBJECT).any()
    with pytest.raises(Rejected):
        png.read(saved(SOFT), PHOTO)


@pytest.mark.parametrize("format", ["TIFF", "GIF", "PNG", "WEBP"])
def test_several_pages_are_refused(format: str) -> None:
    data = saved(WHITE, format, save_all=True, append_images=[Image.fromarray(255 - WHITE)])
    with pytest.raises(Rejected) as caught:
        Png(root="masks").read(data, PHOTO)
    assert caught.value.reason == "mask_ambiguous"


@pytest.mark.parametrize(("orientation", "turned"), [(3, WHITE[::-1, ::-1]), (8, np.rot90(WHITE, -1))])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_orientation_of_a_mask_is_applied(orientation: int, turned: np.ndarray, format: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    marked = turned.copy()
    marked[: len(marked) // 2] = 0  # not symmetric
    upright = np.rot90(marked, 2 if orientation == 3 else 1) > 127
    mask, _ = Png(root="masks").read(saved(np.ascontiguousarray(marked), format, exif=exif), PHOTO)
    assert mask.shape == OBJECT.shape
    assert (mask ^ upright).mean() < 0.02
