"""The fuzzing of decoders in short; `python tests/chaos fuzz` gives them a million files."""

from __future__ import annotations

import warnings

import numpy as np

from chaos.fuzz import read_all, seeds
from chaos.mutations import join_png, jpeg_segments, mutate, png_chunks
from xray.core.images import Limits, decode


def test_originals_are_read_or_refused_for_what_they_are() -> None:
    originals = seeds()
    photograph = decode(originals[0], Limits(min_side=1))
    outcomes = [read_all(data, photograph) for data in originals]
    assert not [problem for _, problems in outcomes for problem in problems]
    assert sum(outcome == "ok" for outcome, _ in outcomes) >= len(originals) - 6


def test_changed_files_are_read_or_rejected() -> None:
    originals = seeds()
    photograph = decode(originals[0], Limits(min_side=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(400):
            data = mutate(originals, np.random.default_rng([1, number]))
            assert read_all(data, photograph)[1] == [], number


def test_mutations_know_the_formats() -> None:
    for data in seeds():
        if data.startswith(b"\x89PNG"):
            assert join_png(png_chunks(data)) == data
        if data.startswith(b"\xff\xd8"):
            assert b"".join(jpeg_segments(data)) == data
    first, again = (mutate(seeds(), np.random.default_rng([7, 7])) for _ in range(2))
    assert first == again
