"""Placements of the released code: what its tolerance, its frame and its one component do to sizes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from xray.core.errors import Rejected
from xray.core.types import Photo
from xray.scenarios.placement import Direction, Position, Size
from xray.scenarios.placement.released import INVALID, SIDE, place_as_released, squashed

COLOURS = np.random.default_rng(7).integers(1, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def ellipse(centre, axes, frame=(SIDE, SIDE)):
    """An ellipse, given by its centre (x, y) and half axes, on a frame of a height and width."""
    y, x = np.mgrid[: frame[0], : frame[1]]
    return ((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2 <= 1


def released(mask, size=None, position=None, direction=None, seed=3):
    return place_as_released(Photo(COLOURS, mask), size=size, position=position, direction=direction, seed=seed)


@pytest.mark.parametrize("radius", [35, 32.5])  # 0.0588 and 0.0508 of the frame
def test_objects_within_the_tolerance_are_not_edited(radius):
    mask = ellipse((128, 128), (radius, radius))
    placement = released(mask, Size(rate=0.05))
    assert placement.photo.mask.mean() == mask.mean()
    assert placement.sampled["released"] == "unchanged"
    assert placement.notes == ("already_there",)


@pytest.mark.parametrize("rate", [0.1, 0.08, 0.05])
def test_objects_far_from_the_edge_get_their_size(rate):
    for radius in (12, 70):
        placement = released(ellipse((128, 128), (radius, radius)), Size(rate=rate))
        assert placement.photo.mask.mean() == pytest.approx(rate, abs=0.001)
        assert (placement.sampled["scale"] > 1) == (radius == 12)
        assert (placement.sampled["released"], placement.notes) == ("edited", ())


@pytest.mark.parametrize(
    ("centre", "rate", "reached"),
    [
        ((33, 128), 0.10, 0.0922),
        ((33, 128), 0.08, 0.0763),
        ((32, 32), 0.10, 0.0895),
        ((32, 32), 0.08, 0.0715),
    ],
)
def test_objects_near_the_edge_leave_the_frame(centre, rate, reached):
    placement = released(ellipse(centre, (32.5, 32.5) if centre[0] == 33 else (32, 32)), Size(rate=rate))
    assert placement.photo.mask.mean() == pytest.approx(reached, abs=0.0022)
    assert placement.sampled["rate"] == pytest.approx(reached, abs=0.0022)


@pytest.mark.parametrize("axes", [(15.5, 45.5), (60.5, 20.5), (40.5, 40.5)])
def test_fit_stretches_the_object_to_the_frame(axes):
    placement = released(ellipse((128, 128), axes), Size(rate="fit"))
    rows, columns = np.nonzero(placement.photo.mask)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (SIDE, SIDE)
    assert placement.photo.mask.mean() == pytest.approx(np.pi / 4, abs=0.015)


def test_only_the_component_with_the_largest_box_decides():
    mask = ellipse((60, 128), (30, 30))
    small = np.zeros_like(mask)
    small[180:190, 60:70] = True
    placement = released(mask | small, Size(rate=0.1))
    one = released(mask, Size(rate=0.1))
    assert placement.sampled["scale"] == one.sampled["scale"]
    assert placement.photo.mask.mean() > one.photo.mask.mean()
    moved = released(mask | small, position=Position())
    assert moved.photo.mask.sum() == mask.sum()


def test_positions_are_random_and_complete():
    mask = ellipse((40, 40), (30, 20))
    places = [released(mask, position=Position(), seed=seed) for seed in range(20)]
    assert {placement.photo.mask.sum() for placement in places} == {mask.sum()}
    assert len({tuple(placement.sampled["centre"]) for placement in places}) == 20
    colours = {placement.photo.image[placement.photo.mask].tobytes() for placement in places}
    assert colours == {COLOURS[mask].tobytes()}


def test_directions_are_whole_degrees_about_the_image_centre():
    mask = ellipse((40, 128), (20, 20))
    angles = {released(mask, direction=Direction(angle=(-45, 45)), seed=seed).sampled["angle"] for seed in range(60)}
    assert all(-45 <= angle <= 45 and angle == round(angle) for angle in angles)
    assert len(angles) > 25
    quarter = released(mask, direction=Direction(angle=90))
    np.testing.assert_array_equal(quarter.photo.mask, np.rot90(mask))
    np.testing.assert_array_equal(quarter.photo.image, np.rot90(COLOURS))


def test_corners_leave_the_frame_when_turned():
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:60, :60] = True
    assert released(mask, direction=Direction(angle=45)).photo.mask.sum() < 0.5 * mask.sum()
    corner = np.zeros((SIDE, SIDE), bool)
    corner[:4, :4] = True
    with pytest.raises(Rejected, match="object_leaves_frame"):
        released(corner, direction=Direction(angle=45))


def test_a_size_that_is_not_reached_keeps_the_photograph():
    """A ring touches all four sides: zooming moves it out of the frame, until nothing is left."""
    mask = np.ones((SIDE, SIDE), bool)
    mask[2:-2, 2:-2] = False
    placement = released(mask, Size(rate=0.1))
    assert placement.sampled["released"] == "invalid_size"
    assert placement.notes == (INVALID,)
    np.testing.assert_array_equal(placement.photo.image, COLOURS)


def test_photographs_are_squashed():
    image = cv2.resize(COLOURS, (500, 375))
    mask = ellipse((250, 187), (50, 50), (375, 500))
    photo = squashed(Photo(image, mask, image))
    assert photo.image.shape == photo.removed.shape == (SIDE, SIDE, 3)
    rows, columns = np.nonzero(photo.mask)
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(500 / 375, abs=0.05)


def test_an_object_too_small_to_be_seen_is_refused():
    mask = np.zeros((2000, 2000), bool)
    mask[0, 0] = True
    squash = squashed(Photo(np.zeros((2000, 2000, 3), np.uint8), mask))
    with pytest.raises(Rejected, match="mask_empty"):
        place_as_released(squash, size=None, position=None, direction=None, seed=0)
