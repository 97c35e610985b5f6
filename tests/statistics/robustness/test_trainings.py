"""Training noise: what repeats tell of it, and intervals that include it."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from xray.statistics import accuracy_table, cross_terms, drops, s_robusts
from xray.statistics.robustness.bootstrap import image_accuracies
from xray.statistics.robustness.cells import halves
from xray.statistics.robustness.loss import Losses
from xray.statistics.robustness.paired import PairedTable, origins, paired_table
from xray.statistics.robustness.s_robust import Definition
from xray.statistics.robustness.trainings import TrainingNoise

SCENARIOS = ("blur", "grey", "segmented")
CELLS = sorted([("original", "original"), *(("original", s) for s in SCENARIOS), *((s, s) for s in SCENARIOS)])
COLUMNS = pd.MultiIndex.from_tuples([("m", *cell) for cell in CELLS], names=["model", "trained_on", "scenario"])
POSTER = Definition.of("poster", None, None)
FOLDS, SD, EASE = 4, 0.02, 0.9


def verdicts(seed, repeats, photos=240, sd=SD, loss=0.0, flips=0.3):
    """Verdicts of networks, shape (repeats, photos, cells); their accuracy over all folds varies by `sd` by training.

    A photograph is recognised if its ease, luck and the network's own quality exceed a threshold. `loss` is what every
    other scenario costs, in units of the ease.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    ease_N = generator.normal(size=photos)
    quality = {on: generator.normal(scale=quality_sd(sd), size=(repeats, FOLDS)) for on in ("original", *SCENARIOS)}
    fold_N = np.arange(photos) % FOLDS
    luck = generator.normal(scale=flips, size=(repeats, photos, len(CELLS)))
    threshold = np.array([loss * (scenario != "original") - EASE for _, scenario in CELLS])
    network = np.stack([quality[on][:, fold_N] for on, _ in CELLS], axis=-1)
    return (ease_N[:, None] + luck + network > threshold).astype(float)


def quality_sd(sd):
    return sd * FOLDS**0.5 / norm.pdf(EASE)


def true_loss(loss, sd=SD, flips=0.3):
    spread = np.sqrt(1 + flips**2 + quality_sd(sd) ** 2)
    return 2 * (norm.cdf((EASE - loss) / spread) - norm.cdf(EASE / spread)) ** 2


def losses(values_RNK, definition=POSTER):
    repeats, photos, cells = values_RNK.shape
    wide = pd.DataFrame(values_RNK.mean(axis=0), columns=COLUMNS)
    paired = PairedTable.of(wide, "original")
    image_R, repeat_R = np.tile(np.arange(photos), repeats), np.repeat(np.arange(repeats), photos)
    noise = TrainingNoise.of(
        values_RNK.reshape(-1, cells), image_R, image_R % FOLDS + FOLDS * repeat_R,
        origins(paired.column, "original"), ~np.isnan(paired.values_NK),
    )  # fmt: skip
    paired = PairedTable(paired.column, paired.values_NK, None, noise if repeats > 1 else None)
    (model,) = halves(wide, "original", definition)
    return Losses(paired, [(model.cross, model.inner)], definition.power)


def predictions(values_RNK, model="m"):
    r, n, k = (index.ravel() for index in np.indices(values_RNK.shape))
    names = [np.array([cell[part] for cell in CELLS])[k] for part in (0, 1)]
    columns = {"trained_on": names[0], "scenario": names[1], "image_id": [f"i{one:04}" for one in n]}
    return pd.DataFrame(
        {**columns, "fold": n % FOLDS, "repeat": r, "variant": 0, "correct": values_RNK.ravel().astype(bool)}
    ).assign(model=model)


def noise_of(table):
    return paired_table(table, image_accuracies(table), "original").noise


def test_one_training_has_no_noise_and_empty_repeats_are_the_first():
    table = predictions(verdicts(0, 1))
    plain = s_robusts(table.drop(columns="repeat"), resamples=50)
    for same in (table, table.assign(repeat=pd.array([pd.NA] * len(table), "Int32"))):
        assert noise_of(same) is None
        pd.testing.assert_frame_equal(s_robusts(same, resamples=50), plain)
    assert plain["over"].tolist() == ["photographs"]


def test_variance_over_trainings_is_that_of_pairs_of_photographs():
    """(1/N²) Σ_f n/(n−1) Σ_{j≠l} cov_r(x_jr, x_lr) / k, written out."""
    values = verdicts(1, 3, photos=24)
    of_tables, of_arrays = noise_of(predictions(values)), losses(values).paired.noise
    origin = CELLS.index(("original", "original"))
    for k in range(len(CELLS)):
        gain_RN = values[:, :, k] - (values[:, :, origin] if k != origin else 0)
        expected = 0.0
        for fold in range(FOLDS):
            covariance = np.cov(gain_RN[:, fold::FOLDS].T) / 3
            n = len(covariance)
            expected += (covariance.sum() - np.trace(covariance)) * n / (n - 1) / 24**2
        for noise in (of_tables, of_arrays):
            assert noise.column_variances()[k] == pytest.approx(expected, abs=1e-15)
            assert noise.variances([k], np.eye(1))[0] == pytest.approx(expected, abs=1e-15)


