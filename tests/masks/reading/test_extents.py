from __future__ import annotations

import pytest

from xray.core.errors import Rejected
from xray.core.images import Header
from xray.masks.fitting import fit_to_photo
from xray.masks.reading.extents import Extents
from xray.masks.reading.objects import Drawing, Object
from xray.sources.base import RELATIVE, Candidate

SHAPE = {"points": [[10.0, 10.0], [500.0, 10.0], [500.0, 400.0]]}


def looked_at(one: Object, size: tuple[int, int]) -> tuple[str, list[str]]:
    extents = Extents()
    return extents.problem_of(Candidate("fox/1.jpg", "", "fox"), Drawing(size, (one,)), [one]), extents.notes()


@pytest.mark.parametrize(
    "one",
    [
        Object("fox", outline=[[0.1, 0.1, 0.9, 0.1, 0.5, 0.8]]),
        Object("fox", box=(0.1, 0.1, 0.9, 0.8)),
        Object("fox", points=((0.5, 0.5, True),)),
        Object("fox", outline={"points": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.8]]}),
    ],
    ids=["polygon", "box", "point", "labelme"],
)
def test_shares_are_no_pixels(one: Object) -> None:
    assert looked_at(one, (640, 480))[0].startswith("mask_wrong_size: ")
    assert looked_at(one, RELATIVE) == ("", [])


def test_coordinates_of_a_larger_image_are_noted_with_both_sizes() -> None:
    problem, notes = looked_at(Object("fox", outline=SHAPE), (240, 180))
    assert not problem
    assert "500, 400 in 240×180" in notes[0]
    assert looked_at(Object("fox", outline=SHAPE), (480, 400)) == ("", [])


def test_damaged_outlines_are_left_to_their_readers() -> None:
    for outline in ([["x", 1]], [None], {"size": [2, 2], "counts": "52"}, {"points": []}):
        assert looked_at(Object("fox", outline=outline), (640, 480)) == ("", [])


@pytest.mark.parametrize("box", [(0.1, 0.1, 0.9, 0.8), (10, 10, 300, 100), (10, 10, 100, 360)])
def test_boxes_without_a_size_must_fit_the_photograph(box: tuple[float, float, float, float]) -> None:
    header = Header("JPEG", 240, 180, 1)
    with pytest.raises(Rejected) as caught:
        fit_to_photo([box], [], None, header)
    assert caught.value.reason == "mask_wrong_size"
    assert fit_to_photo([(10, 10, 241, 181)], [], None, header)[0] == [(10, 10, 241, 181)]
