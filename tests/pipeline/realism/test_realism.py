from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from xray.backgrounds.filtering.clip import Clip
from xray.core.errors import XrayError
from xray.core.images import decode
from xray.masks import decode_mask
from xray.pipeline.realism import judgements, keep_rates, rates, realism
from xray.pipeline.realism.keep_rates import effective_n
from xray.pipeline.realism.metrics import clustered_mean
from xray.pipeline.realism.networks import Lpips, clip_scores
from xray.pipeline.realism.pictures import PassedImages
from xray.runs.folder import RunFolder
from xray.scenarios import Photo

SCENARIOS = ["random_background", "generated_background"]


@pytest.fixture(scope="module")
def table(run: RunFolder, inception_file: Path, clip_folder: Path, alexnet_file: Path) -> pd.DataFrame:
    return realism(run, inception=str(inception_file), clip=str(clip_folder), lpips=str(alexnet_file), features=64)


def value(table: pd.DataFrame, scenario: str, metric: str) -> pd.Series[Any]:
    (row,) = (row for _, row in table[(table["scenario"] == scenario) & (table["metric"] == metric)].iterrows())
    return row


def passed_rows(run: RunFolder, scenario: str) -> list[dict[str, Any]]:
    rows = run.store.table("images").to_pylist()
    return [row for row in rows if row["scenario"] == scenario and row["status"] == "ok"]


def test_table(run: RunFolder, table: pd.DataFrame, inception_file: Path) -> None:
    assert list(zip(table["scenario"], table["metric"], strict=True)) == [
        *((SCENARIOS[0], metric) for metric in ("fid", "kid", "lpips_background")),
        *((SCENARIOS[1], metric) for metric in ("fid", "kid", "clip_score", "lpips_background")),
    ]
    assert np.isfinite(table["value"]).all()
    assert table["painted"].tolist() == [False] * 3 + [True] * 4
    assert table["n"].tolist() == [6] * 3 + [4] * 4
    assert table["n_originals"].tolist() == [6, 6, 6, 6, 6, 0, 4]
    assert "centre crop of 32×32 pixels" in value(table, "generated_background", "clip_score")["method"]
    fid = value(table, "generated_background", "fid")
    assert (fid["weights"], len(fid["fingerprint"])) == (str(inception_file), 64)
    assert fid["libraries"].startswith("torchmetrics ")
    assert fid["remark"]
    assert fid["kind"] == "generated_background"
    pd.testing.assert_frame_equal(run.store.table("realism").to_pandas(), table)


def test_noise_is_farther_from_photographs_than_photographs_are(table: pd.DataFrame) -> None:
    for metric in ("fid", "kid"):
        assert value(table, SCENARIOS[1], metric)["value"] > value(table, SCENARIOS[0], metric)["value"]


def test_clip_score_and_lpips_are_means_over_the_passed_images(
    run: RunFolder, table: pd.DataFrame, clip_folder: Path, alexnet_file: Path
) -> None:
    prompts = {row["sample_id"]: row["prompt"] for row in run.store.table("plan").to_pylist()}
    originals = {row["image_id"]: decode(row["image"]["bytes"]).image for row in passed_rows(run, "original")}
    clip, lpips = Clip(str(clip_folder)), Lpips(alexnet_file)
    scores, distances = [], []
    for row in passed_rows(run, "generated_background"):
        image = decode(row["image"]["bytes"]).image
        scores.append(clip_scores(clip, [image], [prompts[row["sample_id"]]])[0])
        distances.append(lpips.outside(Photo(image, decode_mask(row["mask"]["bytes"])), originals[row["image_id"]]))
    for metric, expected in (("clip_score", scores), ("lpips_background", distances)):
        row = value(table, "generated_background", metric)
        assert row["value"] == pytest.approx(np.mean(expected), rel=1e-5)
        assert row["std"] == pytest.approx(np.std(expected, ddof=1), rel=1e-3)
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert row["n_images"] == 4


def test_metrics_without_weights_are_left_out(run: RunFolder) -> None:
    table = realism(run)
    assert table["value"].isna().all()
    assert (table["n"] == 0).all()
    remarks = table["remark"].unique()
    assert [role in remark for role, remark in zip(("inception", "lpips", "clip"), remarks, strict=True)] == [True] * 3
    assert table["weights"].isna().all()
    with pytest.raises(XrayError, match=r"\./nowhere"):
        realism(run, inception="./nowhere")


def test_originals_come_from_the_source_without_a_reference_scenario(
    run: RunFolder,
    tmp_path: Path,
    make_run: Callable[..., RunFolder],
    make_images: Callable[[RunFolder], RunFolder],
    alexnet_file: Path,
) -> None:
    other = make_images(make_run(tmp_path, ["random_background"]))
    stored = {name: image for batch in PassedImages(run).originals() for name, image in batch}
    encoded = {name: image for batch in PassedImages(other).originals() for name, image in batch}
    assert stored.keys() == encoded.keys()
    assert PassedImages(other).n_originals == 6
    assert all(np.array_equal(stored[name], encoded[name]) for name in stored)
    (tmp_path / "photos/ball/0.jpg").unlink()
    row = value(realism(other, lpips=str(alexnet_file)), "random_background", "lpips_background")
    assert (row["n"], row["n_originals"]) == (5, 5)
    assert row["remark"].startswith("without 1 ")


def test_a_run_without_images_or_replaced_backgrounds(
    tmp_path: Path, make_run: Callable[..., RunFolder], make_images: Callable[[RunFolder], RunFolder]
) -> None:
    run = make_run(tmp_path, ["original"])
    with pytest.raises(XrayError, match="has no images yet"):
        realism(run)
    with pytest.raises(XrayError, match="replaces the background"):
        realism(make_images(run))


