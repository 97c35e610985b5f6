from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import write
from support.tiny_pools import made_here, planned, pooled_folder
from support.tiny_remover import removing_values
from typer.testing import CliRunner

import xray
from xray.cli.main import app
from xray.core.errors import ConfigError


def test_a_run_shows_its_photographs_without_their_objects(tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path)
    write(folder / "photos/cup/broken.jpg", b"no photograph")
    run = planned(folder, removing_values(folder))
    assert len(xray.open(run.uri).removed()) == 0
    with pytest.raises(ConfigError, match="xray remove"):
        xray.open(run.uri).removed().show()
    made_here(run)
    removed = xray.open(run.uri).removed()
    assert (len(removed), len(removed.table)) == (7, 7)
    shown = list(removed)
    assert len({image_id for image_id, _, _ in shown}) == len(shown) == 6
    for _, image, without in shown:
        differs = (image != without).any(axis=2)
        assert 0.01 < differs.mean() < 0.5
        assert np.unique(without[differs]).tolist() == [128]
    assert len(removed.show(4).axes) == 8


def test_there_is_nothing_to_remove_where_no_scenario_shows_it(tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, removing_values(folder, scenarios=["original", "segmented"]))
    said = CliRunner().invoke(app, ["remove", run.uri])
    with pytest.raises(ConfigError, match="original, segmented"):
        raise said.exception or AssertionError
