from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.tiny_pools import made_here, planned, pooled_folder, pooled_values

from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.pipeline.generate.stages import _opened, make_shard
from xray.runs import run as run_module
from xray.runs.receipts import GENERATE, MASK
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions


@pytest.fixture(autouse=True)
def _forget() -> None:
    _opened.cache_clear()


def here(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """As if other versions of some libraries were installed in this process from now on."""
    told: dict[str, Any] = environment()
    changed = {**told, "libraries": {**told["libraries"], **{key.replace("_", "-"): v for key, v in versions.items()}}}
    for module in (
        "xray.runs.versions",
        "xray.pipeline.generate.stages",
        "xray.pipeline.generate.masks",
        "xray.pipeline.generate.inpaint",
    ):
        monkeypatch.setattr(f"{module}.environment", lambda: changed)
    assert run_module.environment() is told


def test_another_decoder_is_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    here(monkeypatch, simplejpeg="1.7.2")
    make_shard(run.uri, run.shards()[0])
    monkeypatch.undo()
    _opened.cache_clear()
    with pytest.raises(
        XrayError, match=r"generate of .* was begun with simplejpeg 1\.7\.2 \(here .*'simplejpeg==1\.7\.2'"
    ):
        make_shard(run.uri, run.shards()[1])
    assert run.done(GENERATE) == {run.shards()[0]}
    here(monkeypatch, simplejpeg="1.7.2")
    made_here(Run(run.uri))
    assert run.done(GENERATE) == set(run.shards())


def test_what_decides_no_pixel_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    here(monkeypatch, torch="1.0", statsmodels="0.1", ray="2.0")
    make_shard(run.uri, run.shards()[0])
    monkeypatch.undo()
    _opened.cache_clear()
    make_shard(run.uri, run.shards()[1])
    assert run.done(GENERATE) == set(run.shards()[:2])


def test_networks_decide_what_is_refined_and_painted_but_not_what_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    here(monkeypatch, torch="1.0")
    made_here(run)
    monkeypatch.undo()
    for stage in (MASK, GENERATE):
        with pytest.raises(XrayError, match=rf"{stage[0]} of .* was begun with torch 1\.0"):
            refuse_other_versions(run, stage)
    receipt = run.receipt(GENERATE, next(shard for shard in run.shards() if shard.startswith("00")))
    assert "painter" not in receipt.facts
