"""Gives decoders and parsers changed files, many of them, and counts what they do other than read or reject one.

    python tests/chaos fuzz --files 1000000 --processes 2
    python tests/chaos fuzz --of documents --files 1000000

Every image is read as a photograph (header, pixels, perceptual hash) and as a mask, in all meanings of its numbers;
documents are annotations, labels, tables, recipes and weights, read as `xray plan` reads them. Each file has a number;
`--first N --files 1` gives it again. The last line has the number of exceptions that are no rejection, of processes that
died, the slowest file (seconds of CPU), and the most memory that a file took.
"""

from __future__ import annotations

import argparse
import functools
import io
import json
import logging
import os
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
from PIL import Image

from chaos.mutations import mutate
from xray.core.errors import ConfigError, Rejected
from xray.core.images import Decoded, Limits, decode, read_header
from xray.core.perceptual_hash import hash_of_file
from xray.masks.base import AnnotationFile
from xray.masks.formats.png import Png

WIDTH, HEIGHT = 48, 40
CHUNK = 500
_MEANINGS = ("brightness", "opacity", "label", (1, 255), None)


@dataclass
class Findings:
    """What was seen of some files.

    Args:
        files: their number.
        outcomes: numbers of files by outcome as a photograph: `ok` or a reason.
        exceptions: by kind, the numbers of the files that raised it.
        slowest: seconds of CPU and number of a file.
        largest: MB by which a file raised the peak memory of the process, and its number.
        died: numbers of the first files of chunks during which a process died.
    """

    files: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    exceptions: dict[str, list[int]] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    largest: tuple[float, int] = (0.0, -1)
    died: list[int] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        self.files += other.files
        self.outcomes += other.outcomes
        for kind, numbers in other.exceptions.items():
            self.exceptions.setdefault(kind, []).extend(numbers)
        self.slowest = max(self.slowest, other.slowest)
        self.largest = max(self.largest, other.largest)
        self.died += other.died


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


def seeds() -> list[bytes]:
    """Return files of every format, mode and compression that is read."""
    draw = np.random.default_rng(0)
    photo = Image.fromarray(draw.integers(0, 256, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)).resize((WIDTH, HEIGHT))
    inside = np.zeros((HEIGHT, WIDTH), np.uint8)
    inside[10:30, 12:36] = 255
    mask = Image.fromarray(inside)
    labels = mask.point(lambda value: 1 if value else 0)
    labels.putpalette([0, 0, 0, 128, 0, 0, 224, 224, 192])
    rgba = photo.copy()
    rgba.putalpha(mask)
    deep = Image.fromarray(inside.astype(np.uint16) * 257)
    real = Image.fromarray(inside.astype(np.float32) / 255)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "a photograph", 72.0
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    return [
        *_lossy(photo, rgba, exif),
        *_lossless(photo, rgba, mask, labels, deep, exif),
        *_tiffs(photo, rgba, mask, labels, deep, real),
    ]


def _lossy(photo: Image.Image, rgba: Image.Image, exif: Image.Exif) -> Iterator[bytes]:
    for options in (
        {},
        {"progressive": True},
        {"subsampling": 0, "exif": exif},
        {"icc_profile": bytes(300), "comment": "x"},
    ):
        yield saved(photo, "JPEG", **options)
    yield from (saved(photo.convert(mode), "JPEG") for mode in ("L", "CMYK"))
    yield saved(photo, "MPO", save_all=True, append_images=[photo], exif=exif)
    for image in (photo, rgba):
        yield saved(image, "WEBP", exif=exif)
        yield saved(image, "AVIF", exif=exif, speed=10)
    yield saved(photo, "WEBP", save_all=True, append_images=[rgba])
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return
    pillow_heif.register_heif_opener()
    yield from (saved(image, "HEIF", exif=exif) for image in (photo, rgba))


def _lossless(
    photo: Image.Image, rgba: Image.Image, mask: Image.Image, labels: Image.Image, deep: Image.Image, exif: Image.Exif
) -> Iterator[bytes]:
    grey_alpha = rgba.convert("LA")
    for image in (photo, rgba, mask, labels, deep, mask.convert("1"), grey_alpha):
        yield saved(image, "PNG", exif=exif, icc_profile=bytes(200))
    yield saved(photo, "PNG", save_all=True, append_images=[rgba.convert("RGB")])
    yield saved(labels, "PNG", transparency=0)
    yield from (saved(image, "WEBP", lossless=True) for image in (photo, rgba))
    yield from (saved(image, "BMP") for image in (photo, mask, labels, mask.convert("1")))
    yield run_length_bmp()
    yield from (saved(image, "GIF", comment=b"mask") for image in (mask, labels, photo))
    yield saved(labels, "GIF", save_all=True, append_images=[mask])


def run_length_bmp() -> bytes:
    """Return a BMP of runs, which Pillow reads and does not write."""
    rows = b"".join(bytes([WIDTH, 255 if 10 <= row < 30 else 0, 0, 0]) for row in range(HEIGHT)) + b"\0\1"
    palette = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    start = 14 + 40 + len(palette)
    header = np.array([40, WIDTH, HEIGHT], "<i4").tobytes() + np.array([1, 8], "<i2").tobytes()
    header += np.array([1, len(rows), 0, 0, 256, 0], "<i4").tobytes()
    return b"BM" + np.array([start + len(rows), 0, start], "<i4").tobytes() + header + palette + rows


