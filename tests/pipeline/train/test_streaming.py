from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.learner_inputs import make_samples

from xray.pipeline.train import streaming
from xray.pipeline.train.feed import Pass


def make_pass(*batches: list[int]) -> Pass:
    return Pass(make_samples(12), [np.array(batch) for batch in batches])


def test_short_passes_share_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_IMAGES_PER_STREAM", 6)
    passes = [make_pass([0, 1], [2, 3]), make_pass([4]), make_pass([5, 6]), make_pass(list(range(7))), make_pass([7])]
    streams = list(streaming._streams(iter(passes)))
    assert [[sum(map(len, one.batches)) for one in stream] for stream in streams] == [[4, 1, 2], [7], [1]]


def test_a_stream_starts_before_later_passes_are_requested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_IMAGES_PER_STREAM", 2)
    requested = []

    def passes() -> Iterator[Pass]:
        for number in range(4):
            requested.append(number)
            yield make_pass([number, number + 1])

    next(streaming._streams(passes()))
    assert requested == [0]


def test_tasks_name_each_image_once_in_the_order_of_use() -> None:
    images = make_pass([11, 0], [5, 1])
    tasks = list(streaming._tasks(images))
    names = [name for task in tasks for name in task["samples"]]
    assert sorted(names) == sorted(images.samples.sample_id[index] for index in (0, 1, 5, 11))
    shards = [shard for task in tasks for shard in task["shards"]]
    assert shards == list(dict.fromkeys(images.samples.shard[index] for index in (11, 0, 5, 1)))
    assert {task["scenario"] for task in tasks} == {images.samples.scenario}
