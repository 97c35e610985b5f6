import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import accuracy_heatmap, density_map, density_maps, train_test_map

ACCURACY = pd.DataFrame(
    [("a", "pretrained", "original", 0.9), ("a", "pretrained", "grey", 0.25), ("b", "grey", "original", 0.0)],
    columns=["model", "trained_on", "scenario", "accuracy"],
)
SCENARIOS = [f"scenario_{k}" for k in range(14)]


def categories(names, models=("m",), scenarios=("original", "grey")):
    rows = [
        (model, "pretrained", scenario, name, k / len(names) / (1 + j))
        for j, model in enumerate(models)
        for scenario in scenarios
        for k, name in enumerate(names)
    ]
    return pd.DataFrame(rows, columns=["model", "trained_on", "scenario", "category", "accuracy"])


def grid(trained, tested, model="m"):
    rows = [(model, a, b, 0.9 if a == b else 0.5) for a in trained for b in tested]
    return pd.DataFrame(rows, columns=["model", "trained_on", "tested_on", "accuracy"])


def printed(ax):
    return {(t.get_position()[1] - 0.5, t.get_position()[0] - 0.5): t.get_text() for t in ax.texts}


def values(ax):
    return np.ma.filled(ax.collections[0].get_array(), np.nan)


class TestAccuracyHeatmap:
    def test_numbers_and_colours_are_in_their_cells(self, ticks):
        ax = accuracy_heatmap(ACCURACY, ["grey", "original", "rejected"])
        assert printed(ax) == {(0, 0): "25", (0, 1): "90", (0, 2): "–", (1, 0): "–", (1, 1): "0", (1, 2): "–"}
        np.testing.assert_equal(values(ax), [[0.25, 0.9, np.nan], [np.nan, 0, np.nan]])
        assert ticks(ax.yaxis) == ["a", "b, trained on grey"]
        assert ticks(ax.xaxis) == ["grey", "original", "rejected"]
        assert ax.yaxis_inverted()

    def test_series_with_the_same_name_are_not_mixed(self):
        rows = [("a, trained on grey", "pretrained", "original", 0.1), ("a", "grey", "original", 0.9)]
        ax = accuracy_heatmap(pd.DataFrame(rows, columns=ACCURACY.columns))
        assert sorted(t.get_text() for t in ax.texts) == ["10", "90"]

    def test_rows_of_one_cell_are_pooled_by_their_counts_and_never_averaged(self):
        twice = pd.concat([ACCURACY, ACCURACY])
        with pytest.raises(XrayError, match="2 accuracies"):
            accuracy_heatmap(twice)
        folds = ACCURACY.iloc[[0, 0]].assign(n=[10, 90], correct=[10, 0], accuracy=[1.0, 0.0])
        assert printed(accuracy_heatmap(folds)) == {(0, 0): "10"}


class TestDensityMap:
    def test_the_easiest_category_is_on_top(self, ticks):
        ax = density_map(categories(["hard", "middle", "easy"]), "m")
        assert ticks(ax.yaxis) == ["easy", "middle", "hard"]

    def test_many_categories_have_a_scale_instead_of_numbers(self):
        few, many = (density_map(categories([f"c{k}" for k in range(n)]), "m") for n in (26, 50))
        assert len(few.texts) == 52
        assert len(few.figure.axes) == 1
        assert not many.texts
        assert len(many.figure.axes) == 2
        assert many.figure.get_size_inches()[1] < 13

    def test_an_unknown_model(self):
        with pytest.raises(XrayError, match=r"'n'.*choices: m"):
            density_map(categories(["c"]), "n")


class TestDensityMaps:
    def test_each_model_has_a_map_with_the_same_rows(self, ticks):
        figure = density_maps(categories(["hard", "easy"], models=("x", "y", "z")), columns=2)
        maps = figure.axes[:3]
        assert [ax.get_title(loc="left") for ax in maps] == ["x", "y", "z"]
        for index, ax in enumerate(maps):
            np.testing.assert_allclose(values(ax), np.array([[0.5, 0.5], [0, 0]]) / (1 + index))
        assert [ticks(ax.yaxis) for ax in maps] == [["easy", "hard"], [], ["easy", "hard"]]
        assert [ticks(ax.xaxis) for ax in maps] == [[], ["original", "grey"], ["original", "grey"]]
        assert len(figure.axes) == 4

    def test_short_names_are_not_shortened_where_scenarios_are_few(self):
        table = categories(["c"], models=("a model of thirty characters", "b"))
        assert density_maps(table).axes[0].get_title(loc="left") == "a model of thirty characters"

    def test_cells_without_predictions_are_missing(self):
        table = categories(["hard", "easy"], models=("x", "y"))
        table = table[(table["model"] == "x") | (table["category"] == "easy")]
        np.testing.assert_equal(values(density_maps(table).axes[1]), [[0.25, 0.25], [np.nan, np.nan]])

    def test_chosen_models_in_their_order(self):
        table = categories(["c"], models=("x", "y", "z"))
        figure = density_maps(table, [("z", "pretrained"), ("x", "pretrained")])
        assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["z", "x"]
        with pytest.raises(XrayError, match="w"):
            density_maps(table, [("w", "pretrained")])

    def test_eight_models_fit_on_a_page(self):
        table = categories([f"category {k}" for k in range(12)], [f"model {k}" for k in range(8)], SCENARIOS)
        width, height = density_maps(table).get_size_inches()
        assert (width < 14, height < 8) == (True, True)
        width, height = accuracy_heatmap(table[table["category"] == "category 0"]).figure.get_size_inches()
        assert (width < 11, height < 5) == (True, True)


class TestTrainTestMap:
    def test_rows_are_trained_and_columns_tested_on(self, ticks):
        table = grid(["grey", "original"], ["original", "grey"])
        table.loc[(table["trained_on"] == "grey") & (table["tested_on"] == "original"), "accuracy"] = 0.31
        ax = train_test_map(table)
        assert ticks(ax.yaxis) == ticks(ax.xaxis) == ["original", "grey"]
        assert printed(ax) == {(0, 0): "90", (0, 1): "50", (1, 0): "31", (1, 1): "90"}
        assert (ax.get_ylabel(), ax.get_xlabel()) == ("trained on", "tested on")

    def test_the_diagonal_is_marked_and_pretrained_is_last(self, ticks):
        ax = train_test_map(grid(["pretrained", "b", "a"], ["a", "b", "c"]))
        assert ticks(ax.yaxis) == ["a", "b", "pretrained"]
        assert [patch.get_xy() for patch in ax.patches] == [(0, 0), (1, 1)]

    def test_the_column_scenario_and_pooled_folds(self):
        table = grid(["a", "a"], ["a"]).assign(n=[30, 10], correct=[30, 0])
        assert printed(train_test_map(table.rename(columns={"tested_on": "scenario"}))) == {(0, 0): "75"}

    def test_one_of_several_models_must_be_named(self):
        both = pd.concat([grid(["a"], ["a"], "m"), grid(["a"], ["a"], "n")])
        assert train_test_map(both, "n").texts
        with pytest.raises(XrayError, match="m, n"):
            train_test_map(both)
        with pytest.raises(XrayError, match="'o'"):
            train_test_map(both, "o")
