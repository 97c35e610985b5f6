"""A run with inpainted images, some of them rejected, and random weights in the real formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import recipe_values, write_folder

from xray.core import schema
from xray.core.files import read_bytes
from xray.core.images import decode, encode
from xray.core.parquet import consecutive
from xray.masks import decode_mask, encode_mask
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.runs.counts import count_outcomes
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, Shard
from xray.runs.recipe import recipe_from
from xray.scenarios import Photo

SCENARIOS = [
    "original",
    "random_background",
    {"kind": "generated_background", "painter": {"kind": "support.daub_painter:Daub"}},
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def plan(folder: Path, scenarios: list[Any]) -> RunFolder:
    """Plan a run over six drawn photographs, two per shard."""
    write_folder(folder)
    recipe = recipe_from(recipe_values(folder, scenarios=scenarios))
    run = RunFolder(str(folder / "run"))
    write_plan(run, recipe, survey(recipe))
    return run


def make(run: RunFolder) -> RunFolder:
    """Make all images; the third inpainted one is rejected by the filter, the fourth has no mask."""
    reasons = iter(["", "", "nsfw", "mask_empty", *[""] * 1000])
    for name in run.plan.shards():
        rows = list(_rows(run, run.plan.shard(name), reasons))
        table = pa.Table.from_pylist(rows, schema=schema.IMAGES)
        counts = {
            name: dict(count_outcomes([row for row in rows if row["scenario"] == name]))
            for name in table.column("scenario").unique().to_pylist()
        }
        groups = consecutive(table.column("scenario"))
        run.store.commit(GENERATE, name, {"images": (table, groups)}, counts, 1.0)
    return run


def _rows(run: RunFolder, shard: Shard, reasons: Iterator[str]) -> Iterator[dict[str, Any]]:
    source = {row["image_id"]: row for row in shard.source.to_pylist()}
    for plan in shard.plan.to_pylist():
        photo = photo_of(source[plan["image_id"]])
        scenario = run.recipe.scenarios[plan["scenario"]].scenario
        donor = decode(read_bytes(plan["donor_uri"])).image if plan["donor_uri"] else None
        if plan["prompt"]:
            donor = np.random.default_rng(plan["seed"]).integers(0, 256, photo.image.shape, dtype=np.uint8)
        picture = scenario.render(photo, plan["seed"], donor)
        reason = next(reasons) if plan["prompt"] else ""
        data = None if reason == "mask_empty" else encode(picture.image)
        yield {
            **{name: plan[name] for name in ("sample_id", "image_id", "scenario", "variant")},
            "category": source[plan["image_id"]]["category"],
            "image": data and {"bytes": data, "path": "a.jpg"},
            "mask": data and {"bytes": encode_mask(picture.mask), "path": "a.png"},
            "provenance": "{}",
            "sha256": data and hashlib.sha256(data).hexdigest(),
            "status": "rejected" if reason else "ok",
            "reason": reason,
        }


def photo_of(source: dict[str, Any]) -> Photo:
    """Read the photograph of a row of SOURCE, and its mask."""
    mask_uri = source["uri"].replace("/photos/", "/masks/").replace(".jpg", ".png")
    return Photo(decode(read_bytes(source["uri"])).image, decode_mask(read_bytes(mask_uri)))


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make(plan(tmp_path_factory.mktemp("realism"), SCENARIOS))


@pytest.fixture(scope="session")
def make_run() -> Callable[[Path, list[Any]], RunFolder]:
    return plan


@pytest.fixture(scope="session")
def make_images() -> Callable[[RunFolder], RunFolder]:
    return make


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from support.tiny_clip import tiny_clip

    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Torch-fidelity's own network with the random weights that it starts from, saved as its release file is."""
    import torch
    from torch_fidelity import feature_extractor_inceptionv3 as module

    class Untrained(module.FeatureExtractorInceptionV3):
        def load_state_dict(self, *weights: Any, **options: Any) -> Any:
            return None

    folder = tmp_path_factory.mktemp("inception")
    torch.save({}, folder / "none.pth")
    torch.manual_seed(0)
    network = Untrained("inception-v3-compat", ["64"], str(folder / "none.pth"))
    torch.save(network.state_dict(), folder / "inception.pth")
    return folder / "inception.pth"


@pytest.fixture(scope="session")
def alexnet_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The convolutions of torchvision's AlexNet, under their names in its release file."""
    import torch
    from safetensors.torch import save_file
    from torchvision.models import alexnet

    torch.manual_seed(0)
    weights = {name: value for name, value in alexnet(weights=None).state_dict().items() if "features" in name}
    path = tmp_path_factory.mktemp("alexnet") / "alexnet.safetensors"
    save_file(weights, path)
    return path
