from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.tiny_pools import planned

from xray.core.images import encode
from xray.runs.photographs import Photographs


def test_photographs_are_found_in_all_parts_of_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray.pipeline.plan.writer._PART_ROWS", 4)
    write_folder(tmp_path)
    planned(tmp_path, recipe_values(tmp_path))
    write(tmp_path / "photos/cup/9.jpg", encode(drawn(77)[0]))
    run = planned(tmp_path, recipe_values(tmp_path))
    assert len(run.plan.parts("source")) == 3
    photographs, count = Photographs(run.plan), 0
    for batch in run.plan.batches():
        for position, image in enumerate(run.plan.batch(batch).column("image_id").to_pylist()):
            assert photographs.find(image) == (batch, position)
            count += 1
    assert count == 7
    assert photographs.find("another") is None
