"""Predictions of models that answer by chance, committed as `xray evaluate` commits them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from xray.core.schema import PREDICTIONS
from xray.runs.receipts import evaluation
from xray.runs.run import Run


def answer(run: Run, model: str, loss: Mapping[str, float] | None = None, trained_on: str = "pretrained") -> None:
    """Drawn predictions of all planned images, as `xray evaluate` commits them; photographs differ in difficulty."""
    plan = run.table("plan", ["sample_id", "image_id", "scenario", "variant"]).to_pandas()
    plan = plan.merge(run.source()[["image_id", "category"]])
    generator = np.random.Generator(np.random.PCG64(len(model)))
    hard = {image: generator.random() for image in sorted(plan["image_id"].unique())}
    lost = plan["scenario"].map(dict(loss or {})).fillna(0.0)
    chance = 1.2 - plan["image_id"].map(hard) - lost + generator.normal(0, 0.1, len(plan))
    rows = plan.assign(model=model, weights="00", trained_on=trained_on, fold=-1, top1=0, p_true=np.clip(chance, 0, 1))
    rows = rows.assign(correct=chance > 0.5, top5=[[0, 1, 2, 3, 4]] * len(plan))
    rows = rows.reindex(columns=PREDICTIONS.names)
    table = pa.Table.from_pandas(rows, PREDICTIONS, preserve_index=False)
    shard = run.shards()[0]
    run.commit(evaluation(f"{model} {trained_on}"), shard, {"predictions": (table, None)}, {}, 0.0, {})
