"""Drawn landscapes: fractal noise, ridges and strokes, determined by a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from xray.core.types import Pixels

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]
_SUPERSAMPLING = 2


def landscape(place: str, seed: int | str, size: tuple[int, int]) -> Pixels:
    """Draw a landscape of `PLACES`, RGB of shape (*size, 3)."""
    height, width = size
    chance = random.Random(f"{place}/{seed}")
    large = PLACES[place](chance, (height * _SUPERSAMPLING, width * _SUPERSAMPLING))
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    grain = (_uniform(chance, (height, width, 1)) - 0.5) * 0.02
    image: Pixels = np.rint((small + grain).clip(0, 1) * 255).astype(np.uint8)
    return image


def _uniform(chance: random.Random, shape: tuple[int, ...]) -> Floats:
    """Draw random values 0–1 by `random_raw`, the only output of numpy's generators that is stable across versions."""
    raw = np.random.PCG64(chance.getrandbits(63)).random_raw(int(np.prod(shape)))
    return ((raw >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)).reshape(shape)


def _noise(chance: random.Random, shape: tuple[int, int], cell: tuple[float, float], octaves: int = 5) -> Floats:
    """Return fractal value noise, 0–1, with patches of `cell` (rows, columns) pixels; weights halve per octave."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows, columns = (
            max(2, round(side / max(1.0, one / 2**octave)) + 2) for side, one in zip(shape, cell, strict=True)
        )
        field = cv2.resize(_uniform(chance, (rows, columns)), shape[::-1], interpolation=cv2.INTER_CUBIC)
        total += (field - 0.5) / 2**octave
    noise: Floats = (total * np.float32(0.7) + np.float32(0.5)).clip(0, 1)
    return noise


def _step(values: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high`, and a smooth transition between them."""
    t: Floats = ((values - low) / (high - low)).clip(0, 1)
    return t * t * (3 - 2 * t)


def _mix(below: Floats, above: Colour | Floats, share: Floats) -> Floats:
    return below + (np.asarray(above, np.float32) - below) * share[:, :, None]


