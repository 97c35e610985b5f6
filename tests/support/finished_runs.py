"""A small run with files of every kind, made in this process."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from support.drawn_photos import write_folder
from support.learner_inputs import make_learner, make_trial
from support.planned_runs import planned
from support.saved_models import saved_model
from xray.core import schema
from xray.pipeline.evaluate.worker import EvaluateWorker
from xray.pipeline.generate.masks import MaskWorker
from xray.pipeline.generate.photo_batches import make_in_task
from xray.pipeline.generate.removal import RemoveWorker
from xray.pipeline.generate.workers import render_shard
from xray.pipeline.score import score
from xray.pipeline.worker import ignore_batch
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.receipts import training

SCENARIOS = ["original", "segmented", "random_background"]
TRAINING = {"models": {"net": "reduced:resnet"}, "scenarios": ["original", "segmented"], "folds": 3, "side": 32}


def finished(folder: Path) -> RunFolder:
    """Return a run with images, predictions, scores, a finished training, one with a checkpoint, and one that failed."""
    write_folder(folder, per_category=3)
    run = planned(folder, scenarios=SCENARIOS, training=TRAINING)
    for batch in run.plan.batches():
        make_in_task(MaskWorker, run.uri, batch, ignore_batch)
        make_in_task(RemoveWorker, run.uri, batch, ignore_batch)
    for shard in run.plan.shards():
        render_shard(run.uri, shard)
    evaluator = EvaluateWorker(
        run.uri, {"model": saved_model(folder / "models", "test_resnet")}, "cpu", False, ignore_batch
    )
    for shard in run.plan.shards():
        evaluator(shard)
    _train(run)
    score(RunFolder(run.uri))
    return run


def _train(run: RunFolder) -> None:
    learner = make_learner(make_trial(epochs=2))
    history = [{"model": "net", "trained_on": "original", "fold": 0, "repeat": 0, **learner.epoch()}]
    best = learner.state().best
    name, entry = Checkpoints(run.store.trial_folder("net", "original", 0)).finish(best, {"categories": []})
    rows = [
        row | {"model": "net", "trained_on": "original", "fold": 0, "repeat": 0}
        for row in run.store.table("predictions").to_pylist()
    ]
    tables = {
        "predictions": (pa.Table.from_pylist(rows, schema.PREDICTIONS), None),
        "history": (pa.Table.from_pylist(history, schema.HISTORY), None),
    }
    facts = {
        "spec": "reduced:resnet", "weights": "0" * 64, "origin": "", "preprocessing": "", "epochs": 1, "best_epoch": 0,
        "photographs": {"train": 2, "validation": 2, "test": 2}, "workers": 1, "device": "cpu", "settings": {},
    }  # fmt: skip
    written = {"weights": {"path": ["trials", "net", "original", "0", name], **entry}}
    run.store.commit(training("net", "original"), "0", tables, {"original": {"ok": len(rows)}}, 1.0, facts, written)
    Checkpoints(run.store.trial_folder("net", "original", 1)).write(learner.state())
    Checkpoints(run.store.trial_folder("net", "original", 2)).fail("the loss is not a number")