def test_keep_rates_count_judged_images(run: RunFolder) -> None:
    fine = keep_rates(run)
    (whole,) = keep_rates(run, ["scenario"]).to_dict("records")
    assert whole["scenario"] == "generated_background"
    assert [whole[name] for name in ("n", "n_images", "kept", "unpainted")] == [5, 5, 4, 1]
    assert whole["reasons"] == "mask_empty 1, nsfw 1"
    assert fine[["n", "kept", "unpainted"]].sum().to_dict() == {"n": 5, "kept": 4, "unpainted": 1}
    assert set(fine["place"]) <= {"typical", "atypical", "any"}
    refused = fine[fine["reasons"].str.contains("nsfw 1")]
    assert refused["kept"].tolist() == (refused["n"] - 1).tolist()
    assert len(refused) == fine["reasons"].str.contains("mask_empty 1").sum() == 1
    table = judgements(run).set_index("why")
    assert table.loc["nsfw", ["judged", "kept"]].tolist() == [True, False]
    assert table.loc["mask_empty", ["judged", "kept"]].tolist() == [False, False]
    judged = fine[fine["n"] > 0]
    assert (judged["rate"] == judged["kept"] / judged["n"]).all()
    low, _ = proportion_confint(judged["kept"], judged["n"], method="wilson")
    assert np.allclose(judged["ci_low"], low)
    assert set(fine["interval"]) <= {"Wilson", ""}
    assert fine[fine["n"] == 0]["rate"].isna().all()
    assert list(keep_rates(run, ["scenario", "place"]).columns[:2]) == ["scenario", "place"]
    assert list(rates(judgements(run).iloc[:0], ["scenario"]).columns) == list(whole)


def judged(photographs: Sequence[int], kept: Sequence[bool]) -> pd.DataFrame:
    rows = {"image_id": list(map(str, photographs)), "kept": list(kept), "scenario": "s", "judged": True, "why": ""}
    return pd.DataFrame(rows)


def test_intervals_with_one_or_several_images_per_photograph() -> None:
    kept = [True, True, False, True, False, False, True, True]
    (apart,) = rates(judged(range(8), kept), ["scenario"]).to_dict("records")
    assert (apart["n"], apart["n_images"], apart["interval"]) == (8, 8, "Wilson")
    assert (apart["ci_low"], apart["ci_high"]) == pytest.approx(proportion_confint(5, 8, method="wilson"))
    (same,) = rates(judged([0, 0, 1, 1, 2, 2, 3, 3], kept), ["scenario"]).to_dict("records")
    assert (same["n"], same["n_images"], same["rate"]) == (8, 4, 5 / 8)
    assert same["interval"] == "Wilson, clustered by photograph"
    assert same["ci_high"] - same["ci_low"] > apart["ci_high"] - apart["ci_low"]
    (all_kept,) = rates(judged([0, 0, 1, 1], [True] * 4), ["scenario"]).to_dict("records")
    assert (all_kept["ci_low"], all_kept["ci_high"]) == pytest.approx(proportion_confint(2, 2, method="wilson"))
    (single,) = rates(judged([0, 0], [True, False]), ["scenario"]).to_dict("records")
    assert (single["ci_low"], single["ci_high"]) == pytest.approx(proportion_confint(0.5, 1, method="wilson"))


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_effective_n_is_at_most_n(rows: list[tuple[int, bool]]) -> None:
    photographs, kept = zip(*rows, strict=True)
    assert 1 <= effective_n(list(map(str, photographs)), kept) <= len(rows)
    (row,) = rates(judged(photographs, kept), ["scenario"]).to_dict("records")
    assert 0 <= row["ci_low"] <= row["rate"] <= row["ci_high"] <= 1
    assert row["ci_low"] < row["ci_high"]


def test_coverage_of_clustered_intervals() -> None:
    generator = np.random.default_rng(0)
    photographs, hits, plain = np.repeat(np.arange(12), 4), 0, 0
    for _ in range(100):
        by_photo, by_image = generator.random(12) < 0.8, generator.random(48) < 0.8
        kept = np.where(generator.random(48) < 0.7, by_photo[photographs], by_image)  # most depend on the photograph
        (row,) = rates(judged(photographs, kept), ["scenario"]).to_dict("records")
        hits += row["ci_low"] <= 0.8 <= row["ci_high"]
        low, high = proportion_confint(kept.sum(), 48, method="wilson")
        plain += low <= 0.8 <= high
    assert plain / 100 < 0.85, "intervals that ignore clusters"
    assert hits / 100 > 0.91


def test_the_interval_of_a_clustered_mean_matches_statsmodels() -> None:
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(8), [1, 2, 3, 4, 4, 3, 2, 1])
    numbers = generator.normal(groups, 1.0)
    mean = clustered_mean("x", list(zip(map(str, groups), numbers, strict=True)))
    fitted = OLS(numbers, np.ones(20)).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    assert [mean.ci_low, mean.ci_high] == pytest.approx(fitted.conf_int()[0], rel=1e-9)
    assert (mean.n, mean.n_images) == (20, 8)
    single = clustered_mean("x", [("a", 1.0), ("a", 2.0)])
    assert single.value == 1.5
    assert np.isnan([single.ci_low, single.ci_high]).all()
    assert clustered_mean("x", []).remark.startswith("left out")


def test_keep_rates_need_no_torch() -> None:
    code = "from xray.pipeline.realism import keep_rates; import sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