def _between(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return red, green, blue


def _gradient(shape: tuple[int, int], top: Colour, bottom: Colour) -> Floats:
    share = np.linspace(0, 1, shape[0], dtype=np.float32)[:, None, None]
    line = np.asarray(top, np.float32) * (1 - share) + np.asarray(bottom, np.float32) * share
    return np.repeat(line, shape[1], axis=1)


def _below(chance: random.Random, shape: tuple[int, int], level: float, swing: float, cell: float) -> Floats:
    """Return 1 below a ridge that varies around a level (shares of the height), 0 above it."""
    ridge = _noise(chance, (2, shape[1]), (2, cell * shape[1]))[0] - 0.5
    edge = (level - ridge * swing * 2) * shape[0]
    below: Floats = (np.arange(shape[0], dtype=np.float32)[:, None] - edge[None]).clip(0, 1)
    return below


def _sky(chance: random.Random, shape: tuple[int, int], top: Colour, bottom: Colour, clouds: float = 1.0) -> Floats:
    height, width = shape
    cover = _step(_noise(chance, shape, (height * 0.22, width * 0.35)), 0.5, 0.8)
    fade = np.linspace(1, 0.35, height, dtype=np.float32)[:, None]
    return _mix(_gradient(shape, top, bottom), (1, 0.99, 0.97), cover * fade * clouds)


def _strokes(
    chance: random.Random, image: Floats, top: float, count: int, length: float, colours: tuple[Colour, Colour]
) -> None:
    """Draw blades of grass below a level, longer and lighter towards the viewer."""
    height, width = image.shape[:2]
    for depth in sorted(chance.random() for _ in range(count)):
        x, y = chance.uniform(0, width), (top + (1.03 - top) * depth) * height
        long = length * height * (0.35 + 0.65 * depth) * chance.uniform(0.6, 1.2)
        tip = (round(x + chance.uniform(-0.45, 0.45) * long), round(y - long))
        colour = _between(colours[0], colours[1], chance.random() * 0.6 + 0.4 * depth)
        cv2.line(image, (round(x), round(y)), tip, colour, 1 + round(depth * height / 320), cv2.LINE_8)


def _meadow(chance: random.Random, shape: tuple[int, int]) -> Floats:
    image = _sky(chance, shape, (0.28, 0.55, 0.92), (0.80, 0.91, 0.99))
    texture = _noise(chance, shape, (shape[0] * 0.05, shape[1] * 0.15))[:, :, None]
    for level, near in ((0.50, (0.47, 0.66, 0.56)), (0.58, (0.38, 0.62, 0.32)), (0.68, (0.42, 0.68, 0.24))):
        ground = np.asarray(near, np.float32) * (0.75 + 0.5 * texture)
        image = _mix(image, ground, _below(chance, shape, level, 0.12, 0.5))
    _strokes(chance, image, 0.72, 1500, 0.07, ((0.20, 0.44, 0.12), (0.62, 0.83, 0.30)))
    for _ in range(60):
        x, depth = chance.random(), chance.random()
        centre = (round(x * shape[1]), round((0.74 + 0.26 * depth) * shape[0]))
        petal = chance.choice(((1.0, 0.95, 0.55), (1.0, 1.0, 1.0), (0.95, 0.55, 0.65)))
        cv2.circle(image, centre, 2 + round(depth * shape[0] / 160), petal, -1, cv2.LINE_8)
    return image


def _seaside(chance: random.Random, shape: tuple[int, int]) -> Floats:
    height, width = shape
    image = _sky(chance, shape, (0.25, 0.58, 0.93), (0.88, 0.95, 0.99), 0.9)
    waves = _noise(chance, shape, (height * 0.02, width * 0.16), 4)
    sea = _gradient(shape, (0.02, 0.24, 0.48), (0.16, 0.72, 0.76))
    sea = _mix(sea, (0.93, 0.98, 1.0), _step(waves, 0.60, 0.80) * 0.65)
    image = _mix(image, sea, _below(chance, shape, 0.46, 0, 1))
    foam = _below(chance, shape, 0.735, 0.05, 0.3)
    image = _mix(image, (0.97, 0.98, 0.98), foam * 0.9)
    grain = _noise(chance, shape, (height * 0.03, width * 0.06), 5)[:, :, None]
    sand = np.asarray((0.90, 0.79, 0.58), np.float32) * (0.82 + 0.36 * grain)
    return _mix(image, sand, _below(chance, shape, 0.77, 0.05, 0.3))


def _dunes(chance: random.Random, shape: tuple[int, int]) -> Floats:
    height, width = shape
    image = _sky(chance, shape, (0.36, 0.60, 0.88), (0.99, 0.90, 0.76), 0.35)
    ripples = _noise(chance, shape, (height * 0.012, width * 0.2), 3)[:, :, None]
    for level, colour in (
        (0.46, (0.86, 0.66, 0.50)),
        (0.56, (0.88, 0.60, 0.36)),
        (0.68, (0.82, 0.50, 0.24)),
        (0.84, (0.93, 0.64, 0.32)),
    ):
        sand = np.asarray(colour, np.float32) * (0.86 + 0.28 * ripples)
        image = _mix(image, sand, _below(chance, shape, level, 0.22, 0.7))
    return image


def _wall(chance: random.Random, shape: tuple[int, int]) -> Floats:
    height, width = shape
    rows = 11
    brick_h, brick_w = height / rows, height / rows * 2.4
    image = np.full((*shape, 3), (0.74, 0.70, 0.64), np.float32)
    joint = max(1, round(brick_h * 0.07))
    for row in range(rows + 1):
        for column in range(-1, round(width / brick_w) + 2):
            left = (column + 0.5 * (row % 2)) * brick_w
            tone = chance.uniform(0.72, 1.12)
            colour = (0.66 * tone, chance.uniform(0.28, 0.36) * tone, 0.24 * tone)
            low = (round(left) + joint, round(row * brick_h) + joint)
            high = (round(left + brick_w) - joint, round((row + 1) * brick_h) - joint)
            cv2.rectangle(image, low, high, colour, -1)
    image *= (0.72 + 0.56 * _noise(chance, shape, (height * 0.12, height * 0.12), 6))[:, :, None]
    relief = cv2.Sobel(cv2.GaussianBlur(image[:, :, 0], (0, 0), joint), cv2.CV_32F, 1, 1, scale=0.3)
    return image + relief[:, :, None]


def _night(chance: random.Random, shape: tuple[int, int]) -> Floats:
    height, width = shape
    image = _gradient(shape, (0.02, 0.03, 0.14), (0.22, 0.20, 0.44))
    for _ in range(170):
        bright = chance.uniform(0.4, 1.0)
        centre = (chance.randrange(width), round(chance.random() ** 1.3 * 0.7 * height))
        cv2.circle(image, centre, 1 if bright < 0.9 else 2, (bright, bright, bright * 0.92), -1, cv2.LINE_8)
    moon = (round(width * chance.uniform(0.1, 0.9)), round(height * chance.uniform(0.12, 0.25)))
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - moon[1], columns - moon[0]).astype(np.float32) / height
    image = _mix(image, (0.75, 0.78, 0.95), np.exp(-distance * 9) * 0.55)
    crater = _noise(chance, shape, (height * 0.05, height * 0.05), 3)[:, :, None]
    image = _mix(
        image, np.asarray((0.99, 0.97, 0.86), np.float32) * (0.8 + 0.25 * crater), _step(-distance, -0.073, -0.069)
    )
    for level, colour in ((0.66, (0.10, 0.11, 0.26)), (0.76, (0.06, 0.08, 0.18)), (0.88, (0.03, 0.05, 0.10))):
        image = _mix(image, colour, _below(chance, shape, level, 0.16, 0.35))
    return image