def test_losses_are_unbiased_where_the_plug_in_is_not():
    drawn = [losses(verdicts(seed, 3)) for seed in range(400)]
    debiased = np.mean([one.debiased_MH for one in drawn], axis=0)[0]
    plug_in = np.mean([one.plug_in_MH for one in drawn], axis=0)[0]
    assert np.abs(debiased).max() < 5e-5
    assert plug_in[1] > 3e-4
    variances = [one.paired.noise.column_variances()[CELLS.index(("grey", "grey"))] for one in drawn]
    assert np.mean(variances) == pytest.approx(2 * SD**2 / 3, rel=0.1)  # of two networks, three repeats each


def test_groups_count_once():
    table = predictions(verdicts(2, 2, photos=40))
    copies = pd.concat([table.assign(image_id=table["image_id"] + f"-{c}", group=table["image_id"]) for c in range(3)])
    np.testing.assert_allclose(noise_of(copies).column_variances(), noise_of(table).column_variances(), atol=1e-15)


def test_a_network_is_the_same_in_all_scenarios():
    """Where trainings differ as much in each scenario, nothing is added to the losses of the network itself."""
    variances = losses(verdicts(3, 3, flips=0)).paired.noise.column_variances()
    for k, (trained_on, scenario) in enumerate(CELLS):
        same = trained_on == "original" != scenario
        assert (abs(variances[k]) < 1e-15) == same


def test_refused_photographs_take_no_part():
    values, k = verdicts(4, 3), CELLS.index(("grey", "grey"))
    refused = values.copy()
    refused[:, :80, k] = np.nan
    part = losses(values[:, 80:]).paired.noise  # whole rounds of folds: the others keep theirs
    assert losses(refused).paired.noise.column_variances()[k] == pytest.approx(part.column_variances()[k], abs=1e-15)
    assert losses(refused).paired.noise.repeated_K.all()


def test_intervals_say_what_they_are_over():
    table = predictions(verdicts(5, 2))
    origin = table["trained_on"] == "original"
    pretrained = table[origin & (table["repeat"] == 0)].assign(model="p", trained_on="pretrained", fold=-1, repeat=None)
    both = pd.concat([table, pretrained])
    expected = {"m": "photographs and trainings", "p": "photographs"}
    assert s_robusts(both, resamples=50).set_index("model")["over"].to_dict() == expected
    compared = both[both["trained_on"].isin(["original", "pretrained"])]
    assert cross_terms(compared, resamples=50).set_index("model")["over"].to_dict() == expected
    partly = table[(table["repeat"] == 0) | (table["trained_on"] != "grey")]
    assert s_robusts(partly, resamples=50)["over"].tolist() == ["photographs"]
    assert s_robusts(table, method="percentile", resamples=50)["over"].tolist() == ["photographs"]


def test_another_model_changes_no_number():
    tables = {name: predictions(verdicts(seed, 3), name) for name, seed in (("a", 6), ("b", 7))}
    together = s_robusts(pd.concat(tables.values()), resamples=200).set_index("model")
    alone = s_robusts(tables["a"], resamples=200).set_index("model")
    columns = ["s_robust", "sigma2_cross", "sigma2_inner", "ci_low", "ci_high"]
    np.testing.assert_allclose(together.loc["a", columns].astype(float), alone.loc["a", columns].astype(float))


def test_drops_include_trainings():
    """A network that fails in one scenario, of three: one training says much less than its photographs."""
    table = predictions(verdicts(8, 3, loss=0.3)).query("trained_on == 'original'")
    failing = (table["scenario"] == "blur") & (table["repeat"] == 0) & (table["image_id"].str[-1] < "5")
    before, after = drops(table), drops(table.assign(correct=table["correct"] & ~failing))
    blur = (before["scenario"] == "blur").to_numpy()
    width = ((after["ci_high"] - after["ci_low"]) / (before["ci_high"] - before["ci_low"])).to_numpy()
    assert width[blur] > 2
    np.testing.assert_allclose(width[~blur], 1)
    assert after["drop"][blur].item() > before["drop"][blur].item() + 0.1
    assert after["p"][blur].item() > before["p"][blur].item()


def test_accuracies_do_not_take_repeats_for_photographs():
    table = accuracy_table(predictions(verdicts(9, 3, flips=0, sd=0)), by=["trained_on", "scenario"])
    assert (table["n"] == 720).all()
    np.testing.assert_allclose(table["n_effective"], 240, rtol=0.01)


@pytest.mark.parametrize("loss", [0.0, 0.4])
def test_intervals_hold_the_truth_over_trainings(loss):
    """Of 100 runs of three repeats; given the networks, as with their first repeats alone, the interval is too short."""
    truth, held = true_loss(loss), np.zeros(2)
    for seed in range(100):
        values = verdicts(seed, 3, loss=loss, photos=600)
        for which, some in enumerate((values, values[:1])):
            low, high = losses(some).intervals("shift", 300, seed, 0.95)[:, 0]
            held[which] += low <= truth <= high
    assert held[0] >= 91
    assert held[1] <= 90
