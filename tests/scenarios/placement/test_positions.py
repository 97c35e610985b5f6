from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from xray.core.errors import Rejected
from xray.scenarios.placement import Direction, Position, Size, place

from .objects import blob_photos, box_of, box_photo, crop

INSIDE = box_photo(slice(50, 150), slice(80, 120))


@pytest.mark.parametrize(
    ("position", "corners"),
    [
        ({"where": "centre"}, {(80, 50)}),
        ({"where": "corner"}, {(0, 0), (160, 0), (0, 100), (160, 100)}),
        ({"where": "side"}, {(80, 0), (160, 50), (80, 100), (0, 50)}),
        ({"cell": (1, 1)}, {(80, 50)}),
        ({"cell": (0, 0)}, {(13, 0)}),  # centred at 33 across; down, as near as the image allows
        ({"cell": (2, 1)}, {(80, 100)}),
    ],
)
def test_named_positions(position, corners):
    placed = [place(INSIDE, position=Position(**position), seed=seed) for seed in range(40)]
    assert {box_of(one.photo)[:2] for one in placed} == corners
    assert all(crop(one.photo) == crop(INSIDE) for one in placed)


def test_random_positions_are_uniform():
    photo = box_photo(slice(3, 9), slice(2, 9), (10, 12))
    counts = Counter(box_of(place(photo, position=Position(), seed=seed).photo)[:2] for seed in range(1000))
    assert set(counts) == {(x, y) for x in range(6) for y in range(5)}
    assert chisquare(list(counts.values())).pvalue > 0.01


@given(blob_photos(), st.integers(0, 2**63 - 1))
def test_the_object_is_the_same_in_every_position(photo, seed):
    cut = Position(cut="allow")
    placement = place(photo, position=cut, seed=seed)
    assert hashlib.sha256(crop(placement.photo)).digest() == hashlib.sha256(crop(photo)).digest()
    assert placement.sampled["scale"] == 1
    assert placement.sampled["visible"] == 1


@pytest.mark.parametrize("edit", [{"size": Size(rate=0.07)}, {"direction": Direction(angle=33)}])
def test_a_scaled_or_turned_object_is_the_same_in_every_position(edit):
    crops = {crop(place(INSIDE, position=Position(), seed=seed, **edit).photo) for seed in range(60)}
    assert len(crops) == 1


def test_same_bytes_in_another_process():
    code = """
import hashlib
import numpy as np
from xray.core.types import Photo
from xray.scenarios.placement import Direction, Position, Size, place

mask = np.zeros((90, 120), bool)
mask[20:70, 30:60] = True
image = np.arange(90 * 120 * 3, dtype=np.uint32).reshape(90, 120, 3).astype(np.uint8)
edits = {"size": Size(rate=0.05), "direction": Direction(angle=(-45, 45)), "position": Position()}
placement = place(Photo(image, mask), seed=2**62 + 5, **edits)
parts = placement.photo.image.tobytes(), placement.photo.mask.tobytes(), repr(placement.sampled).encode()
fingerprint = hashlib.sha256(b"".join(parts)).hexdigest()
"""
    here: dict[str, str] = {}
    exec(code, here)
    other = subprocess.run(
        [sys.executable, "-c", code + "print(fingerprint)"], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == here["fingerprint"]


def test_position_and_angle_are_drawn_independently():
    def centre(seed, **edit):
        return place(INSIDE, size=Size(rate=0.02), position=Position(), seed=seed, **edit).sampled["centre"]

    assert centre(5) == centre(5, flip=True)
    pairs = np.array([(Direction(angle=(0, 360)).draw(seed), *centre(seed)) for seed in range(300)])
    assert np.abs(np.corrcoef(pairs.T) - np.eye(3)).max() < 0.2


LEFT = box_photo(slice(50, 100), slice(0, 40))
CORNER = box_photo(slice(0, 50), slice(0, 40))


def test_a_cut_object_slides_along_its_side():
    placed = [place(LEFT, position=Position(), seed=seed) for seed in range(60)]
    lefts, tops = zip(*(box_of(one.photo)[:2] for one in placed), strict=True)
    assert set(lefts) == {0}
    assert len(set(tops)) > 40
    assert {tuple(one.sampled["cut_sides"]) for one in placed} == {("left",)}
    corners = {box_of(place(LEFT, position=Position(where="corner"), seed=seed).photo)[:2] for seed in range(20)}
    assert corners == {(0, 0), (0, 150)}
    flipped = place(LEFT, position=Position(), flip=True)
    assert box_of(flipped.photo)[2] == 200
    shrunk = place(CORNER, position=Position(where="corner"), size=Size(rate=0.01))
    assert shrunk.sampled["where"] == "top_left"
    assert place(LEFT, position=Position(cell=(2, 0))).sampled["where"] == "cell_2_0"


@pytest.mark.parametrize(
    ("photo", "position", "edit"),
    [
        (LEFT, Position(where="centre"), {}),
        (LEFT, Position(cell=(0, 1)), {}),
        (LEFT, Position(cut="skip"), {}),
        (LEFT, Position(), {"direction": Direction(angle=20)}),
        (CORNER, Position(), {}),
        (box_photo(slice(0, 200), slice(50, 60)), Position(), {"size": Size(rate=0.01)}),
        (box_photo(slice(0, 200), slice(0, 200)), Position(cut="allow"), {}),
        (box_photo(slice(20, 30), slice(1, 199)), Position(), {"size": Size(rate=0.2)}),
        (box_photo(slice(20, 190), slice(20, 190)), Position(cell=(0, 0)), {}),
    ],
)
def test_what_does_not_fit_is_refused(photo, position, edit):
    with pytest.raises(Rejected) as rejection:
        place(photo, position=position, **edit)
    assert rejection.value.reason == "object_does_not_fit"


@pytest.mark.parametrize("where", ["random", "centre", "corner", "side"])
def test_cut_objects_may_be_allowed_to_move_anywhere(where):
    placement = place(CORNER, position=Position(where=where, cut="allow"), seed=3)
    assert crop(placement.photo) == crop(CORNER)
    assert placement.sampled["cut_sides"] == ["left", "top"]
