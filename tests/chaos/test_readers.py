"""A few flipped bits in every kind of file, in short: one reader each."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.finished_runs import finished

from chaos.readers import KINDS, files, flip_bits


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("finished")
    finished(folder)
    return folder / "run"


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_refused_or_changes_nothing(run: Path, kind: str) -> None:
    assert files(run, kind)
    outcomes, lines = flip_bits(run, kind, 2, seed=3, readers=KINDS[kind][1][:1])
    assert not lines
    assert outcomes["refused"] + outcomes["same"] == 2
    assert outcomes["refused"] or kind in ("receipts", "images", "removed", "derived", "masks")
