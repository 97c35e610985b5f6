"""Debiased losses and their intervals, beside the definitions written out."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from support.paths import ROOT

from xray.statistics import compare_s_robust, cross_terms, s_robusts
from xray.statistics.robustness.bootstrap import image_accuracies, influences, resampled_means
from xray.statistics.robustness.cells import Half
from xray.statistics.robustness.loss import Losses
from xray.statistics.robustness.paired import PairedTable

SCENARIOS = ("grey", "blur", "segmented")
CELLS = [("original", "original"), *(("original", s) for s in SCENARIOS), *((s, s) for s in SCENARIOS)]
READINGS = list(itertools.product(["mu", "own_mean"], ["variance", "std"]))


def predictions(n=40, seed=0, variants=1, cells=CELLS, categories=("fox",), model="m", loss=0.1):
    generator = np.random.Generator(np.random.PCG64(seed))
    rows = [
        (model, on, scenario, f"i{k:03}", v, categories[k % len(categories)], generator.random() < 0.9 - loss * j)
        for j, (on, scenario) in enumerate(cells)
        for k in range(n)
        for v in range(variants)
    ]
    names = ["model", "trained_on", "scenario", "image_id", "variant", "category", "correct"]
    return pd.DataFrame(rows, columns=names)


def gains(table):
    """Of each photograph, what it gains on the original in each scenario: (cross, inner), shape (N, n) each."""
    wide = image_accuracies(table)["m"]
    origin = wide["original", "original"].to_numpy()[:, None]
    cross = wide[[("original", s) for s in SCENARIOS]].to_numpy() - origin
    return cross, wide[[(s, s) for s in SCENARIOS]].to_numpy() - origin


def u_statistic(gain_Nn):
    """(1/n) Σ_i Σ_{j≠k} d_ij d_ik / (N (N − 1)), pair by pair."""
    n_photos, n = gain_Nn.shape
    pairs = [gain_Nn[j] @ gain_Nn[k] for j in range(n_photos) for k in range(n_photos) if j != k]
    return sum(pairs) / (n * n_photos * (n_photos - 1))


@pytest.mark.parametrize("variants", [1, 3])
@pytest.mark.parametrize(("about", "power"), READINGS)
def test_parts_are_u_statistics(about, power, variants):
    table = predictions(variants=variants)
    halves = [gain - gain.mean(axis=1, keepdims=True) if about == "own_mean" else gain for gain in gains(table)]
    parts = [u_statistic(half) for half in halves]
    row = s_robusts(table, about=about, power=power, resamples=10).iloc[0]
    np.testing.assert_allclose([row.sigma2_cross, row.sigma2_inner], parts, atol=1e-12)
    expected = 1 - sum(np.sqrt(np.maximum(0, parts)) if power == "std" else parts)
    assert row.s_robust == pytest.approx(min(1, expected), abs=1e-12)


@pytest.mark.parametrize(("about", "power"), READINGS)
def test_shift_is_the_quantiles_of_resampled_losses_less_what_errors_add(about, power):
    table = predictions()
    generator = np.random.Generator(np.random.PCG64([5, 1]))
    losses = []
    for gain_Nn in gains(table):
        half = gain_Nn - gain_Nn.mean(axis=1, keepdims=True) if about == "own_mean" else gain_Nn
        n_photos, n = half.shape
        bias = half.var(axis=0, ddof=1).mean() / n_photos
        tau2 = 2 / n_photos**2 * (1 - 1 / n if about == "own_mean" else 1)
        shared, own = (generator.standard_normal((400, k)) for k in (1, n))
        errors = np.sqrt(tau2) * (shared + own[:, [sorted(SCENARIOS).index(s) for s in SCENARIOS]]) / np.sqrt(2)
        shifted = ((resampled_means(half, 400, 5) + errors) ** 2).mean(axis=1) - 2 * bias - tau2
        losses.append(np.sqrt(np.maximum(0, shifted)) if power == "std" else shifted)
    low, high = np.maximum(0, np.quantile(sum(losses), [0.025, 0.975]))
    row = s_robusts(table, about=about, power=power, resamples=400, seed=5).iloc[0]
    np.testing.assert_allclose([row.ci_low, row.ci_high], [1 - high, 1 - low], atol=1e-12)


@pytest.mark.parametrize("about", ["mu", "own_mean"])
def test_classes_are_debiased_like_scenarios(about):
    """By the delta method on means by class, which are independent of each other."""
    table = predictions(n=60, categories=("fox", "car"), cells=CELLS[:4])
    row = s_robusts(table, reading="class_scenario", about=about, power="variance", resamples=200).iloc[0]
    plug, bias = {"cross": [], "inner": []}, {"cross": [], "inner": []}
    wide = image_accuracies(table, ("scenario", "category"))["m"]["original"]
    order = [(s, c) for s in ("original", *SCENARIOS) for c in ("fox", "car")]
    values = wide[order].to_numpy()
    means = np.nanmean(values, axis=0)
    covariance = np.zeros((8, 8))
    for c in range(2):
        own = values[~np.isnan(values[:, c]), c::2]
        covariance[c::2, c::2] = np.cov(own.T, ddof=1) / len(own)
    scenario_maps = np.stack([np.eye(4)[s].repeat(2) / 2 for s in range(1, 4)])
    class_maps = np.stack([np.tile(np.eye(2)[c], 4) * np.array([0, 0, 1, 1, 1, 1, 1, 1]) / 3 for c in range(2)])
    mu_map = np.array([0.5, 0.5, 0, 0, 0, 0, 0, 0])
    for name, maps in (("cross", scenario_maps), ("inner", class_maps)):
        centred = maps - (mu_map if about == "mu" else maps.mean(axis=0))
        plug[name] = ((centred @ means) ** 2).mean()
        bias[name] = np.trace(centred @ covariance @ centred.T) / len(centred)
    for name in ("cross", "inner"):
        assert row[f"plug_in_{name}"] == pytest.approx(plug[name], abs=1e-12)
        assert row[f"sigma2_{name}"] == pytest.approx(plug[name] - bias[name], abs=1e-12)


def test_a_scenario_without_effect_that_refuses_hard_photographs_costs_nothing():
    generator = np.random.Generator(np.random.PCG64(1))
    hard = np.arange(200) % 2 == 0
    right = generator.random(200) < np.where(hard, 0.5, 0.99)
    shown = generator.random(200) < np.where(hard, 0.4, 0.95)
    rows = [("original", k, right[k]) for k in range(200)] + [("same", k, right[k]) for k in range(200) if shown[k]]
    table = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"]).assign(model="m", trained_on="pretrained")
    row = cross_terms(table).iloc[0]
    assert (row.cross, row.plug_in, row.ci_low) == (0, 0, 0)
    assert 0 < row.ci_high < 0.001
    assert (row.n_images, row.n_images_least) == (200, shown.sum())
    own = pd.concat([table.assign(trained_on="original"), table[table["scenario"] == "same"].assign(trained_on="same")])
    assert s_robusts(own).iloc[0][["s_robust", "plug_in"]].tolist() == [1, 1]


def test_photographs_of_a_group_count_as_one():
    """Each photograph four times under other names: the same values and errors as once."""
    once = predictions(n=30)
    copies = pd.concat([once.assign(image_id=once["image_id"] + f"-{c}", group=once["image_id"]) for c in range(4)])
    alone = copies.drop(columns="group")
    parts = ["s_robust", "sigma2_cross", "sigma2_inner", "ci_low", "ci_high"]
    one, together, apart = (s_robusts(table, resamples=300).iloc[0] for table in (once, copies, alone))
    np.testing.assert_allclose(together[parts].astype(float), one[parts].astype(float), atol=1e-12)
    assert apart.ci_high - apart.ci_low < 0.7 * (one.ci_high - one.ci_low)
    without_names = copies.assign(group=None)
    np.testing.assert_allclose(s_robusts(without_names, resamples=300).iloc[0].ci_low, apart.ci_low)


def test_no_change_at_all_is_a_value_of_one():
    table = predictions(n=20, loss=0)
    table = table.assign(correct=table["image_id"].str[-1] != "0")
    row = s_robusts(table).iloc[0]
    assert row[["s_robust", "plug_in", "ci_high"]].tolist() == [1, 1, 1]
    assert 0.97 < row.ci_low < 0.99


def simulated_losses(drop, n=20, runs=400, n_scenarios=1):
    """Losses of the cross half; a photograph that is lost in one scenario is lost in all."""
    generator = np.random.Generator(np.random.PCG64(7))
    lost_Nr = generator.random((n, runs)) < drop
    values_NK = -lost_Nr.repeat(n_scenarios, axis=1).astype(float)
    columns = [tuple(range(r * n_scenarios, (r + 1) * n_scenarios)) for r in range(runs)]
    models = [(Half(own, np.eye(n_scenarios)),) for own in columns]
    return Losses(PairedTable({}, values_NK), models, "variance")


@pytest.mark.parametrize("n_scenarios", [1, 6])
@pytest.mark.parametrize("drop", [0.005, 0.02, 0.05])
def test_intervals_hold_where_mostly_nothing_changes(drop, n_scenarios):
    """Of 20 photographs none is lost in 90, 67 and 36 % of the simulations, and resamples are all equal."""
    low_r, high_r = simulated_losses(drop, n_scenarios=n_scenarios).intervals("shift", 500, 0, 0.95)
    assert ((low_r <= drop**2) & (drop**2 <= high_r)).mean() > 0.93
    assert (high_r > low_r).all()


def test_estimates_have_no_bias():
    losses = simulated_losses(0.05, runs=4000)
    assert losses.debiased_MH.mean() == pytest.approx(0.05**2, abs=5e-4)
    assert losses.plug_in_MH.mean() == pytest.approx(0.05**2 + 0.05 * 0.95 / 20, abs=5e-4)


def test_pseudo_photographs_count_groups_and_what_is_there():
    values_NK = np.zeros((6, 2))
    values_NK[4:, 1] = np.nan
    half = Half((0, 1), np.eye(2))
    each = PairedTable({}, values_NK)
    np.testing.assert_allclose(half.pseudo_variances(each.present_GK), [2 / 36, 2 / 24])
    pairs = PairedTable({}, values_NK, np.array([0, 0, 1, 1, 2, 2]))
    np.testing.assert_allclose(half.pseudo_variances(pairs.present_GK), [2 / 9, 2 / 6])


def test_the_worked_example_of_the_page():
    page = (ROOT / "docs/s_robust.md").read_text(encoding="utf-8")
    example = page.split("## Worked example")[1].split("```python\n")[1].split("```")[0]
    values = {}
    exec(example, values)
    row = values["table"].iloc[0]
    found = row[["sigma2_cross", "sigma2_inner", "s_robust", "plug_in"]].astype(float)
    np.testing.assert_allclose(found, [0.05, 0, 0.95, 0.88], atol=1e-12)
    assert f"s_robust {row.s_robust:.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}], plug_in {row.plug_in:.2f}" in example


def test_differences_of_equal_models_are_centred():
    drawn = [predictions(n=60, seed=s, model="a") for s in range(2)]
    table = pd.concat([drawn[0], drawn[1].assign(model="b")])
    row = compare_s_robust(table, resamples=500).iloc[0]
    loss = s_robusts(table).set_index("model")[["sigma2_cross", "sigma2_inner"]].sum(axis=1)
    assert row.difference == pytest.approx(loss["b"] - loss["a"], abs=1e-12)
    assert row.ci_low < 0 < row.ci_high


@given(st.integers(0, 2**32), st.integers(4, 15), st.integers(1, 4))
@hypothesis_settings(deadline=None, max_examples=20)
def test_influences_are_errors_of_means(seed, n, k):
    values = np.random.Generator(np.random.PCG64(seed)).random((n, k))
    found = influences(values)
    np.testing.assert_allclose(found.T @ found, np.atleast_2d(np.cov(values.T, ddof=1)) / n, atol=1e-12)
    doubled = influences(values.repeat(2, axis=0), np.arange(n).repeat(2))
    np.testing.assert_allclose(doubled, found, atol=1e-12)


def test_a_half_without_a_loss_does_not_raise_the_lower_limit_of_roots():
    """Its root is above 0 in nearly all resamples, whatever the other half loses."""
    true = {("original", s): 0.3 for s in SCENARIOS}
    generator, held = np.random.Generator(np.random.PCG64(12)), 0
    for _ in range(60):
        right = {cell: generator.random(60) < 0.9 - true.get(cell, 0.0) for cell in CELLS}
        frame = pd.concat(
            [
                pd.DataFrame({"trained_on": on, "scenario": s, "image_id": range(60), "correct": verdicts})
                for (on, s), verdicts in right.items()
            ]
        )
        row = s_robusts(frame.assign(model="m"), power="std", resamples=400).iloc[0]
        alone = cross_terms(frame[frame["trained_on"] == "original"].assign(model="m"), power="std", resamples=400)
        held += row.ci_low <= 0.7 <= row.ci_high
        assert row.ci_high >= 1 - alone.loc[0, "ci_high"]
    assert held >= 55
