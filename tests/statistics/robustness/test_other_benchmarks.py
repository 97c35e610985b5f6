import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from xray.core.errors import ConfigError
from xray.statistics import (
    bg_gap,
    effective_robustness,
    error_ratio,
    mean_corruption_error,
    worst_category,
    worst_scenario,
)

CELLS = {
    "alexnet": {"original": 0.60, "fog1": 0.40, "fog2": 0.20, "blur1": 0.50, "blur2": 0.30},
    "resnet50": {"original": 0.80, "fog1": 0.70, "fog2": 0.50, "blur1": 0.60, "blur2": 0.60},
}
CORRUPTIONS = {"fog": ["fog1", "fog2"], "blur": ["blur1", "blur2"]}


def long(cells):
    return pd.DataFrame(
        [(model, scenario, value) for model, by in cells.items() for scenario, value in by.items()],
        columns=["model", "scenario", "accuracy"],
    )


def lacking(model, scenario, value=None):
    cells = {name: dict(by) for name, by in CELLS.items()}
    cells[model].pop(scenario)
    return cells if value is None else {**cells, model: cells[model] | {scenario: value}}


MEASURES = {
    "bg_gap": lambda cells: bg_gap(cells, "fog1", "fog2"),
    "error_ratio": error_ratio,
    "mce": lambda cells: mean_corruption_error(cells, "alexnet", CORRUPTIONS),
    "effective": lambda cells: effective_robustness(cells, CELLS),
    "references": lambda cells: effective_robustness(CELLS, cells),
    "worst": worst_scenario,
}


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_missing_cells_and_percentages_are_named(measure):
    with pytest.raises(ConfigError, match="'resnet50' on scenario 'fog2' is missing"):
        measure(lacking("resnet50", "fog2"))
    with pytest.raises(ConfigError, match="'resnet50' on scenario 'fog2' is missing"):
        measure(lacking("resnet50", "fog2", math.nan))
    with pytest.raises(ConfigError, match="'alexnet' on scenario 'fog2' is 20"):
        measure(lacking("alexnet", "fog2", 20.0))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_tables_and_mappings_say_the_same(measure):
    def rows(found):
        return found.sort_index(axis=0).sort_index(axis=1) if isinstance(found, pd.DataFrame) else found

    from_mapping, from_table = rows(measure(CELLS)), rows(measure(long(CELLS)))
    if "scenario" in from_mapping and len(from_mapping) > 2:
        from_mapping, from_table = (
            t.sort_values(["model", "scenario"], ignore_index=True) for t in (from_mapping, from_table)
        )
    np.testing.assert_array_equal(from_mapping.to_numpy(), from_table.to_numpy())


def test_a_table_with_two_kinds_of_training_is_refused():
    twice = pd.concat([long(CELLS).assign(trained_on=t) for t in ("original", "grey")])
    with pytest.raises(ConfigError, match="two accuracies of \\(alexnet, original\\)"):
        error_ratio(twice)
    with pytest.raises(ConfigError, match="unknown column 'accuracy'"):
        error_ratio(twice.drop(columns="accuracy"))
    with pytest.raises(ConfigError, match="no accuracies"):
        error_ratio({})


def test_bg_gap_is_what_the_background_of_the_same_class_adds():
    gap = bg_gap(
        {"m": {"mixed_same": 0.82, "mixed_rand": 0.76, "original": 0.95}, "n": {"mixed_same": 0.5, "mixed_rand": 0.6}}
    )
    assert gap.round(3).to_dict() == {"m": 0.06, "n": -0.1}


class TestErrorRatio:
    def test_ratios_average_to_one_over_their_own_mean(self):
        np.testing.assert_allclose(error_ratio(CELLS).mean(axis=1), 1.0)

    def test_against_a_mean_that_is_given(self):
        found = error_ratio(CELLS, mean={"resnet50": 0.75, "alexnet": 0.5})
        assert found.loc["resnet50", "fog2"] == pytest.approx(2.0)
        assert found.loc["alexnet", "fog2"] == pytest.approx(1.6)
        with pytest.raises(ConfigError, match="'alexnet' on scenario 'all' is missing"):
            error_ratio(CELLS, mean={"resnet50": 0.75})

    def test_no_errors_no_ratio(self):
        assert error_ratio({"m": {"a": 1.0, "b": 1.0}}).isna().all(axis=None)