def _mountains(chance: random.Random, shape: tuple[int, int]) -> Floats:
    height, width = shape
    image = _sky(chance, shape, (0.30, 0.52, 0.86), (0.86, 0.91, 0.98), 0.8)
    rock = _noise(chance, shape, (height * 0.16, width * 0.05), 6)
    for level, near in ((0.40, 0.35), (0.54, 0.9)):
        snow = _step(rock - np.linspace(-0.30, 0.90, height, dtype=np.float32)[:, None], 0.02, 0.15)
        stone = _mix(_gradient(shape, (0.44, 0.47, 0.58), (0.26, 0.31, 0.38)), (0.16, 0.18, 0.24), rock * 0.7)
        peak = _mix(stone, (0.96, 0.97, 1.0), snow)
        haze = _mix(peak, (0.80, 0.87, 0.96), np.full(shape, 0.6 * (1 - near), np.float32))
        image = _mix(image, haze, _below(chance, shape, level, 0.42, 0.28))
    grass = _noise(chance, shape, (height * 0.02, width * 0.05))[:, :, None]
    pasture = np.asarray((0.34, 0.52, 0.26), np.float32) * (0.7 + 0.6 * grass)
    return _mix(image, pasture, _below(chance, shape, 0.80, 0.10, 0.6))


def _trees(chance: random.Random, shape: tuple[int, int], crowns: tuple[Colour, Colour], fir: bool) -> Floats:
    """Draw rows of trees, hazy in the back and darker towards the viewer."""
    height, width = shape
    sky = _sky(chance, shape, (0.62, 0.78, 0.90), (0.94, 0.95, 0.90), 0.6)
    image = sky.copy()
    texture = _noise(chance, shape, (height * 0.03, width * 0.1))[:, :, None]
    ground: Floats = np.asarray(crowns[0], np.float32) * (0.45 + 0.5 * texture)
    for layer in range(4):
        near = layer / 3
        foot = height * (0.58 + 0.13 * layer)
        image = _mix(
            image, ground * np.float32(1.25 - 0.35 * near), _below(chance, shape, foot / height - 0.015, 0.02, 0.4)
        )
        for _ in range(26 - 5 * layer):
            x, tall = chance.uniform(0, width), height * (0.24 + 0.12 * layer) * chance.uniform(0.75, 1.2)
            colour = _between(crowns[0], crowns[1], chance.random())
            red, green, blue = (channel * (1 - 0.25 * near) + 0.22 * (1 - near) for channel in colour)
            (_draw_fir if fir else _draw_crown)(chance, image, (x, foot), tall, (red, green, blue))
    leaves = image * (0.86 + 0.28 * _noise(chance, shape, (height * 0.02, height * 0.02), 3))[:, :, None]
    return np.where(image == sky, sky, leaves)


def _draw_fir(chance: random.Random, image: Floats, foot: tuple[float, float], tall: float, colour: Colour) -> None:
    x, y = foot
    for tier in range(5):
        half, low = tall * (0.26 - 0.045 * tier), y - tall * (0.08 + 0.17 * tier)
        points = np.array([(x - half, low), (x + half, low), (x, low - tall * 0.34)])
        shade = tuple(channel * (0.8 + 0.08 * tier) for channel in colour)
        cv2.fillPoly(image, [np.rint(points).astype(np.int32)], shade)


def _draw_crown(chance: random.Random, image: Floats, foot: tuple[float, float], tall: float, colour: Colour) -> None:
    x, y = foot
    cv2.line(
        image, (round(x), round(y)), (round(x), round(y - tall * 0.6)), (0.27, 0.19, 0.14), max(2, round(tall * 0.05))
    )
    puffs = 70
    for puff in range(puffs):
        around = (chance.gauss(0, 0.14) * tall, -tall * (0.56 + 0.18 * puff / puffs + chance.gauss(0, 0.11)))
        light = 0.62 + 0.5 * puff / puffs + chance.uniform(-0.1, 0.1)
        centre = (round(x + around[0]), round(y + around[1]))
        cv2.circle(image, centre, round(tall * chance.uniform(0.025, 0.06)), tuple(c * light for c in colour), -1)


def _forest(chance: random.Random, shape: tuple[int, int]) -> Floats:
    return _trees(chance, shape, ((0.12, 0.30, 0.20), (0.25, 0.46, 0.27)), fir=True)


def _autumn(chance: random.Random, shape: tuple[int, int]) -> Floats:
    return _trees(chance, shape, ((0.72, 0.24, 0.10), (0.95, 0.72, 0.22)), fir=False)


PLACES: Mapping[str, Callable[[random.Random, tuple[int, int]], Floats]] = {
    "autumn": _autumn,
    "dunes": _dunes,
    "forest": _forest,
    "meadow": _meadow,
    "mountains": _mountains,
    "night": _night,
    "seaside": _seaside,
    "wall": _wall,
}
"""Drawing functions by name of the place."""
