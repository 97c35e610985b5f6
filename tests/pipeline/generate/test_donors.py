"""Donors without their objects: photographs of the run, or nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import write
from support.tiny_pools import made_here, planned, pooled_folder
from support.tiny_remover import removing_values

from xray.core.errors import ConfigError
from xray.core.files import read_bytes
from xray.core.images import decode, encode
from xray.core.types import DonorRule
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.workers import _open
from xray.pipeline.generate.worklist import Worklist


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six photographs in three photo batches; the object of one cannot be removed."""
    _open.cache_clear()
    folder = pooled_folder(tmp_path)
    write(folder / "masks/ball/0.png", encode(np.zeros((72, 96), np.uint8), "png"))
    return folder


def test_a_donor_that_is_no_photograph_of_the_run_is_never_shown_with_its_object(folder: Path) -> None:
    run = planned(folder, removing_values(folder))
    made_here(run)
    (row, *_) = run.store.table("plan").to_pylist()
    photograph = run.store.table("source").to_pylist()[-1]
    stranger = {**row, "donor_id": "stranger", "donor_uri": photograph["uri"], "donor_sha256": photograph["sha256"]}
    with pytest.raises(ConfigError, match="'stranger'"):
        Donors(run.recipe, run).of(stranger, DonorRule("any", removed=True))
    assert Donors(run.recipe, run).of(stranger, DonorRule("any", removed=False)).id == "stranger"


def test_images_wait_for_the_spare_that_they_lack(folder: Path) -> None:
    run = planned(folder, removing_values(folder, scenarios=[{"kind": "random_background", "variants": 6}]))
    source = {row["image_id"]: row for row in run.store.table("source").to_pylist()}
    unusable = next(name for name in source if name.startswith("0-") and source[name]["category"] == "ball")
    rows = run.store.table("plan").to_pylist()
    needy = next(row for row in rows if row["donor_id"] == unusable != row["image_id"])
    spare = source[needy["donor_spares"][0]["donor_id"]]
    data, path = read_bytes(spare["uri"]), Path(spare["uri"].removeprefix("file://"))
    path.unlink()
    made_here(run)
    reasons = {row["sample_id"]: row["reason"] for row in run.store.table("images").to_pylist()}
    assert reasons[needy["sample_id"]] == "missing_file"
    assert Worklist.of(run).units == []  # the first donor can be read, but is not the one that is shown
    write(path, data)
    made_here(run)
    assert "missing_file" not in {row["reason"] for row in run.store.table("images").to_pylist()}


def test_a_photograph_without_its_object_is_made_once_for_itself_and_as_donor(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = planned(folder, removing_values(folder))
    made_here(run)
    row = next(row for row in run.store.table("plan").to_pylist() if row["donor_id"])
    source = next(one for one in run.store.table("source").to_pylist() if one["image_id"] == row["donor_id"])
    removed = next(one for one in run.store.table("removed").to_pylist() if one["image_id"] == row["donor_id"])
    donors, rule = Donors(run.recipe, run), DonorRule("any", removed=True)
    image = decode(read_bytes(source["uri"])).image
    own = donors.without_object(source, image, removed)
    assert (own != image).any()
    assert donors.of(row, rule).image is own
    assert donors.of(row, DonorRule("any", removed=False)).image is not own
    monkeypatch.setattr("xray.pipeline.generate.donors._KEPT_BYTES", own.nbytes)
    others = Donors(run.recipe, run)
    donor = others.of(row, rule).image
    assert others.without_object(source, image, removed) is donor
    others.of(row, DonorRule("any", removed=False))  # there is room for one
    assert others.without_object(source, image, removed) is not donor
