from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from support.made_up_recipe import RECIPE

from xray.core import schema
from xray.core.errors import XrayError
from xray.core.files import read_bytes
from xray.core.parquet import consecutive, to_parquet
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.store import Store


def image_rows(scenarios: list[str], n: int = 3) -> pa.Table:
    rows = [
        {
            "sample_id": f"{scenario}-{i}", "image_id": f"i{i}", "category": "fox", "scenario": scenario, "variant": 0,
            "image": {"bytes": bytes([i]) * 500, "path": f"{i}.jpg"}, "mask": None, "provenance": "{}", "sha256": "0",
            "status": "ok", "reason": "",
        }
        for scenario in scenarios for i in range(n)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=schema.IMAGES)


def commit(store: Store, shard: str, table: pa.Table) -> None:
    groups = consecutive(table.column("scenario"))
    store.commit(GENERATE, shard, {"images": (table, groups)}, {"a": {"ok": 3}}, 1.23456)


def test_only_what_has_a_receipt_exists(tmp_path: Path) -> None:
    store = RunFolder(str(tmp_path / "run")).store
    assert len(store.table("images")) == 0
    assert store.table("images").schema == schema.IMAGES
    commit(store, "00-00-00000", image_rows(["a", "b"]))
    torn = tmp_path / "run/images/00-00-00001.parquet"
    torn.write_bytes(b"half a file")
    assert store.done(GENERATE) == {"00-00-00000"}
    assert len(store.table("images")) == 6
    (receipt,) = store.receipts(GENERATE)
    file = receipt.files["images"]
    assert file["sha256"] == hashlib.sha256(read_bytes(store.path(*file["path"]))).hexdigest()
    assert (file["rows"], receipt.seconds, receipt.counts) == (6, 1.235, {"a": {"ok": 3}})


def test_committing_again_gives_the_same_bytes_and_no_second_row(tmp_path: Path) -> None:
    store = RunFolder(str(tmp_path)).store
    commit(store, "00-00-00000", image_rows(["a"]))
    first = (tmp_path / "images/00-00-00000.parquet").read_bytes()
    commit(store, "00-00-00000", image_rows(["a"]))
    assert (tmp_path / "images/00-00-00000.parquet").read_bytes() == first
    assert len(store.table("images")) == 3


def test_each_scenario_is_a_row_group_and_is_read_alone(tmp_path: Path) -> None:
    store = RunFolder(str(tmp_path)).store
    commit(store, "00-00-00000", image_rows(["a", "b", "c"]))
    metadata = pq.ParquetFile(tmp_path / "images/00-00-00000.parquet").metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 3]
    dataset = ds.dataset(str(tmp_path / "images/00-00-00000.parquet"), schema.IMAGES)
    (fragment,) = dataset.get_fragments()
    assert [group.id for group in fragment.subset(ds.field("scenario") == "b").row_groups] == [1]
    table = store.table("images", where=ds.field("scenario") == "b")
    assert table.column("sample_id").to_pylist() == ["b-0", "b-1", "b-2"]
    assert table.column("image")[2].as_py()["bytes"] == b"\2" * 500


def test_pictures_are_marked_for_hugging_face(tmp_path: Path) -> None:
    data = to_parquet(image_rows(["a"]))
    kept = pq.read_schema(pa.BufferReader(data)).metadata[b"huggingface"]
    features = json.loads(kept)["info"]["features"]
    assert features["image"] == features["mask"] == {"_type": "Image"}
    assert features["variant"] == {"dtype": "int32", "_type": "Value"}


def test_parquet_bytes_repeat_and_rows_keep_their_order() -> None:
    table = image_rows(["b", "a"])
    assert to_parquet(table, [3, 3]) == to_parquet(image_rows(["b", "a"]), [3, 3])
    assert pq.read_table(pa.BufferReader(to_parquet(table, [2, 2, 2]))).equals(table)
    assert len(pq.read_table(pa.BufferReader(to_parquet(table.slice(0, 0))))) == 0


def test_predictions_are_kept_by_model(tmp_path: Path) -> None:
    store = RunFolder(str(tmp_path)).store
    for model in ("m 1", "m2"):
        empty = schema.PREDICTIONS.empty_table()
        store.commit(evaluation(model), "00-00-00000", {"predictions": (empty, None)}, {}, 0.0, {"weights": "x"})
    assert store.evaluated() == ["m 1", "m2"]
    assert store.receipts(evaluation("m 1"))[0].facts == {"weights": "x"}
    with pytest.raises(XrayError, match="cannot be the name"):
        store.path("predictions", "../x")


def test_plan_counts_once_it_is_committed(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path))
    plan_files, store = run.plan, run.store
    assert (plan_files.exists, plan_files.shards(), plan_files.parts("plan")) == (False, [], [])
    rows = pa.Table.from_pylist(
        [
            {
                "image_id": f"i{i}", "category": "fox", "uri": f"file:///{i}", "sha256": "0", "width": 4, "height": 3, "mask_uri": None,
                "box": [0, 0, 1, 1], "place": None, "split": "val", "licence": "CC0", "status": "ok", "reason": "",
            }
            for i in range(5)
        ],
        schema=schema.SOURCE,
    )  # fmt: skip
    plan_files.write_part("source", "00", to_parquet(rows, [2, 2, 1]))
    plan = schema.PLAN.empty_table()
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema.PLAN) as writer:
        for _ in range(3):
            writer.write_table(plan)
    plan_files.write_part("plan", "00-00", bytes(sink.getvalue()))
    assert plan_files.shards() == []
    plan_files.commit(["00-00"], RECIPE, {})
    assert plan_files.shards() == ["00-00-00000", "00-00-00001", "00-00-00002"]
    assert plan_files.shard("00-00-00001").source.column("image_id").to_pylist() == ["i2", "i3"]
    assert len(store.table("source")) == 5


def test_no_such_table(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="has no table 'drops'"):
        RunFolder(str(tmp_path)).store.table("drops")


def test_an_object_store_holds_a_run_as_a_folder_does(tmp_path: Path, bucket: str) -> None:
    for store in (RunFolder(bucket.format("a run")).store, RunFolder(str(tmp_path)).store):
        assert store.done(GENERATE) == set()
        commit(store, "00-00-00000", image_rows(["a", "b"]))
        commit(store, "00-00-00001", image_rows(["a"]))
        assert store.done(GENERATE) == {"00-00-00000", "00-00-00001"}
        assert store.table("images", where=ds.field("scenario") == "b").column("sample_id").to_pylist() == [
            "b-0",
            "b-1",
            "b-2",
        ]
        assert len(store.shard_table(GENERATE, "images", "00-00-00001", ["image"])) == 3
