"""Runs of millions of predictions, made up and committed as workers commit theirs; their images are tiny."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from support.photographs import photograph_row
from xray.core import schema
from xray.core.images import encode
from xray.masks import encode_mask
from xray.pipeline.plan.plan import Survey, write_plan
from xray.pipeline.plan.scan import source_table
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.recipe import default_scenarios, recipe_from

CATEGORIES = 12


def large_run(folder: Path, photographs: int, models: int) -> RunFolder:
    """Make a run in which each of some models has answered every image of the classical scenarios."""
    recipe = recipe_from(
        {
            "categories": {f"category_{number:02d}": {"indices": [number]} for number in range(CATEGORIES)},
            "source": {"kind": "imagefolder", "root": "/data/photos"},
            "masks": {"annotations": {"kind": "png", "root": "/data/masks"}},
            "scenarios": [{"kind": name} for name in default_scenarios()],
        }
    )
    source = source_table(_photograph(number) for number in range(photographs))
    found = Survey(recipe.categories or (), source, recipe.backgrounds.own(source), schema.SOURCE.empty_table(), ())
    run = RunFolder(str(folder / "run"))
    write_plan(run, recipe, found)
    draw = np.random.default_rng(0)
    for shard in run.plan.shards():
        images = _images(run, shard, draw)
        counts = {name: {"ok": 1} for name in recipe.scenarios}
        tables: dict[str, Any] = {"images": (images, None), "masks": (_masks(images, draw), None)}
        run.store.commit(GENERATE, shard, tables, counts, 1.0, {})
        for number, answers in enumerate(_answers(images, models, draw)):
            stage = evaluation(f"model_{number}")
            facts = {"spec": "timm:made_up", "weights": "0" * 64, "preprocessing": "224 px"}
            run.store.commit(stage, shard, {"predictions": (answers, None)}, counts, 1.0, facts)
    return run


def _photograph(number: int) -> dict[str, object]:
    return photograph_row(number, f"ILSVRC2012_val_{number:08d}", f"category_{number % CATEGORIES:02d}")


def _images(run: RunFolder, shard: str, draw: np.random.Generator) -> pa.Table:
    """Return IMAGES of a shard, with two hundredths of the images rejected."""
    read = run.plan.shard(shard)
    planned = read.plan.select(["sample_id", "image_id", "scenario", "variant"])
    categories = dict(zip(*(read.source[name].to_pylist() for name in ("image_id", "category")), strict=True))
    table = planned.append_column("category", pa.array(map(categories.get, planned["image_id"].to_pylist())))
    rejected = (draw.random(len(table)) < 0.02) & (table["scenario"].to_numpy() != "original")
    picture, mask = np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    cells = {"image": encode(picture, "png"), "mask": encode_mask(mask)}
    made = {
        name: pa.array([None if no else {"bytes": data, "path": "x.png"} for no in rejected], schema.IMAGE)
        for name, data in cells.items()
    }
    made |= {
        "provenance": pa.array(['{"drawn": {}, "measured": {"saturated": 0.01}}'] * len(table)),
        "sha256": pa.array(["0" * 64] * len(table)),
        "status": pa.array(np.where(rejected, "rejected", "ok")),
        "reason": pa.array(np.where(rejected, "object_too_small", "")),
        "detail": pa.array(np.where(rejected, "the object has 0.1 % of the pixels", "")),
    }
    return _complete(table, made, schema.IMAGES)


def _masks(images: pa.Table, draw: np.random.Generator) -> pa.Table:
    ids = images["image_id"].unique()
    made = {"image_id": ids, "mask": pa.array([{"bytes": b"", "path": "x.png"}] * len(ids), schema.IMAGE)}
    made |= {"origin": pa.array(["given"] * len(ids)), "area": pa.array(draw.random(len(ids)))}
    made |= {"status": pa.array(["ok"] * len(ids)), "reason": pa.array([""] * len(ids))}
    return _complete(pa.table(made), {}, schema.MASKS)


def _answers(images: pa.Table, models: int, draw: np.random.Generator) -> Iterator[pa.Table]:
    """Yield PREDICTIONS of each model: seven tenths are right."""
    shown = images.filter(pc.equal(images["status"], "ok"))
    count = len(shown)
    keys = shown.select(["sample_id", "image_id", "category", "scenario", "variant", "donor_category"])
    truth = np.array([int(name[-2:]) for name in shown["category"].to_pylist()])
    for number in range(models):
        right = draw.random(count) < 0.7
        top1 = np.where(right, truth, (truth + draw.integers(1, CATEGORIES, count)) % CATEGORIES).astype(np.int32)
        made = {
            "model": pa.array([f"model_{number}"] * count),
            "weights": pa.array(["0" * 64] * count),
            "trained_on": pa.array(["pretrained"] * count),
            "fold": pa.array(np.full(count, -1, np.int32)),
            "top1": pa.array(top1),
            "top5": pa.array([[int(one)] for one in top1]),
            "p_true": pa.array(draw.random(count).astype(np.float32)),
            "correct": pa.array(right),
        }
        yield _complete(keys, made, schema.PREDICTIONS)


def _complete(table: pa.Table, made: dict[str, Any], wanted: pa.Schema) -> pa.Table:
    columns = {name: table[name] for name in table.column_names} | made
    columns |= {field.name: pa.nulls(len(table), field.type) for field in wanted if field.name not in columns}
    return pa.table({name: columns[name] for name in wanted.names}).cast(wanted)
