"""Changes of image files: blind ones, and ones of fields whose meaning the format gives, with checksums put right."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np

Draw = np.random.Generator
INTERESTING = (0, 1, 2, 3, 7, 8, 255, 256, 32767, 32768, 65535, 65536, 1 << 24, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_SIZES = ((">H", 0xFFFF), ("<H", 0xFFFF), (">I", 0xFFFFFFFF), ("<I", 0xFFFFFFFF), ("B", 0xFF))


def place(data: bytes | bytearray, draw: Draw) -> int:
    """Choose a place in a file, often in its first 256 bytes, where headers are."""
    end = max(1, len(data))
    return int(draw.integers(min(end, 256) if draw.random() < 0.5 else end))


def flip_bits(data: bytes, draw: Draw) -> bytes:
    changed = bytearray(data)
    for _ in range(int(draw.integers(1, 9))):
        if changed:
            changed[place(changed, draw)] ^= 1 << int(draw.integers(8))
    return bytes(changed)


def fill_run(data: bytes, draw: Draw) -> bytes:
    start, size = place(data, draw), int(2 ** (draw.random() * 10))
    filling = (bytes(size), b"\xff" * size, draw.bytes(size))[int(draw.integers(3))]
    return data[:start] + filling + data[start + size :]


def truncate(data: bytes, draw: Draw) -> bytes:
    return data[: place(data, draw)]


def remove_or_repeat(data: bytes, draw: Draw) -> bytes:
    start, size = place(data, draw), int(2 ** (draw.random() * 10))
    block = data[start : start + size]
    return data[:start] + block * int(draw.choice([0, 2, 9, 200])) + data[start + size :]


def set_number(data: bytes, draw: Draw) -> bytes:
    changed, (form, mask) = bytearray(data), _SIZES[int(draw.integers(len(_SIZES)))]
    start = place(changed, draw)
    if start + struct.calcsize(form) <= len(changed):
        struct.pack_into(form, changed, start, number(draw) & mask)
    return bytes(changed)


def number(draw: Draw) -> int:
    """Draw a number at the edge of a type, or a small one."""
    return int(draw.choice(INTERESTING)) if draw.random() < 0.7 else int(draw.integers(1 << 12))


def splice(data: bytes, other: bytes, draw: Draw) -> bytes:
    return data[: place(data, draw)] + other[place(other, draw) :]


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the types and contents of the chunks of a PNG."""
    chunks, at = [], 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return chunks


