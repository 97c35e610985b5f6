from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.learner_inputs import samples

from xray.pipeline.train import streaming as stream
from xray.pipeline.train.feed import Pass


def seen(*batches: list[int]) -> Pass:
    return Pass(samples(12), [np.array(batch) for batch in batches])


def test_passes_are_streamed_together_until_there_are_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_LEG", 6)
    passes = [seen([0, 1], [2, 3]), seen([4]), seen([5, 6]), seen([0, 1, 2, 3, 4, 5, 6]), seen([7])]
    legs = list(stream._legs(iter(passes)))
    assert [[sum(map(len, one.batches)) for one in leg] for leg in legs] == [[4, 1, 2], [7], [1]]


def test_a_leg_is_streamed_before_later_passes_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_LEG", 2)
    asked = []

    def passes() -> Iterator[Pass]:
        for place in range(4):
            asked.append(place)
            yield seen([place, place + 1])

    next(stream._legs(passes()))
    assert asked == [0]


def test_units_name_each_image_of_a_pass_once_in_the_order_of_shards() -> None:
    one = seen([11, 0], [5, 1])
    units = list(stream._units(one))
    names = [name for unit in units for name in unit["samples"]]
    assert sorted(names) == sorted(one.samples.sample_id[place] for place in (0, 1, 5, 11))
    shards = [shard for unit in units for shard in unit["shards"]]
    assert shards == list(dict.fromkeys(one.samples.shard[place] for place in (11, 0, 5, 1)))
    assert {unit["scenario"] for unit in units} == {one.samples.scenario}
