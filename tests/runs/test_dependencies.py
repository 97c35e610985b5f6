from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from support.made_up_recipe import RECIPE

from xray.core import schema
from xray.core.checksummed import check_checksum, with_checksum
from xray.core.parquet import to_parquet
from xray.runs.dependencies import FOLDS, content_of, scenario_content
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, MASK, REMOVE, Stage, evaluation, training

BATCHES, SHARDS = ["00-00000", "00-00001"], ["00-00-00000", "00-00-00001"]
MODEL, TRAINED = evaluation("m"), training("net", "a")
Change = Callable[[RunFolder], None]


def rows_of(table_schema: pa.Schema, **values: object) -> pa.Table:
    """One row with these values; others are null, empty or 0."""
    empty = {
        field.name: None if field.nullable else 0 if pa.types.is_integer(field.type) else "" for field in table_schema
    }
    return pa.Table.from_pylist([empty | values], table_schema)


def image(sample: str = "s", sha256: str = "0", scenario: str = "a", mask: bytes | None = b"mask") -> pa.Table:
    cell = {"bytes": mask, "path": "m.png"}
    values = {"sample_id": sample, "scenario": scenario, "sha256": sha256, "mask": mask and cell, "status": "ok"}
    return rows_of(schema.IMAGES, **values)


def part_of(table_schema: pa.Schema, **values: object) -> bytes:
    """A file of two row groups, each of one row with these values."""
    return to_parquet(pa.concat_tables([rows_of(table_schema, **values)] * 2), [1, 1])


def plan(run: RunFolder, **files: bytes) -> None:
    """Commit a plan of two shards of one photograph and one image."""
    run.plan.write_part("source", "00", files.get("source") or part_of(schema.SOURCE))
    run.plan.write_part("plan", "00-00", files.get("plan") or part_of(schema.PLAN, scenario="a"))
    run.plan.write_file(FOLDS, files.get("folds", b"folds"))
    run.plan.commit(["00-00"], RECIPE, {})


def make(run: RunFolder, stage: Stage, shard: str, sha256: str = "0") -> None:
    """Commit what a stage makes of a shard, from what the run has; another `sha256` makes other bytes."""
    now, table = (
        run.store.dependencies(),
        {"mask": "masks", "remove": "removed", "generate": "images"}.get(stage[0], ""),
    )
    if stage in (MASK, REMOVE):
        made = rows_of(schema.MASKS if stage == MASK else schema.REMOVED, image_id=sha256, status="ok")
        run.store.commit(stage, shard, {table: (made, None)}, {}, 0.0, made_from=now.of_batch(stage, shard))
    elif stage == GENERATE:
        removed = [shard.partition("-")[2]] if run.store.done(REMOVE) else []
        tables, counts = {"images": (image(shard, sha256), None)}, {"a": {"ok": 1}}
        run.store.commit(stage, shard, tables, counts, 0.0, made_from=now.of_images(shard, removed))
    else:
        made_from = now.of_training("a") if stage[0] == "train" else now.of_predictions(shard)
        tables = {"predictions": (schema.PREDICTIONS.empty_table(), None)}
        run.store.commit(stage, shard, tables, {"a": {"ok": 1}}, 0.0, made_from=made_from)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(str(tmp_path / "run"))
    plan(run)
    for stage, shards in ((MASK, BATCHES), (REMOVE, BATCHES), (GENERATE, SHARDS), (MODEL, SHARDS), (TRAINED, ["0"])):
        for shard in shards:
            make(run, stage, shard)
    return run


def current(run: RunFolder) -> dict[str, list[str]]:
    return {stage[0]: sorted(run.store.done(stage)) for stage in (MASK, REMOVE, GENERATE, MODEL, TRAINED)}


ALL = {"mask": BATCHES, "remove": BATCHES, "generate": SHARDS, "evaluate": SHARDS, "train": ["0"]}
SECOND = {"remove": BATCHES[1:], "generate": SHARDS[1:], "evaluate": SHARDS[1:], "train": []}


def remade(stage: Stage, shard: str, sha256: str) -> Change:
    return lambda run: make(run, stage, shard, sha256)


def revoked(stage: Stage, shard: str) -> Change:
    return lambda run: run.store.revoke(stage, shard)


def replanned(**files: bytes) -> Change:
    return lambda run: plan(RunFolder(run.uri), **files)