class TestMeanCorruptionError:
    def test_by_hand(self):
        found = mean_corruption_error(CELLS, "alexnet", CORRUPTIONS).loc["resnet50"]
        assert found.to_dict() == pytest.approx(
            {"fog": 0.8 / 1.4, "blur": 0.8 / 1.2, "mce": (0.8 / 1.4 + 0.8 / 1.2) / 2}
        )

    def test_relative_by_hand(self):
        found = mean_corruption_error(CELLS, "alexnet", CORRUPTIONS, relative=True).loc["resnet50"]
        assert found.to_dict() == pytest.approx({"fog": 0.4 / 0.6, "blur": 0.4 / 0.4, "mce": (0.4 / 0.6 + 1) / 2})

    def test_the_reference_is_one(self):
        for relative in (False, True):
            found = mean_corruption_error(CELLS, "alexnet", relative=relative)
            np.testing.assert_allclose(found.loc["alexnet"], 1.0)
            assert "original" not in found

    def test_bad_requests_are_refused(self):
        with pytest.raises(ConfigError, match="did you mean 'alexnet'"):
            mean_corruption_error(CELLS, "alxnet")
        with pytest.raises(ConfigError, match="'original'"):
            mean_corruption_error({"m": {"original": 0.5}}, "m")
        with pytest.raises(ConfigError, match="'grey'"):
            mean_corruption_error({"m": {"original": 0.9, "grey": 1.0}}, "m")
        with pytest.raises(ConfigError, match="'grey'"):
            mean_corruption_error({"m": {"original": 0.9, "grey": 0.9}}, "m", relative=True)

    def test_a_clean_scenario_of_another_name_is_no_corruption(self):
        renamed = long(CELLS).replace({"original": "Original"})
        with pytest.raises(ConfigError, match="did you mean 'Original'"):
            mean_corruption_error(renamed, "alexnet")
        assert "Original" not in mean_corruption_error(renamed, "alexnet", clean="Original")


class TestEffectiveRobustness:
    def test_models_on_the_line_have_none(self):
        start = np.array([0.4, 0.55, 0.7, 0.85])
        plain = {f"m{k}": {"original": x, "grey": expit(-0.5 + 1.2 * logit(x))} for k, x in enumerate(start)}
        lifted = {"new": {"original": 0.6, "grey": expit(-0.5 + 1.2 * logit(0.6)) + 0.1}}
        found = effective_robustness(plain | lifted, plain).set_index("model")["effective_robustness"]
        np.testing.assert_allclose(found.drop("new"), 0, atol=1e-12)
        assert found["new"] == pytest.approx(0.1)

    def test_bad_references_are_refused(self):
        with pytest.raises(ConfigError, match="two reference models"):
            effective_robustness(CELLS, {"alexnet": CELLS["alexnet"]})
        with pytest.raises(ConfigError, match=r"accuracy 1 on 'fog1'.*no logit"):
            effective_robustness(CELLS, lacking("alexnet", "fog1", 1.0))
        with pytest.raises(ConfigError, match="unknown scenario 'as_taken'"):
            effective_robustness(CELLS, CELLS, "as_taken")


class TestWorst:
    def test_scenario(self):
        found = worst_scenario(CELLS).set_index("model")
        assert found["scenario"].to_dict() == {"alexnet": "fog2", "resnet50": "fog2"}
        assert found.loc["alexnet", "below_mean"] == pytest.approx(0.2)

    def test_of_equal_ones_the_first_by_name(self):
        assert worst_scenario({"m": {"z": 0.5, "a": 0.5, "b": 0.9}})["scenario"].tolist() == ["a"]

    def test_category(self):
        cells = [("m", s, c, 0.9 - 0.1 * i - 0.2 * j) for i, s in enumerate("xy") for j, c in enumerate(("fox", "car"))]
        table = pd.DataFrame(cells, columns=["model", "scenario", "category", "accuracy"])
        row = worst_category(table).iloc[0]
        assert (row.category, row.accuracy, row.below_mean) == ("car", pytest.approx(0.65), pytest.approx(0.1))
        with pytest.raises(ConfigError, match="'m, y' on category 'car' is missing"):
            worst_category(table.iloc[:-1])


@pytest.mark.parametrize(("same", "rand", "gap"), [(86.2, 78.9, 7.3), (83.6, 73.4, 10.2), (89.3, 83.5, 5.8)])
def test_bg_gap_of_published_accuracies(same, rand, gap):
    """ResNet-50, VGG16-BN and ResNet-152 in the README of ImageNet-9."""
    accuracies = {"network": {"mixed_same": same / 100, "mixed_rand": rand / 100}}
    assert bg_gap(accuracies)["network"] == pytest.approx(gap / 100, abs=1e-9)
