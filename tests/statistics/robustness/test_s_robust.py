import math

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from xray.core.errors import ConfigError
from xray.statistics import cross_term, s_robust, s_robust_by_class

SCENARIOS = (
    "blur_background",
    "blur_object",
    "image_g",
    "image_b",
    "image_grey",
    "image_r",
    "random_background",
    "segmented",
)


def percent(*printed):
    return {scenario: value / 100 for scenario, value in zip(SCENARIOS, printed, strict=True)}


# Table 1 of XIMAGENET-12 (arXiv 2310.08182): EX1, trained on original, and EX2, trained within each scenario
CROSS = {
    "ResNet50": percent(90.97, 88.17, 84.42, 86.98, 92.13, 89.03, 22.41, 68.55),
    "VGG-16": percent(89.92, 89.91, 78.64, 70.46, 81.48, 80.68, 24.58, 49.62),
    "DenseNet121": percent(93.77, 88.92, 87.39, 87.33, 93.23, 88.21, 26.41, 69.67),
    "ViT": percent(88.44, 90.77, 65.87, 62.82, 70.69, 66.53, 17.21, 49.01),
    "Swin": percent(80.97, 81.57, 64.59, 65.91, 69.28, 64.41, 19.43, 44.57),
}
INNER = {
    "ResNet50": percent(83.52, 80.24, 83.61, 84.45, 84.71, 80.40, 53.91, 85.76),
    "VGG-16": percent(74.85, 71.54, 74.18, 76.26, 77.58, 69.91, 70.25, 73.27),
    "DenseNet121": percent(90.79, 86.57, 88.92, 89.96, 90.44, 87.37, 69.58, 91.60),
    "ViT": percent(70.15, 70.21, 74.77, 75.96, 75.80, 71.14, 38.01, 78.69),
    "Swin": percent(72.81, 75.02, 81.05, 81.96, 81.63, 76.42, 13.23, 80.64),
}
RESNET50 = CROSS["ResNet50"]


def published(model, **reading):
    return s_robust(CROSS[model], INNER[model], mu=0.95, **reading).value


class TestSRobust:
    def test_published_table_about_mu(self):
        found = {model: round(published(model), 4) for model in CROSS}
        assert found == {"ResNet50": 0.8883, "VGG-16": 0.8489, "DenseNet121": 0.9195, "ViT": 0.7754, "Swin": 0.7416}

    def test_the_reading_changes_the_winner(self):
        own = {model: published(model, about="own_mean") for model in CROSS}
        assert max(own, key=own.get) == "VGG-16"
        assert own["VGG-16"] == pytest.approx(0.954467, abs=5e-7)
        roots = {model: published(model, about="own_mean", power="std") for model in CROSS}
        assert roots["VGG-16"] == pytest.approx(0.762245, abs=1.1e-6)
        assert published("Swin", power="std") == pytest.approx(0.283454, abs=1.1e-6)

    def test_parts_are_told(self):
        found = s_robust(RESNET50, INNER["ResNet50"], 0.95)
        assert found.sigma2_cross == pytest.approx(0.078149, abs=5e-7)
        assert found.sigma2_inner == pytest.approx(0.033544, abs=5e-7)
        assert (found.mu, found.n, found.reading, found.about, found.power) == (0.95, 8, "poster", "mu", "variance")
        assert found.value == 1 - (found.sigma2_cross + found.sigma2_inner)

    def test_what_it_hides(self):
        chance = dict.fromkeys(SCENARIOS, 1 / 12)
        assert s_robust(chance, chance, mu=1 / 12).value == 1.0
        assert s_robust({"a": 0.0}, {"a": 0.0}, mu=1.0).value == -1.0
        better, worse = ({"a": 0.7 + step} for step in (0.2, -0.2))
        assert s_robust(better, better, 0.7).value == pytest.approx(s_robust(worse, worse, 0.7).value)

    def test_missing_cells_are_named(self):
        without = {s: v for s, v in RESNET50.items() if s != "image_grey"}
        with pytest.raises(ConfigError, match=r"model 'vgg'.*C\(image_grey\)"):
            s_robust(without, RESNET50, 0.95, model="vgg")
        with pytest.raises(ConfigError, match=r"C'\(image_grey\)"):
            s_robust(RESNET50, without, 0.95)
        with pytest.raises(ConfigError, match=r"C'\(segmented\)"):
            s_robust(RESNET50, RESNET50 | {"segmented": math.nan}, 0.95)
        with pytest.raises(ConfigError, match=r"C\(blur_background\).*7 more"):
            s_robust({}, RESNET50, 0.95)
        with pytest.raises(ConfigError, match="at least one scenario"):
            s_robust({}, {}, 0.95)
        with pytest.raises(ConfigError, match=r"model 'vgg'.* needs mu"):
            s_robust(RESNET50, RESNET50, None, model="vgg")

    def test_percent_is_refused(self):
        with pytest.raises(ConfigError, match=r"C\(image_r\).*89\.03"):
            s_robust(RESNET50 | {"image_r": 89.03}, RESNET50, 0.95)

    def test_unknown_readings_are_refused(self):
        with pytest.raises(ConfigError, match="did you mean 'own_mean'"):
            s_robust(RESNET50, RESNET50, 0.95, about="ownmean")

    @given(
        pairs=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8),
        mu=st.floats(0, 1),
    )
    @hypothesis_settings(deadline=None, max_examples=20)
    def test_is_the_sum_of_two_cross_terms_and_inside_its_range(self, pairs, mu):
        cross, inner = ({f"s{k}": pair[side] for k, pair in enumerate(pairs)} for side in (0, 1))
        found = s_robust(cross, inner, mu)
        assert found.value == pytest.approx(1 - cross_term(cross, mu) - cross_term(inner, mu), abs=1e-12)
        assert -1 <= found.value <= 1
        assert s_robust(cross, inner, mu, about="own_mean").value >= found.value - 1e-12