OTHER = part_of(schema.PLAN, scenario="a", sample_id="other")
OTHER_SOURCE = part_of(schema.SOURCE, image_id="other")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (remade(MASK, "00-00000", "0"), {}),
        (remade(MASK, "00-00000", "1"), SECOND),
        (remade(REMOVE, "00-00000", "1"), SECOND | {"remove": BATCHES}),
        (remade(GENERATE, "00-00-00000", "0"), {}),
        (remade(GENERATE, "00-00-00000", "1"), {"evaluate": SHARDS[1:], "train": []}),
        (remade(MODEL, "00-00-00000", "1"), {}),
        (replanned(), {}),
        (replanned(source=OTHER_SOURCE), {name: [] for name in ALL}),
        (replanned(plan=OTHER), {"generate": [], "evaluate": [], "train": []}),
        (replanned(folds=b"others"), {"train": []}),
        # what is revoked may come back with the same bytes
        (revoked(MASK, "00-00000"), {"mask": BATCHES[1:]}),
        (revoked(REMOVE, "00-00000"), {"remove": BATCHES[1:]}),
        (revoked(GENERATE, "00-00-00000"), {"generate": SHARDS[1:], "train": []}),
    ],
)
def test_only_work_counts_that_rests_on_what_the_run_has(
    run: RunFolder, change: Change, left: dict[str, list[str]]
) -> None:
    assert current(run) == ALL
    change(run)
    run = RunFolder(run.uri)
    assert current(run) == ALL | left
    lost = {(stage[0], shard) for stage, shards in run.store.stale().items() for shard in shards}
    gone = {(name, shard) for name in ALL for shard in {*ALL[name]} - {*(ALL | left)[name]}}
    receipted = {(s[0], shard) for s in (MASK, REMOVE, GENERATE, MODEL, TRAINED) for shard in run.store.receipted(s)}
    assert lost == gone & receipted


def test_what_is_made_again_counts_again(run: RunFolder) -> None:
    make(run, MASK, BATCHES[0], "1")
    for stage, shard in ((REMOVE, BATCHES[0]), (GENERATE, SHARDS[0])):
        make(run, stage, shard)
    assert current(run) == ALL  # images with the same bytes leave predictions and trainings as they were
    make(run, GENERATE, SHARDS[0], "1")
    assert current(run)["evaluate"] == SHARDS[1:]
    make(run, MODEL, SHARDS[0])
    make(run, TRAINED, "0")
    assert current(run) == ALL


def test_a_training_waits_for_images_that_are_missing(run: RunFolder) -> None:
    run.store.revoke(GENERATE, SHARDS[0])
    assert getattr(run.store.mismatch(TRAINED, "0"), "waiting", None) is True
    make(run, GENERATE, SHARDS[0])
    assert run.store.trained() == {("net", "a"): [(0, 0)]}
    make(run, GENERATE, SHARDS[0], "1")
    assert getattr(run.store.mismatch(TRAINED, "0"), "waiting", None) is False


def test_masks_that_only_got_further_rows_leave_images_as_they_are(run: RunFolder) -> None:
    before = run.store.receipt(MASK, BATCHES[0]).files["masks"]["sha256"]
    made_from = run.store.dependencies().of_batch(MASK, BATCHES[0])
    rows = {"masks": (rows_of(schema.MASKS, image_id="other", status="ok"), None)}
    run.store.commit(MASK, BATCHES[0], rows, {}, 0.0, made_from=made_from, extends=[before])
    assert current(run) == ALL


def test_receipts_of_earlier_versions_count(run: RunFolder) -> None:
    for path in Path(run.uri.removeprefix("file://")).glob("receipts/**/*.json"):
        values = check_checksum(path.read_bytes(), str(path))
        del values["made_from"], values["content"]
        path.write_bytes(with_checksum(values))
    make(run, MASK, BATCHES[0], "1")
    plan(run, source=OTHER_SOURCE, plan=OTHER, folds=b"others")
    assert current(run) == ALL | {"mask": BATCHES[1:]}
    make(run, TRAINED, "0")  # what is new is compared, also with images that were made earlier
    assert run.store.done(TRAINED) == {"0"}
    make(run, GENERATE, SHARDS[1], "1")
    assert run.store.done(TRAINED) == set()


def test_content_does_not_depend_on_shards_and_order() -> None:
    one, two, refused = image("x"), image("y", "1"), rows_of(schema.MASKS, image_id="i", status="rejected")
    name = scenario_content("a")
    both = int(content_of({"images": pa.concat_tables([two, one])})[name], 16)
    assert both == (int(content_of({"images": one})[name], 16) + int(content_of({"images": two})[name], 16)) % 2**128
    assert content_of({"images": image(mask=b"other")}) != content_of({"images": image()})
    assert content_of({"images": image(scenario="b")}).keys() == {scenario_content("b")}
    assert content_of({"masks": refused}) != content_of({"masks": rows_of(schema.MASKS, image_id="i", status="ok")})


@pytest.mark.parametrize(
    "forged",
    [
        {"files": {"images": {"path": ["..", "..", "x.parquet"], "sha256": "", "bytes": 1}}},
        {"files": {"images": {"path": ["a/b"], "sha256": "", "bytes": 1}}},
        {"files": {"images": {"sha256": "", "bytes": 1}}},
        {"files": 1},
        {"counts": {"a": {"ok": "1"}}},
        {"made_from": {"masks/00-00000": 1}},
        {"another": 1},
    ],
)
def test_a_receipt_that_is_none(run: RunFolder, forged: dict[str, object]) -> None:
    from xray.core.errors import DamagedError

    path = Path(run.uri.removeprefix("file://")) / f"receipts/generate/{SHARDS[0]}.json"
    values = {key: value for key, value in json.loads(path.read_bytes()).items() if key != "sha256"}
    path.write_bytes(with_checksum(values | forged))
    with pytest.raises(DamagedError, match=SHARDS[0]):
        run.store.receipt(GENERATE, SHARDS[0])
    assert run.store.receipt_files.find(GENERATE, SHARDS[0]) is None
