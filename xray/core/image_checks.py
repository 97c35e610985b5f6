"""Bounds on the work that a damaged or hostile image file can make: the decoders of Pillow and libjpeg have none.

The parsers of headers in Pillow go through junk byte by byte, in Python. They read from a `BoundedFile`, which counts
what they read instead of seconds, so that a file always has the same verdict. What counting cannot bound is looked for
in the file itself.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator

from xray.core.errors import Rejected

_HEADER_READS, _HEADER_BYTES = 20_000, 64_000_000
_PIXEL_READS = 4_000_000
_MAX_VALUES = 250_000
"""Of a tag of a TIFF that is no text or bytes; Pillow makes a Python object of each."""
_MAX_TILE = 64_000_000
_MAX_EXIF, _MAX_SEGMENTS, _MAX_DIRECTORIES = 8, 64, 4
_MAX_SCANS, _MAX_SCANNED = 32, 1_000_000_000
_MAX_PROFILES, _MAX_CHUNKS = 2, 1000
_MAX_WIDTH, _MAX_RUNS = 65_535, 16_000_000
_MAX_BLOCKS = 2_000_000
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMS = {
    b"II*\0": ("<", "I", "H", "HHI4s", 4), b"MM\0*": (">", "I", "H", "HHI4s", 4),
    b"II+\0": ("<", "Q", "Q", "HHQ8s", 8), b"MM\0+": (">", "Q", "Q", "HHQ8s", 8),
}  # fmt: skip
"""How a TIFF is laid out, by its first bytes: byte order, types of an offset, a count and an entry, first offset."""
_TEXT = (1, 2, 6, 7)  # byte, ASCII, signed byte, undefined: Pillow keeps them as bytes
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value by type."""
_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS, interoperability
_BLOCK = re.compile(b"[,!;]")
_BASELINE = (b"\xff\xc0", b"\xff\xc1")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TILE_WIDTH, _TILE_LENGTH = 322, 323


class BoundedFile(io.BytesIO):
    """An image file in memory that is read a bounded number of times, first its header, then its pixels."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads, self._bytes = _HEADER_READS, _HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as `io.BytesIO.read`.

        Raises:
            Rejected: corrupt_image, after too many reads; too_large, after too many bytes in parts.
        """
        data = super().read(size)
        self._reads -= 1
        if size is not None and size >= 0:
            self._bytes -= len(data)
        if self._reads < 0:
            raise Rejected("corrupt_image", f"junk, or needlessly many parts: {self.tell():,} bytes in")
        if self._bytes < 0:
            raise Rejected("too_large", f"more than {_HEADER_BYTES // 1_000_000} MB of metadata")
        return data

    def begin_pixels(self) -> None:
        """Allow what the pixels of the largest image need."""
        self._reads, self._bytes = _PIXEL_READS, 1 << 62


def check_structure(data: bytes) -> None:
    """Refuse a file whose header alone would take much memory or time.

    Raises:
        Rejected: corrupt_image, too_large, too_many_pixels.
    """
    if data.startswith(_TIFF):
        _check_directories(data)
    elif data.startswith(b"\xff\xd8\xff"):
        _check_directories(_exif_of_jpeg(data))
    elif data.startswith(b"BM"):
        _check_bmp(data)
    else:
        if data.startswith(b"RIFF"):
            _check_riff(data)
        if data.startswith(b"\x89PNG") and data.count(b"iCCP") > _MAX_PROFILES:
            raise Rejected("corrupt_image", f"more than {_MAX_PROFILES} colour profiles")
        for start in _places(data, _TIFF):
            _check_directories(memoryview(data)[start:])


def _check_riff(data: bytes) -> None:
    """Check the number of chunks of a WebP, of which libwebp makes a list that it walks again for each."""
    at, chunks = 12, 0
    while at + 8 <= len(data):
        size, chunks = _number(data, "<I", at + 4), chunks + 1
        if chunks > _MAX_CHUNKS:
            raise Rejected("corrupt_image", f"more than {_MAX_CHUNKS:,} chunks")
        at += 8 + size + size % 2


def _check_bmp(data: bytes) -> None:
    """Check the size of a run-length encoded BMP, which Pillow decodes in Python, and some bytes can stand for many."""
    width, height, compression = (_number(data, form, at) for form, at in (("<i", 18), ("<i", 22), ("<I", 30)))
    if compression in (1, 2) and (abs(width) > _MAX_WIDTH or abs(width * height) > _MAX_RUNS):
        raise Rejected("too_many_pixels", f"{width}×{height} in a run-length encoded BMP, at most {_MAX_RUNS:,}")


def _places(data: bytes, needles: tuple[bytes, ...]) -> list[int]:
    """Return where EXIF may begin."""
    found: list[int] = []
    for needle in needles:
        at = data.find(needle)
        while at >= 0:
            found.append(at)
            if len(found) > _MAX_EXIF:
                raise Rejected("corrupt_image", f"more than {_MAX_EXIF} EXIF records")
            at = data.find(needle, at + 1)
    return found


def _exif_of_jpeg(data: bytes) -> bytes:
    """Return the EXIF of a JPEG, whose segments of at most 64 kB Pillow joins."""
    exif, at = [], 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"\xda", b""):
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            exif.append(data[at + 10 : at + 2 + size])
            if len(exif) > _MAX_SEGMENTS:
                raise Rejected("too_large", f"more than {_MAX_SEGMENTS} segments of EXIF")
        at += 2 + max(size, 2)
    return b"".join(exif)


