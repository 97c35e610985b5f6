from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.planned_runs import planned

from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.core.images import encode
from xray.pipeline.generate.render import Renderer
from xray.pipeline.plan.donors import Donors, Sampler
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.rings import Pool
from xray.pipeline.plan.rows import plan_rows, sample_id
from xray.pipeline.plan.scan import image_id
from xray.pipeline.plan.survey import survey
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

SOURCES = [
    {"image_id": f"i{i}", "category": "ab"[i % 2], "place": f"p{i % 3}", "uri": f"file:///{i}", "sha256": str(i)}
    for i in range(6)
]
ROWS = [{**row, "donor_id": row["image_id"]} for row in SOURCES]
BANK = Donors(Pool(pa.Table.from_pylist(ROWS)))
SCENARIOS = recipe_from(
    {
        "source": {"kind": "shapes"},
        "scenarios": ["original", {"kind": "random_background", "donor": "whole", "variants": 3}],
    }
).scenarios


def rows_of(sources: list[dict[str, str]], draw: Sampler) -> list[dict[str, Any]]:
    """Rows of PLAN."""
    return plan_rows(pa.Table.from_pylist(sources), SCENARIOS, draw, "x").to_pylist()


def test_hashes_are_what_they_were() -> None:
    """A change here changes every image of every run ever planned."""
    assert digest(0, "a", "original", 0, bits=63) == 3807548676117189903
    assert sample_id("a", "original", 0) == "6b9bdf835ac553b6f446"
    assert image_id("red fox/photo 1.jpg") == "photo_1-076c2524fa"


@given(st.lists(st.text(), unique=True))
def test_ids_are_unique_readable_and_safe(keys: list[str]) -> None:
    ids = [image_id(key) for key in keys]
    assert len(set(ids)) == len(keys)
    assert all(name.replace("-", "").replace("_", "").isalnum() and name.isascii() for name in ids)


@given(st.permutations(SOURCES), st.integers(1, 6), st.integers(0, 2**63 - 1))
def test_a_row_does_not_depend_on_its_neighbours(order: list[dict[str, str]], size: int, seed: int) -> None:
    whole = {row["sample_id"]: row for row in rows_of(SOURCES, Sampler(seed, BANK, {}))}
    some = {row["sample_id"]: row for row in rows_of(order[:size], Sampler(seed, BANK, {}))}
    assert len(whole) == len(SOURCES) * 4
    assert all(whole[name] == row for name, row in some.items())


def test_large_plans_come_in_parts_that_change_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, per_category=4)
    whole = planned(tmp_path)
    columns = ["sample_id", "seed", "donor_id"]
    rows = whole.store.table("plan", columns).sort_by("sample_id")
    monkeypatch.setattr("xray.pipeline.plan.writer._PART_ROWS", 3)
    run = RunFolder(str(tmp_path / "parts"))
    recipe = recipe_from(recipe_values(tmp_path))
    steps: list[int] = []
    write_plan(run, recipe, survey(recipe, run), steps.append)
    assert steps == [3, 3, 2]
    assert run.plan.parts("plan") == ["00-00", "01-01", "02-02"]
    assert list(run.plan.rows_by_batch().values()) == [2, 1, 2, 1, 2]
    assert run.store.table("plan", columns).sort_by("sample_id").equals(rows)


def test_every_photograph_in_every_scenario(tmp_path: Path) -> None:
    write_folder(tmp_path)
    write(tmp_path / "photos/ball/bad.jpg", b"no image")
    run = planned(tmp_path)
    source, plan = run.store.table("source").to_pandas(), run.store.table("plan").to_pandas()
    assert len(source) == 7
    assert len(plan) == 35
    assert plan.sample_id.is_unique
    assert run.plan.shards() == [f"00-00-{i:05d}" for i in range(4)]
    assert plan.groupby("shard").image_id.nunique().tolist() == [2, 2, 2, 1]
    (bad,) = source[source.status != "ok"].itertuples()
    assert (bad.status, bad.reason) == ("rejected", "unknown_format")
    assert set(source.split) == {"val"}
    assert (source.width[source.status == "ok"] == 96).all()


