from __future__ import annotations

import pytest
from pydantic import ValidationError

from xray.core.plugins import settings, settings_of
from xray.scenarios.placement import Direction, Position, Size


@settings
class Holder:
    size: Size | None = None
    position: Position | None = None
    direction: Direction | None = None


@pytest.mark.parametrize(
    ("shorthand", "value"),
    [
        ({"size": 0.1}, Size(rate=0.1)),
        ({"size": 1}, Size(rate=1)),
        ({"size": "fit"}, Size(rate="fit")),
        ({"size": {"rate": 0.2, "about": "centroid"}}, Size(rate=0.2, about="centroid")),
        ({"position": "centre"}, Position(where="centre")),
        ({"position": {"cell": [0, 2]}}, Position(where="cell", cell=(0, 2))),
        ({"position": {}}, Position(where="random")),
        ({"direction": 45}, Direction(angle=45)),
        ({"direction": [-45, 45]}, Direction(angle=(-45, 45))),
        ({"direction": {"angles": [1, 21, 41]}}, Direction(angles=(1, 21, 41))),
    ],
)
def test_shorthands(shorthand, value):
    holder = Holder(**shorthand)
    (key,) = shorthand
    assert getattr(holder, key) == value
    assert Holder(**settings_of(holder)) == holder


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"size": 0}, "share of the image"),
        ({"size": -0.1}, "share of the image"),
        ({"size": 1.01}, "share of the image"),
        ({"size": 10}, "10 % is 0.1"),
        ({"size": True}, "share of the image"),
        ({"size": float("nan")}, "share of the image"),
        ({"size": "big"}, "`fit`"),
        ({"size": {"about": "bbox"}}, "rate"),
        ({"size": {"rate": 0.1, "min_visible": 0}}, "min_visible"),
        ({"size": {"rate": 0.1, "stretch": True}}, "rate: fit"),
        ({"position": "left"}, "random"),
        ({"position": [0, 2]}, "row, column"),
        ({"position": "cell"}, "row, column"),
        ({"position": {"where": "centre", "cell": [0, 0]}}, "row, column"),
        ({"position": {"cell": [3, 0]}}, "3 × 3"),
        ({"position": {"cell": [-1, 0]}}, "cell"),
        ({"direction": {}}, "`angles`"),
        ({"direction": {"angle": 1, "angles": [2]}}, "`angles`"),
        ({"direction": [1, 21, 41]}, "`angles`"),
        ({"direction": [45, -45]}, "from, to"),
        ({"direction": 361}, "degrees"),
        ({"direction": "left"}, "degrees"),
        ({"direction": False}, "degrees"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        Holder(**fields)


def test_angles_are_drawn_from_the_whole_range():
    drawn = {Direction(angle=(-1, 1)).draw(seed) for seed in range(500)}
    assert drawn == {step / 10 for step in range(-10, 11)}
    assert {Direction(angles=(1, 21)).draw(seed) for seed in range(50)} == {1, 21}
    assert {Direction(angle=30).draw(seed) for seed in range(5)} == {30}
