"""Objects that can be drawn, and their ImageNet classes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np

from xray.sources.categories.base import Category
from xray.sources.sketch import Sketch, arc, ellipse, mirrored, rounded, smooth, stripes


def _ball(sketch: Sketch, chance: random.Random) -> None:
    colour, seam = chance.choice(
        (((0.93, 0.45, 0.12), (0.13, 0.08, 0.06)), ((0.80, 0.90, 0.20), (0.97, 0.98, 0.95)))
    )  # a basketball or a tennis ball
    radius = 0.94
    disc = ellipse(0, 0, radius, radius, 120)
    paint = np.broadcast_to(np.asarray(colour, np.float32), sketch.rgb.shape).copy()
    width, (x, y) = 0.022, (sketch.x / radius, sketch.y / radius)
    if seam[0] < 0.5:
        rings = [x, y, np.hypot(x - 1.28, y) - 0.86, np.hypot(x + 1.28, y) - 0.86]
    else:
        rings = [np.hypot(x - 1.05, y - 0.75) - 0.95, np.hypot(x + 1.05, y + 0.75) - 0.95]
        width *= 1.7
    for ring in rings:
        mark = (1.6 - np.abs(ring) / width).clip(0, 1)[:, :, None]
        paint += (np.asarray(seam, np.float32) - paint) * mark
    sketch.fill(disc, paint, plump=0.9)


def _strawberry(sketch: Sketch, chance: random.Random) -> None:
    red = (chance.uniform(0.80, 0.90), chance.uniform(0.06, 0.12), 0.13)
    right = [(0.0, -0.52), (0.38, -0.60), (0.68, -0.42), (0.70, -0.08), (0.50, 0.38), (0.24, 0.76), (0.0, 0.94)]
    sketch.fill(smooth(mirrored(right)), red, plump=1.0)
    for row, count in enumerate((6, 7, 6, 7, 6, 5, 4, 3, 2)):
        y = -0.42 + 0.145 * row
        for column in range(count):
            x = (column - (count - 1) / 2) * 0.185
            sketch.fill(ellipse(x + 0.008, y + 0.012, 0.030, 0.046, 20), (0.50, 0.03, 0.07))
            sketch.fill(ellipse(x, y, 0.022, 0.036, 20), (0.97, 0.83, 0.40))
    sketch.line([(0.0, -0.55), (0.03, -0.76), (0.10, -0.92)], 0.07, (0.36, 0.58, 0.18), plump=0.8)
    for leaf in (-80, -48, -16, 16, 48, 80):
        turn = math.radians(leaf + chance.uniform(-5, 5))
        tip = (0.58 * math.sin(turn), -0.62 + 0.36 * math.cos(turn))
        side = (0.11 * math.cos(turn), -0.11 * math.sin(turn))
        middle = (tip[0] * 0.5, (tip[1] - 0.62) * 0.5)
        points = [
            (0, -0.62),
            (middle[0] + side[0], middle[1] + side[1]),
            tip,
            (middle[0] - side[0], middle[1] - side[1]),
        ]
        sketch.fill(smooth(points), (0.28, 0.60, 0.16), plump=1.0)


def _umbrella(sketch: Sketch, chance: random.Random) -> None:
    colours = chance.choice(
        (
            ((0.86, 0.14, 0.20), (0.98, 0.95, 0.90)),
            ((0.13, 0.36, 0.76), (0.99, 0.80, 0.18)),
            ((0.48, 0.18, 0.60), (0.96, 0.62, 0.76)),
        )
    )
    handle = [(0.0, -0.80), (0.0, 0.72), *arc((0.13, 0.72), 0.13, math.pi, -math.pi)]
    sketch.line(handle, 0.055, (0.42, 0.26, 0.15), plump=0.8)
    dome = arc((0, 0.08), 0.96, math.pi, math.pi, 60)
    dome = [(x, 0.08 + (y - 0.08) * 0.92) for x, y in dome]
    scallops: list[tuple[float, float]] = []
    edges = [0.96 * math.sin(math.pi * (share / 6 - 0.5)) for share in range(6, -1, -1)]
    for start, end in pairwise(edges):
        for step in range(1, 13):
            t = step / 12
            scallops.append((start + (end - start) * t, 0.08 - 0.10 * math.sin(math.pi * t)))
    half = 0.96 * np.sqrt((1 - ((sketch.y - 0.08) / (0.96 * 0.92)) ** 2).clip(0.0009, 1))
    panel = np.arcsin((sketch.x / half).clip(-1, 1)) / np.pi + 0.5
    ribs = np.abs(panel * 6 - np.rint(panel * 6))
    paint = stripes(panel, colours, 6) * (0.80 + 0.20 * (ribs / 0.18).clip(0, 1))[:, :, None]
    sketch.fill([*dome, *scallops], paint, plump=0.75)
    sketch.line([(0.0, -0.80), (0.0, -0.93)], 0.05, (0.30, 0.20, 0.13))


def _mushroom(sketch: Sketch, chance: random.Random) -> None:
    red = (chance.uniform(0.80, 0.92), chance.uniform(0.10, 0.20), 0.08)
    right = [(0.20, -0.10), (0.19, 0.30), (0.25, 0.66), (0.33, 0.84), (0.18, 0.94), (0.0, 0.96)]
    sketch.fill(smooth(mirrored([(0.0, -0.12), *right])), (0.95, 0.91, 0.80), plump=0.9)
    sketch.fill(ellipse(0, 0.06, 0.80, 0.17), (0.90, 0.82, 0.66))
    for gill in range(-9, 10):
        x = gill / 9
        sketch.line([(0.16 * x, -0.04), (0.74 * x, 0.06 + 0.15 * math.sqrt(1 - x * x))], 0.012, (0.72, 0.62, 0.46))
    sketch.fill(
        smooth(mirrored([(0.0, 0.22), (0.17, 0.22), (0.25, 0.36), (0.12, 0.33), (0.0, 0.35)])), (0.99, 0.96, 0.88), 0.6
    )
    cap = smooth(
        mirrored([(0.0, -0.86), (0.42, -0.76), (0.76, -0.44), (0.93, 0.02), (0.80, 0.10), (0.42, 0.01), (0.0, -0.02)])
    )
    sketch.fill(cap, red, plump=1.0)
    for x, y, size in (
        (-0.06, -0.58, 0.125), (0.36, -0.50, 0.085), (-0.46, -0.40, 0.105), (0.14, -0.25, 0.10), (-0.24, -0.12, 0.07),
        (0.56, -0.20, 0.10), (-0.66, -0.10, 0.075), (0.36, -0.08, 0.05), (-0.28, -0.72, 0.05), (0.74, 0.0, 0.05),
    ):  # fmt: skip
        jitter = chance.uniform(-0.03, 0.03)
        sketch.fill(ellipse(x + jitter, y, size * 1.1, size * 0.85), (0.99, 0.97, 0.92), plump=0.7)


def _street_sign(sketch: Sketch, chance: random.Random) -> None:
    sketch.line([(0.0, -0.2), (0.0, 0.94)], 0.085, (0.60, 0.62, 0.64), plump=1.0)
    white, red = (0.97, 0.97, 0.96), (0.80, 0.08, 0.12)
    kind = chance.choice(("stop", "warning", "no entry"))
    if kind == "warning":
        corners = [(0.0, -0.95), (0.80, 0.42), (-0.80, 0.42)]
        sketch.fill(rounded(corners, 0.10), red, plump=0.25)
        sketch.fill(rounded([(x * 0.70, (y + 0.02) * 0.70 - 0.02) for x, y in corners], 0.04), white)
        sketch.fill([(-0.07, -0.42), (0.07, -0.42), (0.04, 0.06), (-0.04, 0.06)], (0.1, 0.1, 0.1))
        sketch.fill(ellipse(0, 0.18, 0.065, 0.065), (0.1, 0.1, 0.1))
        return
    corners = ellipse(0, -0.24, 0.72, 0.72, 8 if kind == "stop" else 90)
    turn = math.pi / 8 if kind == "stop" else 0.0
    turned = [
        (x * math.cos(turn) - (y + 0.24) * math.sin(turn), x * math.sin(turn) + (y + 0.24) * math.cos(turn))
        for x, y in corners
    ]
    for scale, colour in ((1.0, white), (0.93, red)):
        sketch.fill([(x * scale, y * scale - 0.24) for x, y in turned], colour, plump=0.25)
    if kind == "no entry":
        sketch.fill(rounded([(-0.48, -0.36), (0.48, -0.36), (0.48, -0.12), (-0.48, -0.12)], 0.03), white)
    else:
        sketch.write("STOP", (0.0, -0.24), 1.02, white)


def _sailing_boat(sketch: Sketch, chance: random.Random) -> None:
    hull = chance.choice(((0.70, 0.16, 0.14), (0.14, 0.28, 0.50), (0.44, 0.28, 0.16)))
    sail = chance.choice(((0.98, 0.96, 0.90), (0.98, 0.86, 0.62)))
    sketch.line([(0.02, -0.92), (0.02, 0.50)], 0.045, (0.45, 0.30, 0.18), plump=0.9)
    main = smooth([(0.06, -0.86), (0.06, -0.30), (0.07, 0.34), (0.44, 0.33), (0.84, 0.30), (0.52, -0.24)])
    jib = smooth([(-0.02, -0.78), (-0.04, -0.20), (-0.05, 0.34), (-0.38, 0.34), (-0.74, 0.36), (-0.34, -0.16)])
    stripe = np.where(
        (np.abs(sketch.y - 0.02) < 0.07)[:, :, None], np.asarray(hull, np.float32), np.asarray(sail, np.float32)
    )
    sketch.fill(main, stripe, plump=0.7)
    sketch.fill(jib, sail, plump=0.7)
    sketch.fill([(0.03, -0.95), (0.28, -0.88), (0.03, -0.80)], (0.95, 0.75, 0.15), plump=0.4)
    body = smooth(
        [
            (-0.93, 0.46),
            (-0.3, 0.50),
            (0.3, 0.50),
            (0.90, 0.44),
            (0.70, 0.80),
            (0.40, 0.92),
            (-0.42, 0.92),
            (-0.68, 0.80),
        ]
    )
    paint = np.where((sketch.y < 0.56)[:, :, None], np.float32(0.96), np.asarray(hull, np.float32))
    sketch.fill(body, paint, plump=0.9)


def _balloon(sketch: Sketch, chance: random.Random) -> None:
    colours = chance.choice(
        (
            ((0.88, 0.16, 0.16), (0.99, 0.82, 0.20), (0.16, 0.44, 0.78)),
            ((0.96, 0.52, 0.12), (0.99, 0.93, 0.80)),
            ((0.30, 0.66, 0.38), (0.99, 0.90, 0.35), (0.90, 0.28, 0.42)),
        )
    )
    for x in (-0.17, 0.17):
        sketch.line([(x, 0.40), (x * 0.75, 0.72)], 0.018, (0.25, 0.2, 0.16))
    right = [(0.0, -0.95), (0.36, -0.88), (0.64, -0.63), (0.72, -0.28), (0.58, 0.08), (0.36, 0.34), (0.20, 0.48)]
    envelope = smooth([*right, *((-x, y) for x, y in reversed(right[1:]))])
    rows = np.interp(sketch.y[:, 0], [y for _, y in right], [x for x, _ in right]).astype(np.float32)
    angle = np.arcsin((sketch.x / np.maximum(rows, 0.02)[:, None]).clip(-1, 1)) / np.pi + 0.5
    seams = np.abs(angle * 9 - np.rint(angle * 9))
    paint = stripes(angle, colours, 9) * (0.84 + 0.16 * (seams / 0.12).clip(0, 1))[:, :, None]
    sketch.fill(envelope, paint, plump=0.9)
    sketch.fill(
        rounded([(-0.15, 0.70), (0.15, 0.70), (0.12, 0.95), (-0.12, 0.95)], 0.04), (0.58, 0.38, 0.20), plump=0.8
    )
    sketch.line([(-0.15, 0.71), (0.15, 0.71)], 0.05, (0.36, 0.22, 0.12))


def _ladybird(sketch: Sketch, chance: random.Random) -> None:
    black, red = (0.08, 0.07, 0.08), (chance.uniform(0.82, 0.92), chance.uniform(0.12, 0.24), 0.07)
    for side in (-1, 1):
        for y, reach in ((-0.32, -0.24), (0.06, 0.04), (0.42, 0.26)):
            sketch.line([(side * 0.5, y), (side * 0.82, y + reach * 0.5), (side * 0.92, y + reach)], 0.055, black, 0.5)
        sketch.line([(side * 0.12, -0.80), (side * 0.24, -0.92)], 0.035, black)
    sketch.fill(ellipse(0, -0.62, 0.38, 0.27), black, plump=0.8)
    for side in (-1, 1):
        sketch.fill(ellipse(side * 0.22, -0.68, 0.08, 0.07, 24), (0.96, 0.95, 0.90))
    sketch.fill(ellipse(0, 0.14, 0.72, 0.78, 100), red, plump=1.0)
    sketch.line([(0.0, -0.60), (0.0, 0.90)], 0.02, black)
    for x, y, size in ((0.34, -0.26, 0.13), (0.42, 0.20, 0.15), (0.24, 0.58, 0.12)):
        for side in (-1, 1):
            sketch.fill(ellipse(side * x, y, size * 0.9, size), black, plump=0.4)
    sketch.fill(ellipse(0, -0.48, 0.13, 0.12), black, plump=0.4)


DRAWINGS: Mapping[str, tuple[tuple[int, ...], Callable[[Sketch, random.Random], None]]] = {
    "ball": ((429, 430, 522, 574, 722, 768, 805, 852, 890), _ball),
    "balloon": ((417,), _balloon),
    "ladybird": ((301,), _ladybird),
    "mushroom": ((947, 992), _mushroom),
    "sailing boat": ((484, 780, 871, 914), _sailing_boat),
    "strawberry": ((949,), _strawberry),
    "street sign": ((919,), _street_sign),
    "umbrella": ((879,), _umbrella),
}
"""Objects by name: the accepted ImageNet-1k indices, and the drawing function."""

DRAWN8: tuple[Category, ...] = tuple(Category(name=name, indices=indices) for name, (indices, _) in DRAWINGS.items())
"""The drawn objects as categories."""