BY_CLASS = {("grey", "fox"): 0.9, ("grey", "car"): 0.7, ("blur", "fox"): 0.5, ("blur", "car"): 0.1}


class TestSRobustByClass:
    def test_by_hand(self):
        # scenarios 0.8 and 0.3, classes 0.7 and 0.4
        found = s_robust_by_class(BY_CLASS)
        assert found.value == pytest.approx(1 - (0.25 + 0.15))
        assert (found.sigma2_cross, found.sigma2_inner) == (pytest.approx(0.0625), pytest.approx(0.0225))
        assert (found.reading, found.about, found.power, found.mu, found.n) == (
            "class_scenario",
            "own_mean",
            "std",
            None,
            2,
        )

    def test_about_mu(self):
        found = s_robust_by_class(BY_CLASS, mu=0.9, about="mu", power="variance")
        assert found.sigma2_cross == pytest.approx((0.1**2 + 0.6**2) / 2)
        assert found.value == pytest.approx(1 - (0.1**2 + 0.6**2) / 2 - (0.2**2 + 0.5**2) / 2)

    def test_missing_things_are_named(self):
        with pytest.raises(ConfigError, match=r"'blur', class 'car'"):
            s_robust_by_class({cell: v for cell, v in BY_CLASS.items() if cell != ("blur", "car")})
        with pytest.raises(ConfigError, match=r"model 'm'.*needs mu"):
            s_robust_by_class(BY_CLASS, about="mu", model="m")
        with pytest.raises(ConfigError, match="at least one scenario"):
            s_robust_by_class({})


class TestCrossTerm:
    @pytest.mark.parametrize("mu", [None, math.nan])
    def test_missing_mu_is_named(self, mu):
        with pytest.raises(ConfigError, match="mu"):
            cross_term(RESNET50, mu=mu)

    def test_missing_accuracy_is_named(self):
        with pytest.raises(ConfigError, match="image_grey"):
            cross_term(RESNET50 | {"image_grey": math.nan}, mu=0.95)
        with pytest.raises(ConfigError, match="at least one scenario"):
            cross_term({}, mu=0.95)

    @given(
        accuracies=st.dictionaries(st.text(min_size=1), st.floats(0, 1), min_size=1, max_size=8),
        mu=st.floats(0, 1),
    )
    @hypothesis_settings(deadline=None, max_examples=20)
    def test_properties(self, accuracies, mu):
        about_mu = cross_term(accuracies, mu)
        own = cross_term(accuracies, mu, about="own_mean")
        mean = sum(accuracies.values()) / len(accuracies)
        assert 0 <= own <= about_mu + 1e-12
        assert about_mu == pytest.approx(own + (mean - mu) ** 2, abs=1e-9)
        mirrored = {scenario: 2 * mu - accuracy for scenario, accuracy in accuracies.items()}
        assert cross_term(mirrored, mu) == pytest.approx(about_mu, abs=1e-9)