def join_png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Write a PNG whose checksums are right."""
    parts = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def change_png(data: bytes, draw: Draw) -> bytes:
    """Change one chunk, also what is compressed in it, or the order of chunks."""
    chunks = png_chunks(data)
    if not chunks:
        return data
    at = int(draw.integers(len(chunks)))
    kind, body = chunks[at]
    way = int(draw.integers(5))
    if way == 0:
        chunks[at : at + 1] = [chunks[at]] * int(draw.choice([0, 2, 50]))
    elif way == 1:
        chunks.insert(int(draw.integers(len(chunks))), chunks.pop(at))
    elif way == 2:
        kinds = (
            b"IDAT",
            b"PLTE",
            b"tRNS",
            b"iCCP",
            b"zTXt",
            b"iTXt",
            b"eXIf",
            b"acTL",
            b"fcTL",
            b"fdAT",
            b"gAMA",
            b"IEND",
        )
        chunks[at] = (kinds[int(draw.integers(len(kinds)))], body)
    elif way == 3 and kind in (b"IDAT", b"zTXt", b"iCCP"):
        start = 0 if kind == b"IDAT" else body.find(b"\0") + 2
        try:
            chunks[at] = (kind, body[:start] + zlib.compress(blind(zlib.decompress(body[start:]), draw)))
        except zlib.error:
            chunks[at] = (kind, blind(body, draw))
    else:
        chunks[at] = (kind, blind(body, draw) if kind != b"IHDR" else set_number(body, draw))
    return join_png(chunks)


def change_tiff(data: bytes, draw: Draw) -> bytes:
    """Change an entry of a directory of a TIFF, or of the EXIF in another file: its tag, type, number or value."""
    starts = [data.find(magic) for magic in (b"II*\0", b"MM\0*")]
    base = max(starts)
    if base < 0:
        return set_number(data, draw)
    order = "<" if data[base : base + 2] == b"II" else ">"
    changed = bytearray(data)
    try:
        (offset,) = struct.unpack_from(order + "I", changed, base + 4)
        (count,) = struct.unpack_from(order + "H", changed, base + offset)
        entry = base + offset + 2 + 12 * int(draw.integers(max(1, count)))
        way = int(draw.integers(6))
        if way == 0:
            struct.pack_into(
                order + "H",
                changed,
                entry,
                int(
                    draw.choice(
                        [256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 317, 322, 323, 324, 339, 700, 34665, 34675]
                    )
                ),
            )
        elif way == 1:
            struct.pack_into(order + "H", changed, entry + 2, int(draw.integers(20)))
        elif way == 2:
            struct.pack_into(order + "I", changed, entry + 4, number(draw) & 0xFFFFFFFF)
        elif way == 3:
            struct.pack_into(order + "I", changed, entry + 8, number(draw) & 0xFFFFFFFF)
        elif way == 4:
            struct.pack_into(
                order + "I", changed, base + offset + 2 + 12 * count, int(draw.choice([8, offset, len(data), 1 << 31]))
            )
        else:
            struct.pack_into(order + "H", changed, base + offset, number(draw) & 0xFFFF)
    except struct.error:
        return set_number(data, draw)
    return bytes(changed)


def jpeg_segments(data: bytes) -> list[bytes]:
    """Return the segments of a JPEG; the last is what begins with the first scan."""
    segments, at = [data[:2]], 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda" and at + 4 <= len(data):
        size = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        segments.append(data[at : at + size])
        at += size
    return [*segments, data[at:]]


def change_jpeg(data: bytes, draw: Draw) -> bytes:
    """Change a segment, with or without its length, its marker, or the order and number of segments."""
    segments = jpeg_segments(data)
    at = int(draw.integers(1, max(2, len(segments))))
    if at >= len(segments):
        return data
    one, way = segments[at], int(draw.integers(6))
    if way == 0:
        segments[at : at + 1] = [one] * int(draw.choice([0, 2, 60]))
    elif way == 1:
        segments.insert(int(draw.integers(1, len(segments))), segments.pop(at))
    elif way == 2:
        segments[at] = b"\xff" + bytes([int(draw.integers(0xC0, 0x100))]) + one[2:]
    elif way == 3:
        body = blind(one[4:], draw)[:65000]
        segments[at] = one[:2] + struct.pack(">H", len(body) + 2) + body
    elif way == 4:
        segments.insert(at, b"\xff" + bytes([int(draw.integers(0xE0, 0xF0))]) + struct.pack(">H", 22) + draw.bytes(20))
    else:
        segments[at] = set_number(one, draw)
    return b"".join(segments)


def change_boxes(data: bytes, draw: Draw) -> bytes:
    """Change the size or type of a box of AVIF and HEIC, or of a chunk of WebP."""
    names = (b"ispe", b"pixi", b"iloc", b"iprp", b"ipma", b"hvcC", b"av1C", b"auxC", b"irot", b"idat", b"mdat", b"meta", b"iinf",
             b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"EXIF", b"ICCP", b"ANIM", b"ANMF")  # fmt: skip
    places = [at for name in names if (at := data.find(name)) >= 0]
    if not places:
        return set_number(data, draw)
    at, changed = int(draw.choice(places)), bytearray(data)
    offset = at + int(draw.integers(-4, 24))
    if 0 <= offset <= len(data) - 4:
        struct.pack_into("<I" if data.startswith(b"RIFF") else ">I", changed, offset, number(draw) & 0xFFFFFFFF)
    return bytes(changed)


_BLIND: tuple[Callable[[bytes, Draw], bytes], ...] = (flip_bits, fill_run, truncate, remove_or_repeat, set_number)


def blind(data: bytes, draw: Draw) -> bytes:
    """Change bytes whatever they mean."""
    return _BLIND[int(draw.integers(len(_BLIND)))](data, draw)


def change_fields(data: bytes, draw: Draw) -> bytes:
    """Change a field of the format that a file has, or of its EXIF."""
    if data.startswith(b"\x89PNG"):
        return change_png(data, draw)
    if data.startswith((b"II*\0", b"MM\0*")) or draw.random() < 0.3:
        return change_tiff(data, draw)
    if data.startswith(b"\xff\xd8"):
        return change_jpeg(data, draw)
    if data.startswith(b"RIFF") or data[4:8] == b"ftyp":
        return change_boxes(data, draw)
    return set_number(data, draw)


def mutate(seeds: Sequence[bytes], draw: Draw) -> bytes:
    """Return one of the files, changed one to four times."""
    data = seeds[int(draw.integers(len(seeds)))]
    for _ in range(int(draw.integers(1, 5))):
        way = draw.random()
        if way < 0.5:
            data = change_fields(data, draw)
        elif way < 0.9:
            data = blind(data, draw)
        else:
            data = splice(data, seeds[int(draw.integers(len(seeds)))], draw)
    return join_png(png_chunks(data)) if data.startswith(b"\x89PNG") and draw.random() < 0.5 else data