def _tiffs(
    photo: Image.Image, rgba: Image.Image, mask: Image.Image, labels: Image.Image, deep: Image.Image, real: Image.Image
) -> Iterator[bytes]:
    for image in (
        photo,
        rgba,
        mask,
        labels,
        deep,
        real,
        photo.convert("LAB"),
        photo.convert("CMYK"),
        mask.convert("I"),
    ):
        yield saved(image, "TIFF")
    for compression in ("packbits", "tiff_lzw", "tiff_adobe_deflate", "jpeg"):
        yield saved(photo, "TIFF", compression=compression)
    yield from (saved(mask.convert("1"), "TIFF", compression=name) for name in ("group3", "group4"))
    yield saved(mask, "TIFF", big_tiff=True)
    yield saved(photo, "TIFF", save_all=True, append_images=[mask])


def read_all(data: bytes, photograph: Decoded) -> tuple[str, list[tuple[str, str]]]:
    """Read a file in every way; return its outcome as a photograph, and exceptions that are no rejection."""
    problems, outcome = [], "ok"
    ways = [lambda: read_header(data), lambda: decode(data, name="a.jpg"), lambda: decode(data, Limits(min_side=1))]
    ways.append(lambda: hash_of_file(data, read_header(data, Limits(min_side=1)), Limits(min_side=1)))
    ways += [lambda values=values: Png(root="m", values=values).read_image(data, photograph) for values in _MEANINGS]
    ways.append(lambda: Png(root="m").resolve([AnnotationFile("a.png", data, WIDTH, HEIGHT)]))
    for way in ways:
        try:
            way()
        except Rejected as verdict:
            outcome = verdict.reason if way is ways[1] else outcome
        except ConfigError:
            pass
        except Exception as error:  # noqa: BLE001 - what is looked for
            where = traceback.extract_tb(error.__traceback__)[-1]
            problems.append(
                (f"{type(error).__name__} at {where.filename.rpartition('/')[2]}:{where.lineno}", str(error))
            )
    return outcome, problems


def reader_of(what: str, seed: int) -> Callable[[int], tuple[str, list[tuple[str, str]]]]:
    """Return the function that makes the file with a number, and reads it as `read_all` does."""
    if what == "documents":
        from chaos.documents import read_changed, read_document
        from chaos.documents import seeds as documents

        for name, data in documents().items():  # imports count for no file
            read_document(name, data)
        return functools.partial(read_changed, seed)
    originals = seeds()
    photograph = decode(originals[0], Limits(min_side=1))
    return lambda number: read_all(mutate(originals, np.random.default_rng([seed, number])), photograph)


def read_chunk(seed: int, first: int, files: int, what: str = "images") -> Findings:
    """Make and read files, from a number on."""
    warnings.simplefilter("ignore")
    logging.disable()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff says what it thinks of each file
    findings, read = Findings(files=files), reader_of(what, seed)
    for number in range(first, first + files):
        before, started = _peak(), time.process_time()
        outcome, problems = read(number)
        findings.outcomes[outcome] += 1
        findings.slowest = max(findings.slowest, (round(time.process_time() - started, 3), number))
        findings.largest = max(findings.largest, (round(_peak() - before, 1), number))
        for kind, _ in problems:
            findings.exceptions.setdefault(kind, []).append(number)
    return findings


def _peak() -> float:
    """Return the highest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def fuzz(seed: int, first: int, files: int, seconds: float, processes: int, what: str = "images") -> Findings:
    """Read files in processes of their own, so that one that dies is seen, until they or the time are over."""
    findings, end, chunks = Findings(), time.monotonic() + seconds, iter(range(first, first + files, CHUNK))
    over = False
    while not over:
        with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
            running = {}
            for start in chunks:
                running[pool.submit(read_chunk, seed, start, min(CHUNK, first + files - start), what)] = start
                if len(running) == 40 * processes:
                    break
            over = len(running) < 40 * processes
            for future, start in running.items():
                try:
                    findings.add(future.result())
                except BrokenProcessPool:
                    findings.died.append(start)
                if findings.files % 20_000 < CHUNK:
                    print(
                        f"{findings.files:,} files, {findings.slowest}, {findings.largest}, {findings.exceptions}",
                        file=sys.stderr,
                    )
                if time.monotonic() > end:
                    over = True
                    pool.shutdown(wait=False, cancel_futures=True)
                    break
    return findings


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--files", type=int, default=20_000)
    options.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--first", type=int, default=0, help="number of the first file")
    options.add_argument("--processes", type=int, default=1)
    options.add_argument("--of", choices=("images", "documents"), default="images")
    chosen = options.parse_args()
    findings = fuzz(chosen.seed, chosen.first, chosen.files, chosen.seconds, chosen.processes, chosen.of)
    for outcome, count in findings.outcomes.most_common():
        print(f"{count:9,} {outcome}")
    for kind, numbers in sorted(findings.exceptions.items()):
        print(f"{len(numbers):9,} {kind}: files {numbers[:5]}")
    totals = {"files": findings.files, "exceptions": sum(map(len, findings.exceptions.values())), "died": findings.died}
    slowest, largest = findings.slowest, findings.largest
    print(
        json.dumps(
            {**totals, "slowest_s": slowest[0], "slowest": slowest[1], "largest_mb": largest[0], "largest": largest[1]}
        )
    )


if __name__ == "__main__":
    main()
