import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from xray.report.figures.style import LINES, marker

# Machado, Oliveira & Fernandes 2009, severity 1.0: perceived linear RGB
SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colour):
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    f = np.cbrt(XYZ @ rgb / [0.95047, 1, 1.08883])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_eight_series_differ(sight):
    seen = [lab(np.clip(np.array(SIGHT[sight]) @ linear(colour), 0, 1)) for colour in LINES]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 15


@pytest.mark.parametrize("colour", LINES)
def test_colours_are_visible_on_white_and_on_black(colour):
    luminance = XYZ[1] @ linear(colour)
    assert 1.05 / (luminance + 0.05) > 2
    assert (luminance + 0.05) / 0.05 > 2


def test_sixty_four_series_differ_in_colour_or_marker():
    assert len({(LINES[k % len(LINES)], marker(k)) for k in range(64)}) == 64


def test_figures_need_neither_pyplot_nor_ray_nor_torch():
    script = (
        "import sys, xray.report.figures; print(sorted({'matplotlib.pyplot', 'ray', 'torch'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
