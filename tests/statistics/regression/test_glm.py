import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special

from xray.core.errors import ConfigError
from xray.statistics.regression.glm import binomial, poisson

FACTORS = ["model", "scenario"]


def counted(seed=0, repeated=3):
    draw = np.random.Generator(np.random.PCG64(seed))
    cells = pd.MultiIndex.from_product([["a", "b", "c"], ["original", "grey", "blur", "cut"]], names=FACTORS)
    table = pd.concat([cells.to_frame(index=False)] * repeated, ignore_index=True)
    chance = special.expit(1 - 0.4 * pd.factorize(table["model"])[0])
    table["n"] = draw.integers(20, 60, len(table))
    table["correct"] = draw.binomial(table["n"], chance)
    table["mistakes"] = table["n"] - table["correct"]
    return table


def single(table):
    """A row for each prediction."""
    rows = table.loc[table.index.repeat(table["n"]), FACTORS]
    right = [np.arange(n) < k for n, k in zip(table["n"], table["correct"], strict=True)]
    return rows.assign(correct=np.concatenate(right)).reset_index(drop=True)


def matrix_of(found, table):
    design = found.fit.design
    return design.matrix(design.codes(table)).toarray()


class TestBinomial:
    @pytest.mark.parametrize("interactions", [[], [FACTORS]])
    def test_equal_to_the_fit_of_the_rows(self, interactions):
        table = counted()
        found = binomial(table, FACTORS, {"scenario": "original"}, n="n", interactions=interactions)
        theirs = sm.GLM(table[["correct", "mistakes"]], matrix_of(found, table), sm.families.Binomial()).fit(tol=1e-13)
        np.testing.assert_allclose(found.fit.estimates_P, theirs.params, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.parameters["std_error"], theirs.bse, rtol=1e-8)
        np.testing.assert_allclose(found.parameters["p"], theirs.pvalues, rtol=1e-6)
        assert found.deviance == pytest.approx(theirs.deviance, rel=1e-9)
        assert found.null_deviance == pytest.approx(theirs.null_deviance, rel=1e-9)
        assert found.pearson_chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-8)
        assert found.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)
        assert found.aic == pytest.approx(theirs.aic, rel=1e-9)
        assert found.df == theirs.df_resid

    def test_of_single_predictions_has_the_same_estimates_and_its_own_deviance(self):
        table = counted()
        rows = single(table)
        grouped, found = binomial(table, FACTORS, n="n"), binomial(rows, FACTORS)
        theirs = sm.GLM(rows["correct"].astype(float), matrix_of(found, rows), sm.families.Binomial()).fit(tol=1e-13)
        np.testing.assert_allclose(found.fit.estimates_P, grouped.fit.estimates_P, rtol=1e-10)
        np.testing.assert_allclose(found.fit.covariance_PP, grouped.fit.covariance_PP, rtol=1e-8, atol=1e-15)
        assert found.deviance == pytest.approx(theirs.deviance, rel=1e-9)
        assert found.deviance == pytest.approx(-2 * found.log_likelihood)
        assert found.null_deviance == pytest.approx(theirs.null_deviance, rel=1e-9)
        assert found.pearson_chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-8)

    def test_accuracies_are_read_as_counts(self):
        table = counted()
        wanted = binomial(table, FACTORS, n="n")
        table["accuracy"] = table["correct"] / table["n"]
        found = binomial(table.drop(columns="correct"), FACTORS, correct=None, accuracy="accuracy", n="n")
        np.testing.assert_allclose(found.fit.estimates_P, wanted.fit.estimates_P, rtol=1e-12)
        assert found.deviance == pytest.approx(wanted.deviance)

    def test_predictions_are_probabilities_of_the_cells(self):
        table = counted()
        found = binomial(table, FACTORS, n="n").predicted
        sums = table.groupby(FACTORS)[["correct", "n"]].sum()
        assert len(found) == 12
        for row in found.itertuples():
            assert (row.correct, row.n) == tuple(sums.loc[(row.model, row.scenario)])
            assert 0 < row.ci_low < row.predicted < row.ci_high < 1
        for _, level in found.groupby("model"):  # the score equations: sums over each level are met
            assert (level["predicted"] * level["n"]).sum() == pytest.approx(level["correct"].sum())

    def test_ratios_are_those_of_odds(self):
        table = pd.DataFrame({"model": ["a", "b"] * 2, "correct": [30, 10, 30, 15], "n": [40, 40, 40, 40]})
        found = binomial(table, ["model"], n="n")
        assert found.ratios["ratio"].tolist() == pytest.approx([60 / 20, (25 / 55) / (60 / 20)])
        error = np.sqrt(1 / 60 + 1 / 20 + 1 / 25 + 1 / 55)  # Woolf
        assert found.parameters["std_error"][1] == pytest.approx(error)

    def test_scatter_beyond_the_distribution_is_noted(self):
        table = counted()
        assert not binomial(table, FACTORS, n="n").notes
        table["correct"] = np.where(np.arange(len(table)) < 12, table["n"], table["correct"] // 3)
        assert "overdispersion" in binomial(table, FACTORS, n="n").notes[0]

    @pytest.mark.parametrize(("share", "word"), [(1, "always correct"), (0, "never correct")])
    def test_a_level_that_is_right_or_wrong_throughout_is_named(self, share, word):
        table = counted()
        table.loc[table["scenario"] == "blur", "correct"] = share * table["n"]
        with pytest.raises(ConfigError, match=rf"scenario\[blur\] is {word}"):
            binomial(table, FACTORS, n="n")

    def test_separation_that_no_single_level_shows_is_found(self):
        table = pd.DataFrame(
            {"model": list("aabb"), "scenario": list("xyxy"), "correct": [10, 4, 6, 10], "n": [10, 10, 10, 10]}
        )
        assert np.isfinite(binomial(table, FACTORS, n="n").parameters["std_error"]).all()
        # along intercept − model[b] − scenario[y] the mixed cells stay where they are, and the others get better
        with pytest.raises(ConfigError, match=r"Intercept, model\[b\], scenario\[y\]"):
            binomial(table.assign(correct=[10, 4, 6, 0]), FACTORS, n="n")

    def test_a_cell_of_an_interaction_without_a_wrong_answer_is_found(self):
        table = counted()
        table.loc[(table["model"] == "b") & (table["scenario"] == "cut"), "correct"] = table["n"]
        binomial(table, FACTORS, n="n")
        with pytest.raises(ConfigError, match=r"model\[b\]:scenario\[cut\]"):
            binomial(table, FACTORS, n="n", interactions=[FACTORS])

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"correct": 10.5}, "10.5"),
            ({"correct": 10**6}, "1e[+]06 of .* in row 0"),
            ({"correct": -1}, "correct: -1 of"),
            ({"n": 0}, "column 'n' has 0"),
            ({"n": 30.5, "correct": 3}, "30.5"),
        ],
    )
    def test_bad_counts_are_refused(self, change, message):
        with pytest.raises(ConfigError, match=message):
            binomial(counted().assign(**change), FACTORS, n="n")

    @pytest.mark.parametrize(
        "asked", [{"correct": None}, {"accuracy": "a", "n": "n"}, {"correct": None, "accuracy": "a"}]
    )
    def test_what_is_counted_must_be_said_once(self, asked):
        with pytest.raises(ConfigError, match="`correct`"):
            binomial(counted(), FACTORS, **asked)


