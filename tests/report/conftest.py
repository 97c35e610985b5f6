"""A run in memory, as `xray.report` reads runs: drawn photographs, models that answer by chance."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from xray.core import schema
from xray.core.errors import XrayError
from xray.core.images import encode
from xray.core.schema import FILTERED
from xray.core.uri import join
from xray.masks import encode_mask
from xray.runs.receipts import Receipt
from xray.runs.trials_table import KINDS as KINDS_OF_TRIALS

KINDS = (
    "original",
    "blur_background",
    "blur_object",
    "bright_background",
    "bright_object",
    "image_r",
    "image_g",
    "image_b",
    "image_rainbow",
    "image_grey",
    "segmented",
    "transparent",
    "no_object",
    "random_background",
)
PAINTER = {"kind": "sdxl", "model": "weights/<xl>", "steps": 4, "guidance": 0.0, "lora": None, "compile": False}
FACTS = {"steps": 4, "guidance": 0.0, "weights": {"model": "weights/<xl>"}, "dtype": "float32", "tiling": False}
LOSS = {"random_background": 0.25, "no_object": 0.55, "segmented": 0.1, "blur_object": 0.3, "image_grey": 0.06}


@dataclass
class SyntheticRun:
    """What `xray.runs.run.Run` offers to a report, from tables in memory."""

    recipe: dict
    tables: dict[str, pa.Table]
    facts: dict[str, dict]
    stand_ins: list[str]
    uri: str = "file:///runs/synthetic"
    files: dict[str, bytes] = field(default_factory=dict)
    made: list[Receipt] = field(default_factory=list)
    planned_trials: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(KINDS_OF_TRIALS)))
    pins: dict[str, str] = field(default_factory=lambda: {"weights/<xl>": "0123456789abcdef" * 4})

    @property
    def environment(self):
        libraries = {"xray-robustness": "0.1.0", "numpy": "2.4.6"}
        return {"planned": "2026-01-02T03:04:05+00:00", "python": "3.11.2", "libraries": libraries, "revision": None}

    def table(self, name, columns=None, where=None):
        if name == "history" and name not in self.tables:
            return schema.HISTORY.empty_table()
        if name not in self.tables:
            raise XrayError(f"no table {name!r}")
        rows = self.tables[name] if where is None else self.tables[name].filter(where)
        return rows.select(columns or rows.schema.names)

    def record(self):
        return {"weights": self.pins}

    def receipts(self, stage):
        assert stage == ("generate",)
        return self.made

    def trials(self):
        return self.planned_trials

    def images(self, scenario, image_ids=None):
        rows = self.tables["images"]
        wanted = pc.equal(rows["scenario"], scenario)
        if image_ids is not None:
            wanted = pc.and_(wanted, pc.is_in(rows["image_id"], pa.array(list(image_ids), pa.string())))
        return SimpleNamespace(table=rows.filter(wanted))

    def notes(self):
        return list(self.stand_ins)

    def made_with(self):
        return []

    def models(self):
        return self.facts

    def write_file(self, name, data):
        self.files[name] = data
        return join(self.uri, name)


def photograph(seed: int, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A coloured ellipse on a striped ground, and its mask."""
    draw = random.Random(seed)
    rows, columns = np.mgrid[0:side, 0 : side * 4 // 3]
    stripes = ((rows + columns * draw.randint(1, 3)) // draw.randint(5, 14) % 2).astype(np.uint8)
    low, high = ([draw.randint(0, 255) for _ in range(3)] for _ in range(2))
    image = np.where(stripes[:, :, None], np.uint8(low), np.uint8(high)).astype(np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    axes = (draw.randint(side // 6, side // 3), draw.randint(side // 6, side // 3))
    cv2.ellipse(mask, (side * 2 // 3, side // 2), axes, draw.randint(0, 180), 0, 360, 255, -1)
    image[mask > 0] = [draw.randint(0, 255) for _ in range(3)]
    return image, mask > 0


def _picture(kind: str, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    if kind == "transparent":
        return np.dstack([image * mask[:, :, None], mask.astype(np.uint8) * 255])
    shown = {
        "blur_background": np.where(mask[:, :, None], image, cv2.GaussianBlur(image, (15, 15), 3)),
        "segmented": image * mask[:, :, None],
        "no_object": image * ~mask[:, :, None],
        "image_grey": np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2),
    }
    return shown.get(kind, image).astype(np.uint8)


def synthetic_run(
    models=("efficientnet-lite0", "efficientnet-lite1"),
    categories=("fruit", "bovid", "vehicle", "waterbird"),
    photographs=6,
    kinds=KINDS,
    reject=lambda image, scenario: "",
    predict=lambda model, image, scenario: True,
    split="test",
    stand_ins=(),
    seed=0,
    variants=1,
):
    """A run of `photographs` a category; kinds that begin with `generated_background` are painted.

    Args:
        reject: reason for (image number, scenario); empty: the image is made.
        predict: whether there is a prediction of (model, image number, scenario).
    """
    draw = random.Random(seed)
    source, masks, plan, images, predictions = [], [], [], [], []
    for number in range(photographs * len(categories)):
        category = categories[number % len(categories)]
        identity = f"photo_{number:04d}"
        image, mask = photograph(number)
        base = {"sha256": "0" * 64, "width": image.shape[1], "height": image.shape[0], "status": "ok", "reason": ""}
        uri = f"file:///photos/{identity}%3Cscript%3E.jpg"
        told = {"split": split, "licence": "CC0", "mask_uri": None, "box": None, "place": None, "uri": uri}
        source.append({"image_id": identity, "category": category, **base, **told})
        encoded = encode_mask(mask)
        measured = {"origin": "given", "predicted_iou": None, "stability": None, "area": mask.mean(), "parts": 1}
        cell = {"bytes": encoded, "path": "mask.png"}
        masks.append({"image_id": identity, "mask": cell, **measured, "status": "ok", "reason": ""})
        hard = draw.random()
        for kind in kinds:
            painted = kind.startswith("generated_background")
            for variant in range(variants):
                sample = f"{identity}-{kind}-{variant}"
                key = {"sample_id": sample, "image_id": identity, "scenario": kind, "variant": variant}
                unknown = dict.fromkeys(("prompt", "place", "donor_id", "donor_uri", "donor_sha256"))
                setting = ("typical", "atypical")[variant % 2]
                world = {"prompt": f"a <b>meadow</b> in {setting} light", "place": setting} if painted else {}
                plan.append(key | unknown | world | {"shard": "s", "seed": 1, "settings": "{}"})
                reason = reject(number, kind)
                told = json.dumps(world | {"measures": {"contrast": 12.345}}) if painted else "{}"
                row = key | {"category": category, "provenance": told, "reason": reason}
                if reason and reason not in FILTERED:
                    row |= {"provenance": "{}"}
                    images.append(row | {"image": None, "mask": None, "sha256": None, "status": "rejected"})
                    continue
                pixels = _picture(kind, image, mask)
                data = encode(pixels, "png" if pixels.shape[2] == 4 else "jpeg")
                cells = {"image": {"bytes": data, "path": "x"}, "mask": {"bytes": encoded, "path": "y"}}
                images.append(row | cells | {"sha256": "0" * 64, "status": "rejected" if reason else "ok"})
                for place, model in enumerate(models):
                    if reason or not predict(model, number, kind):
                        continue
                    p_true = min(
                        0.99, max(0.01, 1.25 - hard - LOSS.get(kind, 0.02) - 0.02 * place + draw.gauss(0, 0.15))
                    )
                    answer = {"top1": 1, "top5": [1, 2, 3, 4, 5], "p_true": p_true, "correct": p_true > 0.5}
                    known = {"weights": "ab" * 32, "trained_on": "pretrained", "fold": -1, "category": category}
                    predictions.append(key | known | answer | {"model": model})
    rows = {"source": source, "masks": masks, "plan": plan, "images": images, "predictions": predictions}
    recipe = {
        "name": "synthetic",
        "seed": seed,
        "categories": {name: {"indices": [k]} for k, name in enumerate(categories)},
        "source": {"kind": "shapes"},
        "masks": {"refine": {"kind": "given"}},
        "filter": {"min_contrast": 4.0, "classifier": None, "max_repeated": 0.5, "refine": False, "max_growth": 0.5},
        "scenarios": {kind: _entry(kind, variants) for kind in kinds},
        "images": {"format": "jpeg", "quality": 95},
        "limits": {},
        "bad_rows": 0.01,
        "models": {},
    }
    assert json.dumps(recipe)
    fact = {"weights": "ab" * 32, "preprocessing": "224 px, bicubic, mean = std = 0.5"}
    return SyntheticRun(
        recipe,
        {name: pa.Table.from_pylist(table, schema=getattr(schema, name.upper())) for name, table in rows.items()},
        {model: {"spec": f"lite:{model}", **fact} for model in models},
        list(stand_ins),
        made=[_receipt(kind, images) for kind in kinds if kind.startswith("generated_background")],
    )


def _entry(kind, variants):
    if kind.startswith("generated_background"):
        return {"kind": "generated_background", "painter": dict(PAINTER), "variants": variants}
    return {"kind": kind, "variants": variants}


def _receipt(scenario, images):
    counts = {scenario: {"ok": sum(row["scenario"] == scenario for row in images)}}
    return Receipt("01-00-00000", {}, counts, 1.0, {"painter": {scenario: FACTS, "filter": {"checks": ["contrast"]}}})


@pytest.fixture(scope="session")
def make_run():
    return synthetic_run
