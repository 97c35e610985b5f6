"""Random predictions, committed as `xray evaluate` commits its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from xray.core.schema import PREDICTIONS
from xray.runs.folder import RunFolder
from xray.runs.receipts import evaluation


def answer(run: RunFolder, model: str, loss: Mapping[str, float] | None = None, trained_on: str = "pretrained") -> None:
    """Commit random predictions of all planned images; photographs differ in difficulty."""
    plan = run.store.table("plan", ["sample_id", "shard", "image_id", "scenario", "variant"]).to_pandas()
    plan = plan.merge(run.store.table("source", ["image_id", "category"]).to_pandas())
    generator = np.random.Generator(np.random.PCG64(len(model)))
    difficulty = {image: generator.random() for image in sorted(plan["image_id"].unique())}
    drop = plan["scenario"].map(dict(loss or {})).fillna(0.0)
    chance = 1.2 - plan["image_id"].map(difficulty) - drop + generator.normal(0, 0.1, len(plan))
    rows = plan.assign(model=model, weights="00", trained_on=trained_on, fold=-1, top1=0, p_true=np.clip(chance, 0, 1))
    rows = rows.assign(correct=chance > 0.5, top5=[[0, 1, 2, 3, 4]] * len(plan))
    stage = evaluation(model if trained_on == "pretrained" else f"{model} {trained_on}")
    for shard, made in rows.groupby("shard"):
        table = pa.Table.from_pandas(made.reindex(columns=PREDICTIONS.names), PREDICTIONS, preserve_index=False)
        run.store.commit(stage, shard, {"predictions": (table, None)}, {}, 0.0, {})
