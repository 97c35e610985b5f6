"""Tables of trainings, added to a run in memory, for tests of the report."""

import random

import pandas as pd
import pyarrow as pa

from xray.core import schema
from xray.runs.trials_table import KINDS as COLUMNS

SCENARIOS = ("original", "blur_background", "image_grey", "no_object", "random_background")
LOSS = {"original": 0.1, "blur_background": 0.2, "image_grey": 0.35, "no_object": 0.9, "random_background": 0.6}
FOLDS = 3


def _predictions(run, model, within, segments):
    """Predict each training scenario with the model trained on it, and all scenarios with that of the original."""
    draw, rows = random.Random(1), []
    for row in run.tables["images"].to_pylist():
        fold, scenario = int(row["image_id"][-4:]) % FOLDS, row["scenario"]
        for trained_on in within:
            if trained_on not in ("original", scenario):
                continue
            correct = draw.random() > LOSS[scenario] * (1 if trained_on == "original" else 0.5)
            key = {name: row[name] for name in ("sample_id", "image_id", "category", "scenario", "variant")}
            key |= {"model": model, "weights": "cd" * 32, "trained_on": trained_on, "fold": fold}
            pixels = {"intersection": 60 if correct else 10, "union": 80, "pixel_accuracy": 0.9} if segments else {}
            rows.append(key | pixels | {"top1": 0, "top5": [0, 1, 2], "p_true": 0.5, "correct": correct})
    return rows


def _history(model, within, metric):
    return [
        {
            "model": model, "trained_on": trained_on, "fold": fold, "epoch": epoch, "learning_rate": 1e-3,
            "train_loss": 2.0 / (epoch + 1), "train_score": 0.2 * epoch, "validation_loss": 2.2 / (epoch + 1),
            "validation_score": 0.15 * epoch + 0.02 * fold, "metric": metric, "images": 10, "seconds": 1.0,
        }
        for trained_on in within for fold in range(FOLDS) for epoch in range(5)
    ]  # fmt: skip


def train(run, model="net", within=SCENARIOS[:3], failed=(), segments=False, validation=0.2):
    """Add trainings to a synthetic run; `failed` are (scenario, fold, status, reason)."""
    unfinished = {(scenario, fold): {"status": status, "reason": reason} for scenario, fold, status, reason in failed}
    rows = _predictions(run, model, within, segments)
    rows = [row for row in rows if (row["trained_on"], row["fold"]) not in unfinished]
    history = pa.Table.from_pylist(_history(model, within, "miou" if segments else "top1"), schema=schema.HISTORY)
    run.tables["history"] = pa.concat_tables([run.table("history"), history])
    predictions = pa.Table.from_pylist(rows, schema=schema.PREDICTIONS)
    run.tables["predictions"] = pa.concat_tables([run.tables["predictions"], predictions])
    done = {
        "status": "done", "reason": "", "epochs": 5, "best_epoch": 3, "validation_loss": 0.4, "seconds": 1234.0,
        "train": 12, "validation": 4, "test": 8, "weights": "cd" * 32, "origin": "reduced:resnet, from scratch",
        "preprocessing": "64", "workers": 1, "device": "cpu",
    }  # fmt: skip
    trials = [
        {"model": model, "trained_on": scenario, "fold": fold, "repeat": 0, "spec": "reduced:resnet"}
        | unfinished.get((scenario, fold), done)
        for scenario in within
        for fold in range(FOLDS)
    ]
    weights = " ".join(["cd" * 32] * FOLDS)
    for scenario in within:
        facts = {"spec": "reduced:resnet", "weights": weights, "folds": FOLDS, "preprocessing": "64"}
        run.facts[f"{model}, trained on {scenario}"] = facts
    table = pd.DataFrame(trials, columns=list(COLUMNS)).astype(COLUMNS)
    run.planned_trials = pd.concat([run.planned_trials, table], ignore_index=True) if len(run.planned_trials) else table
    run.recipe["training"] = {
        "scenarios": list(SCENARIOS[:3]), "folds": FOLDS, "holdout": None, "validation": validation, "epochs": 5,
        "batch": 16, "optimizer": "adamw",
    }  # fmt: skip
    return run