class TestPoisson:
    @pytest.mark.parametrize("exposure", [None, "n"])
    def test_equal_to_the_fit_of_the_rows(self, exposure):
        table = counted()
        found = poisson(table, "mistakes", FACTORS, {"model": "c"}, exposure=exposure)
        offset = None if exposure is None else np.log(table["n"])
        family = sm.families.Poisson()
        theirs = sm.GLM(table["mistakes"], matrix_of(found, table), family, offset=offset).fit(tol=1e-13)
        np.testing.assert_allclose(found.fit.estimates_P, theirs.params, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(found.parameters["std_error"], theirs.bse, rtol=1e-8)
        assert found.deviance == pytest.approx(theirs.deviance, rel=1e-9)
        assert found.null_deviance == pytest.approx(theirs.null_deviance, rel=1e-8)
        assert found.pearson_chi2 == pytest.approx(theirs.pearson_chi2, rel=1e-8)
        assert found.log_likelihood == pytest.approx(theirs.llf, rel=1e-9)
        assert found.dispersion == pytest.approx(theirs.pearson_chi2 / theirs.df_resid, rel=1e-8)

    def test_a_level_without_counts_is_named(self):
        table = counted()
        table.loc[table["scenario"] == "cut", "mistakes"] = 0
        with pytest.raises(ConfigError, match=r"scenario\[cut\] is never counted"):
            poisson(table, "mistakes", FACTORS)

    @pytest.mark.parametrize(("value", "message"), [(-1, "-1"), (1.5, "1.5")])
    def test_what_is_no_count_is_refused(self, value, message):
        with pytest.raises(ConfigError, match=message):
            poisson(counted().assign(mistakes=value), "mistakes", FACTORS)


@pytest.mark.parametrize("of", ["binomial", "poisson"])
def test_rows_in_which_something_is_empty_are_left_out_on_request(of):
    def fitted(table, **options):
        if of == "binomial":
            return binomial(table, ["model"], n="n", **options)
        return poisson(table, "correct", ["model"], exposure="n", **options)

    table = pd.DataFrame({"model": [*"aabb"], "correct": [5, 80, 50, 40], "n": [np.nan, 100, 100, 90]})
    found, expected = fitted(table, missing="drop"), fitted(table.iloc[1:])
    np.testing.assert_array_equal(found.fit.estimates_P, expected.fit.estimates_P)
    assert found.notes[0].startswith("1 row with")
    with pytest.raises(ConfigError, match=r"1 of 4 rows.* row 0, column 'n'"):
        fitted(table)


def test_a_row_is_named_as_the_table_names_it():
    table = pd.DataFrame({"model": [*"aabb"], "correct": [np.nan, 80, 50, 140], "n": 100}, index=[*"pqrs"])
    with pytest.raises(ConfigError, match=r"140 of 100 .*row s"):
        binomial(table, ["model"], n="n", missing="drop")


def test_it_shows_itself_as_a_table():
    table = pd.DataFrame({"model": [*"aabb"], "correct": [20, 90, 50, 40], "n": 100})
    lines = repr(binomial(table, ["model"], n="n")).splitlines()
    assert lines[0] == "model (binomial (logit)), compared with model a"
    assert lines[4].split()[0] == "model[b]"
    assert lines[6].startswith("n 4, log likelihood ")
    assert lines[8].startswith("note: overdispersion")


class TestClusteredErrors:
    def of_photographs(self, photographs=150, seed=0):
        """Three models on four scenarios; photographs differ in difficulty, and have one category each."""
        draw = np.random.Generator(np.random.PCG64(seed))
        cells = pd.MultiIndex.from_product([range(photographs), list("abc"), ["original", "grey", "blur", "cut"]])
        table = cells.to_frame(index=False, name=["image_id", *FACTORS])
        table["category"] = np.array(["cat", "dog", "fox"])[table["image_id"] % 3]
        own = draw.normal(0, 2, photographs)[table["image_id"]]
        score = 1 - 0.4 * pd.factorize(table["model"])[0] - 0.5 * pd.factorize(table["scenario"])[0] + own
        return table.assign(correct=draw.random(len(table)) < special.expit(score))

    def theirs(self, found, table, response, groups, family):
        model = sm.GLM(response, matrix_of(found, table), family)
        return model.fit(tol=1e-13, cov_type="cluster", cov_kwds={"groups": pd.factorize(groups)[0]}, use_t=True)

    @pytest.mark.parametrize("interactions", [[], [FACTORS]])
    def test_of_single_predictions_equal_those_of_the_rows(self, interactions):
        table = self.of_photographs()
        factors = [*FACTORS, "category"]
        found = binomial(table, factors, cluster="image_id", interactions=interactions)
        theirs = self.theirs(found, table, table["correct"].astype(float), table["image_id"], sm.families.Binomial())
        clustered = found.clustered.parameters
        np.testing.assert_allclose(clustered["estimate"], theirs.params, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(clustered["std_error"], theirs.bse, rtol=1e-8)
        np.testing.assert_allclose(clustered["p"], theirs.pvalues, rtol=1e-6, atol=1e-200)
        np.testing.assert_allclose(clustered[["ci_low", "ci_high"]], theirs.conf_int(), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(np.log(found.ratios["ci_high"]), clustered["ci_high"], rtol=1e-9)
        np.testing.assert_allclose(found.parameters["std_error"], binomial(table, factors, interactions=interactions)
                                   .parameters["std_error"])  # fmt: skip
        assert found.clustered.df == 149
        wider = (clustered["std_error"] / found.parameters["std_error"]).set_axis(clustered["term"])
        assert (wider[["category[dog]", "category[fox]"]] > 1.8).all()
        assert "clustered by image_id (150 clusters)" in repr(found)

    def test_of_counts_equal_those_of_the_rows(self):
        rows = self.of_photographs()
        table = rows.groupby(["image_id", "model"], as_index=False)["correct"].agg(["sum", "size"]).reset_index()
        table = table.rename(columns={"sum": "correct", "size": "n"}).assign(
            scenes=lambda table: table["image_id"] // 2
        )
        found = binomial(table, ["model"], n="n", cluster="scenes")
        both = np.column_stack([table["correct"], table["n"] - table["correct"]])
        theirs = self.theirs(found, table, both, table["scenes"], sm.families.Binomial())
        np.testing.assert_allclose(found.clustered.parameters["std_error"], theirs.bse, rtol=1e-8)
        assert not any("overdispersion" in note for note in found.notes)
        limits = found.clustered.parameters.loc[0, ["ci_low", "ci_high"]].astype(float)
        np.testing.assert_allclose(found.predicted.loc[0, ["ci_low", "ci_high"]].astype(float), special.expit(limits))

    def test_of_poisson_equal_those_of_the_rows(self):
        table = counted().assign(day=lambda table: np.arange(len(table)) % 7)
        found = poisson(table, "mistakes", FACTORS, cluster="day")
        theirs = self.theirs(found, table, table["mistakes"], table["day"], sm.families.Poisson())
        np.testing.assert_allclose(found.clustered.parameters["std_error"], theirs.bse, rtol=1e-8)
        assert any("7 clusters: few" in note for note in found.notes)

    def test_a_level_in_one_cluster_is_noted(self):
        table = self.of_photographs()
        found = binomial(table, ["scenario", "category"], cluster="category")
        assert any("category[dog] (and 1 more) has rows of one cluster" in note for note in found.notes)

    def test_too_few_clusters_or_rows_are_refused(self):
        table = self.of_photographs()
        with pytest.raises(ConfigError, match="all rows are of one place"):
            binomial(table.assign(place="here"), FACTORS, cluster="place")
        few = pd.DataFrame({"model": [*"ab"], "correct": [8, 5], "n": [10, 10], "image_id": [1, 2]})
        with pytest.raises(ConfigError, match="2 rows are too few for 2 parameters"):
            binomial(few, ["model"], n="n", cluster="image_id")