def test_a_larger_recipe_plans_only_what_is_missing(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, scenarios=["image_r"])
    before = run.store.table("plan")
    write_folder(tmp_path, per_category=4)
    run = planned(tmp_path, scenarios=["image_r", "image_b"])
    after = run.store.table("plan").to_pandas()
    assert after.sample_id.is_unique
    assert len(after) == 16
    assert set(before.column("sample_id").to_pylist()) <= set(after.sample_id)
    assert run.plan.shards()[:3] == ["00-00-00000", "00-00-00001", "00-00-00002"]
    assert list(run.recipe_values["scenarios"]) == ["image_r", "image_b"]
    assert len(planned(tmp_path, scenarios=["image_r", "image_b"]).store.table("plan")) == 16


def test_a_smaller_recipe_keeps_the_bank_for_new_photographs(tmp_path: Path) -> None:
    write_folder(tmp_path)
    planned(tmp_path, scenarios=["original", "random_background"])
    write_folder(tmp_path, per_category=4)
    run = planned(tmp_path, scenarios=["original"])
    plan = run.store.table("plan").to_pandas()
    assert plan[plan.scenario == "random_background"].donor_id.notna().all()
    assert len(plan) == 16


def test_large_photographs_make_small_shards(tmp_path: Path) -> None:
    write_folder(tmp_path)
    for number in range(3):
        write(tmp_path / f"photos/ball/large{number}.jpg", encode(np.zeros((3000, 4000, 3), np.uint8)))
    run = planned(tmp_path, scenarios=["original"], shard_size=32)
    assert [len(run.plan.shard(shard).source) for shard in run.plan.shards()] == [4, 2, 3]


def test_a_recipe_that_contradicts_the_plan_is_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    before = run.plan.record()
    for changes in ({"seed": 5}, {"images": {"quality": 50}}):
        with pytest.raises(XrayError, match=f"`{next(iter(changes))}: "):
            planned(tmp_path, **changes)
    with pytest.raises(XrayError, match="'blur_background'"):
        planned(tmp_path, scenarios=[{"kind": "blur_background", "sigma": 9}])
    assert run.plan.record() == before


def test_a_plan_that_was_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path)
    golden = planned(tmp_path, scenarios=["image_r", "image_b"]).store.table("plan")
    (tmp_path / "run").rename(tmp_path / "golden")
    planned(tmp_path, scenarios=["image_r"])

    def killed(self: RunFolder, *_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "commit_plan", killed)
        with pytest.raises(KeyboardInterrupt):
            planned(tmp_path, scenarios=["image_r", "image_b"])
    assert len(RunFolder(str(tmp_path / "run")).store.table("plan")) == 6
    again = planned(tmp_path, scenarios=["image_r", "image_b"]).store.table("plan")
    keys = [("sample_id", "ascending")]
    assert again.drop_columns("shard").sort_by(keys).equals(golden.drop_columns("shard").sort_by(keys))


def test_duplicate_ids_are_rows_of_their_own(tmp_path: Path) -> None:
    """Of two photographs with one id the first is used; the other is rejected, and counted."""
    cells = [{"bytes": encode(drawn(seed)[0]), "path": None} for seed in (1, 2)]
    masks = [{"bytes": encode(drawn(seed)[1], "png"), "path": None} for seed in (1, 2)]
    table = pa.table({"id": ["same", "same"], "image": cells, "mask": masks, "label": ["ball", "ball"]})
    pq.write_table(table, tmp_path / "photos.parquet")
    columns = {"id": "id", "category": "label", "mask": "mask"}
    source = {"kind": "parquet", "uri": str(tmp_path / "photos.parquet"), **columns}
    run = planned(tmp_path, source=source, masks={}, scenarios=["original"])
    assert run.store.table("source").to_pandas().reason.tolist() == ["", "duplicate_id"]
    assert run.store.table("source").to_pandas().image_id.is_unique
    plan = run.store.table("plan").to_pandas()
    assert len(plan) == 2
    assert plan.sample_id.is_unique
    made = Renderer(run.recipe).shard(run.plan.shard(run.plan.shards()[0])).images.to_pylist()
    assert [(row["status"], row["reason"]) for row in made] == [("ok", ""), ("rejected", "duplicate_id")]


def test_no_photograph_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "photos/ball/readme.txt", b"x")
    write(tmp_path / "masks/ball/readme.txt", b"x")
    with pytest.raises(XrayError, match="no photograph"):
        planned(tmp_path)
