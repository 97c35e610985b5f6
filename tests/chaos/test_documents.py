"""The fuzzing of parsers in short; `python tests/chaos fuzz --of documents` gives them many more."""

from __future__ import annotations

import warnings

import pytest

from chaos.documents import read_changed, read_document, seeds


def test_originals_are_read() -> None:
    for name, data in seeds().items():
        outcome, problems = read_document(name, data)
        assert outcome in ("ok", "missing_mask"), name
        assert not problems, name


@pytest.mark.parametrize("seed", [1, 2])
def test_changed_documents_are_read_or_refused_in_one_message(seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(250):
            assert read_changed(seed, number)[1] == [], number
