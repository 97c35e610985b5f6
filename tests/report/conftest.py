"""A run in memory for tests of the report: drawn photographs, and models that answer at random."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.drawn_photos import drawn

from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.core.schema import FILTERED
from xray.core.uri import join
from xray.masks import encode_mask
from xray.runs.receipts import Receipt
from xray.runs.trials_table import KINDS as TRIAL_COLUMNS

KINDS = ("original", "blur_background", "segmented", "transparent", "no_object", "random_background")
PAINTER = {"kind": "sdxl", "model": "weights/<xl>", "steps": 4, "guidance": 0.0, "lora": None, "compile": False}
FACTS = {"steps": 4, "guidance": 0.0, "weights": {"model": "weights/<xl>"}, "dtype": "float32", "tiling": False}
LOSS = {"random_background": 0.25, "no_object": 0.55, "segmented": 0.1, "blur_object": 0.3, "image_grey": 0.06}


@dataclass
class SyntheticRun:
    """The parts of `RunFolder` and `RunTables` that a report reads, from tables in memory."""

    recipe: dict
    tables: dict[str, pa.Table]
    facts: dict[str, dict]
    caveats: list[str]
    receipt_list: list[Receipt]
    uri: str = "file:///runs/synthetic"
    files: dict[str, bytes] = field(default_factory=dict)
    planned_trials: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(TRIAL_COLUMNS)))
    weights: dict[str, str] = field(default_factory=lambda: {"weights/<xl>": "0123456789abcdef" * 4})

    def __post_init__(self):
        self.store = self.plan = self
        libraries = {"xray-robustness": "0.1.0", "numpy": "2.4.6"}
        planned = "2026-01-02T03:04:05+00:00"
        self.environment = {"planned": planned, "python": "3.11.2", "libraries": libraries, "revision": None}

    def table(self, name, columns=None, where=None, shards=None, dictionaries=()):
        if name in ("history", "backgrounds") and name not in self.tables:
            empty = schema.HISTORY if name == "history" else schema.BACKGROUNDS
            return empty.empty_table().select(columns or empty.names)
        if name not in self.tables:
            raise ConfigError(f"no table {name!r}")
        rows = self.tables[name] if where is None else self.tables[name].filter(where)
        return rows.select(columns or rows.schema.names)

    def edit(self, name, change):
        """Update the rows of a table with what `change(row)` returns."""
        rows = [row | (change(row) or {}) for row in self.tables[name].to_pylist()]
        self.tables[name] = pa.Table.from_pylist(rows, schema=self.tables[name].schema)

    def clear(self, *names):
        """Remove all rows of tables."""
        for name in names:
            self.tables[name] = self.tables[name].slice(0, 0)

    def images(self, scenario, image_ids=None):
        where = pc.field("scenario") == scenario
        if image_ids is not None:
            where &= pc.field("image_id").isin(list(image_ids))
        return SimpleNamespace(table=self.table("images", where=where))

    def record(self):
        return {"weights": self.weights}

    def receipts(self, stage):
        assert stage == ("generate",)
        return self.receipt_list

    def trials(self):
        return self.planned_trials

    def notes(self):
        return list(self.caveats)

    def made_with(self):
        return []

    def models(self):
        return self.facts

    def write_file(self, name, data):
        self.files[name] = data
        return join(self.uri, name)


def _render(kind: str, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if kind == "transparent":
        return np.dstack([image * mask[:, :, None], mask.astype(np.uint8) * 255])
    return image * {"segmented": mask, "no_object": ~mask}.get(kind, np.ones_like(mask))[:, :, None]


def synthetic_run(
    models=("efficientnet-lite0", "efficientnet-lite1"),
    categories=("fruit", "bovid", "vehicle", "waterbird"),
    photographs=6,
    kinds=KINDS,
    reject=lambda image, scenario: "",
    predict=lambda model, image, scenario: True,
    split="test",
    caveats=(),
    variants=1,
):
    """Make a run with `photographs` per category; kinds that start with `generated_background` are inpainted.

    Args:
        reject: reason of (image number, scenario); empty: the image is made.
        predict: whether there is a prediction of (model, image number, scenario).
    """
    draw = random.Random(0)
    source, masks, plan, images, predictions = [], [], [], [], []
    for number in range(photographs * len(categories)):
        category = categories[number % len(categories)]
        image_id = f"photo_{number:04d}"
        image, mask = drawn(number, 96, 128)
        mask = mask > 0
        ok = {"status": "ok", "reason": ""}
        base = {"width": image.shape[1], "height": image.shape[0], "split": split, "licence": "CC0"}
        base["sha256"] = f"{number:064x}"
        uri = f"file:///photos/{image_id}%3Cscript%3E.jpg"
        none = dict.fromkeys(("mask_uri", "box", "place"))
        source.append({"image_id": image_id, "category": category, "uri": uri, **base, **none, **ok})
        measures = {"origin": "given", "predicted_iou": None, "stability": None, "area": mask.mean(), "parts": 1}
        mask_cell = {"bytes": encode_mask(mask), "path": "mask.png"}
        masks.append({"image_id": image_id, "mask": mask_cell, **measures, **ok})
        difficulty = draw.random()
        for kind, variant in ((kind, variant) for kind in kinds for variant in range(variants)):
            sample = f"{image_id}-{kind}-{variant}"
            key = {"sample_id": sample, "image_id": image_id, "scenario": kind, "variant": variant}
            place = ("typical", "atypical")[variant % 2]
            inpainted = kind.startswith("generated_background")
            prompt = {"prompt": f"a <b>meadow</b> in {place} light", "place": place} if inpainted else {}
            none = dict.fromkeys(("prompt", "place", "donor_id", "donor_uri", "donor_sha256"))
            plan.append(key | none | prompt | {"shard": "s", "seed": 1, "settings": "{}"})
            reason = reject(number, kind)
            provenance = json.dumps(prompt | {"measures": {"contrast": 12.345}}) if inpainted else "{}"
            row = key | {"category": category, "provenance": provenance, "reason": reason}
            if reason and reason not in FILTERED:
                none = dict.fromkeys(("image", "mask", "sha256"))
                images.append(row | none | {"provenance": "{}", "status": "rejected"})
                continue
            pixels = _render(kind, image, mask)
            data = encode(pixels, "png" if pixels.shape[2] == 4 else "jpeg")
            cells = {"image": {"bytes": data, "path": "x"}, "mask": mask_cell, "sha256": "0" * 64}
            images.append(row | cells | {"status": "rejected" if reason else "ok"})
            for index, model in enumerate(models):
                if reason or not predict(model, number, kind):
                    continue
                mean = 1.25 - difficulty - LOSS.get(kind, 0.02) - 0.02 * index
                p_true = min(0.99, max(0.01, mean + draw.gauss(0, 0.15)))
                answer = {"top1": 1, "top5": [1, 2, 3, 4, 5], "p_true": p_true, "correct": p_true > 0.5}
                known = {"weights": "ab" * 32, "trained_on": "pretrained", "fold": -1, "category": category}
                predictions.append(key | known | answer | {"model": model})
    rows = {"source": source, "masks": masks, "plan": plan, "images": images, "predictions": predictions}
    recipe = {
        "name": "synthetic",
        "seed": 0,
        "categories": {name: {"indices": [k]} for k, name in enumerate(categories)},
        "source": {"kind": "shapes"},
        "masks": {"annotations": {"kind": "source"}, "refine": {"kind": "given"}},
        "filter": {"min_contrast": 4.0, "min_keep_rate": 0.05},
        "scenarios": {kind: _entry(kind, variants) for kind in kinds},
        "images": {"format": "jpeg", "quality": 95},
    }
    fact = {"weights": "ab" * 32, "preprocessing": "224 px, bicubic, mean = std = 0.5"}
    return SyntheticRun(
        recipe,
        {name: pa.Table.from_pylist(table, schema=getattr(schema, name.upper())) for name, table in rows.items()},
        {model: {"spec": f"lite:{model}", **fact} for model in models},
        list(caveats),
        [_receipt(kind, images) for kind in kinds if kind.startswith("generated_background")],
    )


def _entry(kind, variants):
    if kind.startswith("generated_background"):
        return {"kind": "generated_background", "painter": dict(PAINTER), "variants": variants}
    return {"kind": kind, "variants": variants}


def _receipt(scenario, images):
    counts = {scenario: {"ok": sum(row["scenario"] == scenario for row in images)}}
    return Receipt("01-00-00000", {}, counts, 1.0, {"painter": {scenario: FACTS, "filter": {"checks": ["contrast"]}}})


@pytest.fixture(scope="session", autouse=True)
def _read_synthetic_runs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xray.report.data.RunTables", lambda folder: folder)
        yield


@pytest.fixture(scope="session")
def make_run():
    return synthetic_run
