import numpy as np
import pandas as pd
import pytest

from xray.core.errors import XrayError
from xray.report.figures import accuracy_intervals, learning_curves


def history(model="net", within=("original", "grey"), folds=2, epochs=3):
    return pd.DataFrame(
        [
            (model, scenario, fold, epoch, 2.0 - epoch / 2, 0.1 * epoch, 2.1 - fold, 0.1 * epoch + 0.2 * fold, "top1")
            for scenario in within
            for fold in range(folds)
            for epoch in range(epochs - (fold == 1))
        ],
        columns=[
            *("model", "trained_on", "fold", "epoch", "train_loss", "train_score"),
            *("validation_loss", "validation_score", "metric"),
        ],
    )


class TestLearningCurves:
    def test_one_column_per_scenario_with_loss_above_score(self):
        axes = learning_curves(history()).axes
        assert [ax.get_title(loc="left") for ax in axes] == ["original", "grey", "", ""]
        assert [ax.get_ylabel() for ax in axes] == ["loss", "", "top-1", ""]
        assert len({ax.get_ylim() for ax in axes[:2]}) == 1

    def test_folds_are_thin_and_their_mean_is_thick(self):
        score = learning_curves(history()).axes[2]
        thick = [line for line in score.lines if line.get_linewidth() > 2]
        thin = [line for line in score.lines if line.get_linewidth() < 1]
        assert len(thick) == 2
        assert len(thin) == 4
        validation = thick[1]
        assert validation.get_linestyle() == "--"
        assert list(validation.get_xdata()) == [1, 2]  # fold 1 ended after two epochs
        assert validation.get_ydata() == pytest.approx([0.1, 0.2])

    def test_order_chance_and_many_scenarios(self):
        names = [f"scenario {k}" for k in range(5)]
        figure = learning_curves(history(within=names), scenarios=names[::-1], chance=0.25)
        assert [ax.get_title(loc="left") for ax in figure.axes if ax.get_title(loc="left")] == names[::-1]
        assert len(figure.axes) == 2 * 5
        assert [text.get_text() for text in figure.legends[0].get_texts()][-1] == "chance (25.0 %)"

    def test_a_single_epoch_and_nan_losses(self):
        table = history(epochs=1, folds=1).assign(train_loss=np.nan)
        assert learning_curves(table).axes[0].lines

    def test_tables_that_cannot_be_drawn(self):
        with pytest.raises(XrayError, match="to draw"):
            learning_curves(history().iloc[:0])
        with pytest.raises(XrayError, match="a, b"):
            learning_curves(pd.concat([history("a"), history("b")]))
        with pytest.raises(XrayError, match="'nett'"):
            learning_curves(history(), "nett")
        with pytest.raises(XrayError, match="'gray'"):
            learning_curves(history(), scenarios=["gray"])


ACCURACY = pd.DataFrame(
    [
        ("net", "pretrained", "original", 0.9, 0.8, 0.95),
        ("net", "pretrained", "random", 0.4, 0.3, 0.5),
        ("net", "pretrained", "grey", 0.7, 0.6, 0.8),
    ],
    columns=["model", "trained_on", "scenario", "accuracy", "ci_low", "ci_high"],
)


class TestAccuracyIntervals:
    def test_dots_are_at_the_accuracy_in_percent(self, dots, ticks):
        ax = accuracy_intervals(ACCURACY, ["random", "original"])
        assert ticks(ax.yaxis) == ["random", "original"]
        assert dots(ax) == {0: pytest.approx((30, 40, 50)), 1: pytest.approx((80, 90, 95))}

    def test_names_of_series(self):
        both = pd.concat([ACCURACY, ACCURACY.assign(trained_on="original")])
        names = [text.get_text() for text in accuracy_intervals(both).get_legend().get_texts()]
        assert names == ["net", "net, trained on original"]
