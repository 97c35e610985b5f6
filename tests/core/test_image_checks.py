from __future__ import annotations

import io
import struct
import time
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from xray.core.errors import Rejected
from xray.core.image_checks import BoundedFile, check_scans, is_animated_gif
from xray.core.images import decode, read_header

PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8))


def saved(format: str, image: Image.Image = PHOTO, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        decode(data)
    return caught.value.reason


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes) -> bytes:
    data = saved("PNG")
    end = data.index(b"IDAT") - 4
    return data[:end] + b"".join(chunks) + data[end:]


def directory(tags: list[tuple[int, int, int, int]], start: int = 8, next: int = 0) -> bytes:
    """Return a directory of a TIFF: tags with type, number and value, and where the next directory is."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return struct.pack("<H", len(tags)) + entries + struct.pack("<I", next)


def tiff(tags: list[tuple[int, int, int, int]], rest: bytes = b"") -> bytes:
    return b"II*\0" + struct.pack("<I", 8) + directory(tags) + rest


GREY = [(256, 4, 1, 64), (257, 4, 1, 64), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
STRIP = [(273, 4, 1, 200), (278, 4, 1, 64), (279, 4, 1, 64 * 64)]
OVERLAPPING = tiff([(0x9000 + number, 7, 900_000, 8) for number in range(5000)], bytes(1_000_000))
"""EXIF of 1 MB whose tags share their bytes: Pillow would copy 4.5 GB."""


def test_a_plain_tiff_passes() -> None:
    assert decode(tiff([*GREY, *STRIP], bytes(78 + 64 * 64))).image.shape == (64, 64, 3)


def second_page_without_size() -> bytes:
    data = bytearray(saved("TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    struct.pack_into("<I", data, start + 2 + 12 * count, len(data))
    return bytes(data) + directory([(257, 3, 1, 64)])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (second_page_without_size, "animated_image"),
        (lambda: tiff([*GREY[1:], *STRIP], bytes(5000)), "corrupt_image"),  # no width: TypeError of Pillow
        (lambda: tiff([(256, 5, 1, 200), *GREY[1:], *STRIP], bytes(5000)), "corrupt_image"),  # a rational width
        (lambda: tiff([(256, 11, 1, 0x42800000), *GREY[1:], *STRIP], bytes(5000)), "corrupt_image"),  # a float
        (lambda: tiff([*GREY, (322, 4, 1, 40_000), (323, 4, 1, 50_000), (324, 4, 1, 8)]), "corrupt_image"),
        (lambda: tiff([*GREY, (273, 4, 1_500_000, 200), *STRIP[1:]], bytes(6_100_000)), "corrupt_image"),
        (lambda: tiff([*GREY, *[(60_000, 7, 900_000, 8)] * 100], bytes(1_000_000)), "too_large"),
        (lambda: png_with(chunk(b"eXIf", OVERLAPPING)), "too_large"),
        (lambda: saved("WEBP", exif=OVERLAPPING), "too_large"),
        (lambda: png_with(*[chunk(b"iCCP", b"c\0\0" + zlib.compress(bytes(1000)))] * 9), "corrupt_image"),
        (lambda: png_with(*[chunk(b"abCd", b"")] * 10_000), "corrupt_image"),
        (lambda: png_with(chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\n" * 200_000))), "too_large"),
        (lambda: b"BM" + bytes(16) + struct.pack("<iiHHI", 2_000_000, 32, 1, 8, 1) + bytes(2000), "too_many_pixels"),
        (lambda: saved("WEBP", exif=bytes(20)) + b"abcd\0\0\0\0" * 100_000, "corrupt_image"),
        (lambda: b"\xff\xd8\xff" + bytes(2_000_000), "corrupt_image"),
        (lambda: b"\xff\xd8" + b"\xff" * 2_000_000, "corrupt_image"),
        (lambda: b"\xff\xd8" + b"\xff\xe5\0\2" * 500_000, "corrupt_image"),
        (lambda: b"\xff\xd8" + (b"\xff\xe1\0\x10Exif\0\0" + bytes(8)) * 100, "too_large"),
    ],
)  # fmt: skip
def test_headers_that_cost_much_are_refused_at_once(make: Callable[[], bytes], expected: str) -> None:
    data, started = make(), time.process_time()
    assert reason(data) == expected
    assert time.process_time() - started < 1


def test_exif_in_several_segments_of_a_jpeg_counts_as_one() -> None:
    data = saved("JPEG")
    parts = [OVERLAPPING[start : start + 60_000] for start in range(0, len(OVERLAPPING), 60_000)]
    segments = [b"\xff\xe1" + struct.pack(">H", len(part) + 8) + b"Exif\0\0" + part for part in parts]
    assert reason(data[:2] + b"".join(segments) + data[2:]) == "too_large"


@pytest.mark.filterwarnings("ignore:Truncated File Read")
def test_exif_that_ends_early_is_no_reason_to_refuse() -> None:
    exif = tiff([(0x0112, 3, 1, 6), (0x927C, 7, 4_000_000_000, 100), (0x9286, 3, 100_000_000, 60)])
    assert decode(png_with(chunk(b"eXIf", exif))).orientation == 6


def test_files_are_read_a_bounded_number_of_times() -> None:
    file = BoundedFile(bytes(30_000))
    with pytest.raises(Rejected) as caught:
        list(iter(lambda: file.read(1), b""))
    assert (caught.value.reason, file.tell()) == ("corrupt_image", 20_001)
    file.begin_pixels()
    assert len(file.read(9000)) == 9000


def scans(number: int) -> bytes:
    data = saved("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * number + b"\xff\xd9"


def test_a_jpeg_of_many_scans_is_refused_by_its_size() -> None:
    assert decode(saved("JPEG", progressive=True)).image.shape == (64, 48, 3)
    check_scans(scans(100), 1_000_000)
    check_scans(scans(15), 64_000_000)
    with pytest.raises(Rejected) as caught:
        check_scans(scans(100), 64_000_000)
    assert caught.value.reason == "corrupt_image"
    video = saved("JPEG") + b"\xff\xda" * 5000  # what follows the image is none of it
    check_scans(video, 64_000_000)


def test_the_frames_of_a_gif() -> None:
    one, palette = saved("GIF", PHOTO.convert("P")), saved("GIF", PHOTO.convert("L"))
    assert not is_animated_gif(one)
    assert not is_animated_gif(palette + bytes(1000))
    assert not is_animated_gif(one[:-1])
    assert not is_animated_gif(one[:-20])
    assert is_animated_gif(saved("GIF", save_all=True, append_images=[PHOTO.rotate(90)]))
    with pytest.raises(Rejected):
        is_animated_gif(one[:-1] + b"!\xfe" + b"\x01c" * 2_100_000 + b"\0;")
    with pytest.raises(Rejected):
        is_animated_gif(one[:-1] + b"!\xfe\0" * 2_100_000)
    started = time.process_time()
    read_header(one[:-1] + b"!\xfe" + (b"\xff" + b"c" * 255) * 100_000 + b"\0;")  # 25 MB of comments
    assert time.process_time() - started < 1
