import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from xray.core.errors import XrayError
from xray.report.figures import diagnostic_plots, order_plot, qq_plot, residuals_plot, scale_plot
from xray.statistics import regression

PLOTS = (residuals_plot, scale_plot, qq_plot, order_plot)


def residuals(n=200, seed=0):
    generator = np.random.Generator(np.random.PCG64(seed))
    residual = generator.normal(0, 0.1, n)
    return pd.DataFrame({"fitted": generator.uniform(size=n), "residual": residual, "standardised": residual / 0.1})


def points(ax):
    return next(line for line in ax.lines if line.get_marker() == "o")


def test_residuals_against_fitted_values():
    table = residuals()
    drawn = points(residuals_plot(table))
    np.testing.assert_array_equal(drawn.get_xdata(), table["fitted"])
    np.testing.assert_array_equal(drawn.get_ydata(), table["residual"])


def test_sizes_of_residuals_and_their_means_by_tenths_of_the_fitted_values():
    table = residuals(100).sort_values("fitted")
    ax = scale_plot(table.sample(frac=1, random_state=1))
    np.testing.assert_allclose(np.sort(points(ax).get_ydata()), np.sort(table["residual"].abs()))
    line = next(line for line in ax.lines if line.get_marker() != "o")
    np.testing.assert_allclose(line.get_ydata(), table["residual"].abs().to_numpy().reshape(10, 10).mean(axis=1))
    assert ax.get_ylim()[0] == 0


def test_residuals_in_the_order_of_rows_whatever_their_index():
    table = residuals(5).set_index(pd.Index(list("edcba")))
    table.loc["c", "residual"] = np.nan
    drawn = points(order_plot(table))
    assert drawn.get_xdata().tolist() == [1, 2, 4, 5]
    np.testing.assert_array_equal(drawn.get_ydata(), table["residual"].dropna())


class TestQuantiles:
    def test_medians_of_normal_order_statistics(self):
        table = residuals(9)
        drawn = points(qq_plot(table))
        np.testing.assert_array_equal(drawn.get_ydata(), np.sort(table["standardised"]))
        middle = [stats.norm.ppf(stats.beta(k, 10 - k).median()) for k in range(1, 10)]
        np.testing.assert_allclose(drawn.get_xdata(), middle, atol=1e-12)

    @pytest.mark.parametrize("rank", [1, 5, 30])
    def test_the_band_holds_95_of_100_normal_order_statistics(self, rank):
        ax = qq_plot(residuals(30))
        x = points(ax).get_xdata()[rank - 1]
        edge = ax.collections[0].get_paths()[0].vertices
        low, high = (pick(edge[np.isclose(edge[:, 0], x), 1]) for pick in (min, max))
        samples = np.sort(np.random.Generator(np.random.PCG64(1)).normal(size=(20_000, 30)), axis=1)[:, rank - 1]
        assert np.mean((samples > low) & (samples < high)) == pytest.approx(0.95, abs=0.008)

    def test_the_band_of_many_points_keeps_its_ends(self):
        ax = qq_plot(residuals(20_000))
        edge = ax.collections[0].get_paths()[0].vertices
        assert len(edge) < 1_000
        assert edge[:, 0].max() == points(ax).get_xdata()[-1]


def test_many_points_become_pixels():
    few, many = (points(residuals_plot(residuals(n))) for n in (500, 20_000))
    assert not few.get_rasterized()
    assert many.get_rasterized()


def test_four_plots_in_one_figure():
    table = residuals()
    figure = diagnostic_plots(table)
    titles = ["Residuals", "Homoscedasticity", "QQ plot", "Residuals in order"]
    assert [ax.get_title(loc="left") for ax in figure.axes] == titles
    for draw, ax in zip(PLOTS, figure.axes, strict=True):
        np.testing.assert_array_equal(points(ax).get_xydata(), points(draw(table)).get_xydata())


def test_of_a_regression():
    table = pd.DataFrame(
        {"model": list("abab") * 5, "accuracy": np.random.Generator(np.random.PCG64(0)).uniform(size=20)}
    )
    fitted = regression(table, factors=["model"])
    drawn = points(diagnostic_plots(fitted).axes[3]).get_ydata()
    np.testing.assert_allclose(drawn, table["accuracy"] - table.groupby("model")["accuracy"].transform("mean"))


@pytest.mark.parametrize("draw", [*PLOTS, diagnostic_plots])
def test_nothing_to_draw_is_a_named_error(draw):
    table = residuals(3)
    with pytest.raises(XrayError, match="to draw"):
        draw(table.iloc[:0])
    with pytest.raises(XrayError, match="to draw"):
        draw(table * np.nan)
    with pytest.raises(XrayError, match="column"):
        draw(table[[]].assign(other=1))


@pytest.mark.parametrize("draw", PLOTS)
def test_one_row_and_given_axes(draw):
    given = Figure().add_subplot()
    assert draw(residuals(1), ax=given) is given
