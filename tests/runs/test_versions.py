from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import recipe_values, write_folder
from support.tiny_pools import made_here, planned, pooled_folder, pooled_values
from support.tiny_remover import removing_values

from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.pipeline.generate.photo_batches import _worker
from xray.pipeline.generate.workers import _open, refine_shards, remove_shards, render_shard
from xray.pipeline.plan.plan import replan
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt
from xray.runs.versions import changed_versions, refuse_other_versions


@pytest.fixture(autouse=True)
def _clear_cache() -> None:
    _open.cache_clear()


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Report other versions of some libraries as installed in this process."""
    actual: dict[str, Any] = environment()
    changed = {**actual, "libraries": actual["libraries"] | {key.replace("_", "-"): v for key, v in versions.items()}}
    for module in ("xray.runs.versions", "xray.pipeline.generate.workers", "xray.pipeline.worker"):
        monkeypatch.setattr(f"{module}.environment", lambda: changed)


def test_another_version_of_the_decoder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    install(monkeypatch, simplejpeg="1.7.2")
    render_shard(run.uri, run.plan.shards()[0])
    monkeypatch.undo()
    _open.cache_clear()
    with pytest.raises(XrayError, match=r"generate of .* simplejpeg 1\.7\.2 \(here .*'simplejpeg==1\.7\.2'"):
        render_shard(run.uri, run.plan.shards()[1])
    assert run.store.done(GENERATE) == {run.plan.shards()[0]}
    install(monkeypatch, simplejpeg="1.7.2")
    made_here(RunFolder(run.uri))
    assert run.store.done(GENERATE) == set(run.plan.shards())


def test_masks_are_made_with_one_version_even_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, removing_values(folder))
    install(monkeypatch, numpy="0.1")
    first, second, _ = run.plan.batches()
    refine_shards(run.uri, first)
    monkeypatch.undo()
    _worker.cache_clear()
    with pytest.raises(XrayError, match=r"mask of .* numpy 0\.1"):
        refine_shards(run.uri, second)
    assert run.store.masked() == {first}


def test_libraries_that_determine_no_pixel_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    install(monkeypatch, torch="1.0", statsmodels="0.1", ray="2.0")
    render_shard(run.uri, run.plan.shards()[0])
    monkeypatch.undo()
    _open.cache_clear()
    render_shard(run.uri, run.plan.shards()[1])
    assert run.store.done(GENERATE) == set(run.plan.shards()[:2])


def test_networks_determine_refined_masks_and_inpainted_images_but_not_rendered_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    install(monkeypatch, torch="1.0")
    made_here(run)
    monkeypatch.undo()
    for stage in (MASK, GENERATE):
        with pytest.raises(XrayError, match=rf"{stage[0]} of .* torch 1\.0"):
            refuse_other_versions(run, stage)
    receipt = run.store.receipt(GENERATE, next(shard for shard in run.plan.shards() if shard.startswith("00")))
    assert "painter" not in receipt.facts


def test_a_library_that_only_one_side_has_is_not_compared(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    here = environment()["libraries"]
    for recorded in ({}, {"environment": {"libraries": {"numpy": "0.1", "torch": "0.1"}}}):
        receipt = Receipt("00-00-00000", {}, {}, 1.0, recorded)
        assert changed_versions(run, GENERATE, receipt) == ({"numpy": ("0.1", here["numpy"])} if recorded else {})


def test_the_library_of_a_remover_determines_removals_and_the_images_that_show_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("patchmatch")
    folder = pooled_folder(tmp_path)
    values = removing_values(folder, remover="patchmatch", shard_size=3)
    run = planned(folder, values)
    shown = planned(folder, {**values, "scenarios": ["original"]}, "original")
    install(monkeypatch, pypatchmatch="0.1")
    made_here(run)
    made_here(shown)
    monkeypatch.undo()
    _worker.cache_clear()
    run.store.revoke(REMOVE, run.plan.batches()[0])
    with pytest.raises(XrayError, match=r"remove of .* pypatchmatch 0\.1"):
        remove_shards(run.uri, 1, run.plan.batches()[0])
    assert "pypatchmatch" in changed_versions(run, GENERATE, run.store.receipts(GENERATE)[0])
    assert changed_versions(shown, GENERATE, shown.store.receipts(GENERATE)[0]) == {}
    diff = replan(run, run.recipe, survey(run.recipe))
    assert sum(diff.missing.values()) == 18
    made_here(RunFolder(run.uri))
    refuse_other_versions(run, REMOVE)