def _check_directories(data: bytes | memoryview) -> None:
    """Check the first directory of a TIFF or of EXIF, and those it leads to, which Pillow reads whole."""
    form = _FORMS.get(bytes(data[:4]))
    if form is None:
        return
    order, offset, count, entry, head = form
    starts, known, size = [_number(data, order + offset, head)], 0, struct.calcsize(order + entry)
    while known < len(starts) <= _MAX_DIRECTORIES:
        start = starts[known]
        entries = _number(data, order + count, start)
        start += struct.calcsize(order + count)
        tags = data[start : start + entries * size]
        found = list(struct.iter_unpack(order + entry, tags[: len(tags) // size * size]))
        ends = [len(data) - _number(raw, order + offset, 0) for _, _, _, raw in found]
        _check_values([(*tag[:3], left) for tag, left in zip(found, ends, strict=True)])
        _check_tiles([(tag, _number(raw, order + ("H" if kind == 3 else "I"), 0)) for tag, kind, _, raw in found])
        starts += [_number(raw, order + "I", 0) for tag, _, _, raw in found if tag in _DIRECTORIES]
        known += 1


def _number(data: bytes | memoryview, form: str, at: int) -> int:
    """Return the number at a place, 0 beyond the end: Pillow notices."""
    return int(struct.unpack_from(form, data, at)[0]) if at + struct.calcsize(form) <= len(data) else 0


def _check_values(tags: list[tuple[int, int, int, int]]) -> None:
    """Check tags: number, type, number of values, and bytes from where they are to the end.

    Pillow leaves out values that go beyond the end, as damaged EXIF often has them, once it has read what is there.
    """
    read = 0
    for tag, kind, values, left in tags:
        size = values * _SIZES.get(kind, 1)
        read += min(size, max(left, 0))
        if read > _HEADER_BYTES:
            raise Rejected("too_large", f"more than {_HEADER_BYTES // 1_000_000} MB of metadata")
        if kind not in _TEXT and _MAX_VALUES * _SIZES.get(kind, 1) < size <= left:
            raise Rejected("corrupt_image", f"{values:,} values of the TIFF tag {tag}")


def _check_tiles(values: list[tuple[int, int]]) -> None:
    tile = {tag: value for tag, value in values if tag in (_TILE_WIDTH, _TILE_LENGTH)}
    width, length = tile.get(_TILE_WIDTH, 1), tile.get(_TILE_LENGTH, 1)
    if width * length > _MAX_TILE:
        raise Rejected("corrupt_image", f"tiles of {width}×{length} pixels")


def check_scans(data: bytes, pixels: int) -> None:
    """Refuse a JPEG that paints its pixels many times; those of cameras and the web have at most 20 scans.

    Raises:
        Rejected: corrupt_image.
    """
    scans, at, components = 0, 2, 0
    while (marker := _MARKER.search(data, at)) is not None and marker[0] != b"\xff\xd9":
        at = marker.end()
        if marker[0] in _BASELINE:
            components = int.from_bytes(data[at + 7 : at + 8], "big")
        if marker[0] == b"\xff\xda":
            scans += 1
            if 0 < components <= int.from_bytes(data[at + 2 : at + 3], "big"):
                return  # all that there is, decoded as it is read
            if scans > _MAX_SCANS and scans * pixels > _MAX_SCANNED:
                raise Rejected("corrupt_image", f"more than {scans - 1} scans")
        elif marker[0] not in (b"\xff\x01", b"\xff\xd8"):
            at += int.from_bytes(data[at : at + 2], "big")


def is_animated_gif(data: bytes) -> bool:
    """Return whether a GIF has a second frame, by its blocks; Pillow would collect all comments on its way.

    Raises:
        Rejected: corrupt_image: a needless number of blocks.
    """
    at, frames, steps = 13 + _palette(data[10:11]), 0, 0
    while (block := _BLOCK.search(data, at)) is not None and block[0] != b";":
        at = block.end() + 1
        if block[0] == b",":
            frames += 1
            if frames > 1:
                return True
            at += 9 + _palette(data[at + 7 : at + 8])
        while at < len(data):
            length, steps = data[at], steps + 1
            if steps > _MAX_BLOCKS:
                raise Rejected("corrupt_image", f"more than {_MAX_BLOCKS:,} blocks")
            at += length + 1
            if not length:
                break
    return False


def _palette(flags: bytes) -> int:
    """Return the bytes of a GIF's palette."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def check_heif_items(data: bytes) -> None:
    """Refuse a HEIF file with an item whose type or name is no text: pi-heif makes text of it, and crashes.

    Raises:
        Rejected: corrupt_image.
    """
    for box in _boxes(data):
        for infe in re.finditer(b"infe", box) if box[4:8] == b"meta" else ():
            start, size = infe.start() - 4, int.from_bytes(box[infe.start() - 4 : infe.start()])
            id_bytes = 4 if box[infe.end() : infe.end() + 1] == b"\3" else 2
            try:
                box[infe.end() + 4 + id_bytes + 2 : start + max(size, 16 + id_bytes)].decode()
            except UnicodeDecodeError as error:
                raise Rejected(
                    "corrupt_image", "an item of the HEIF file has a type or name that is no text"
                ) from error


def _boxes(data: bytes) -> Iterator[bytes]:
    """Yield the boxes of an ISO base media file: their size, type and content."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4]) or len(data)
        size = int.from_bytes(data[at + 8 : at + 16]) if size == 1 else size
        if size < 8:
            return
        yield data[at : at + size]
        at += size
