"""Statistics of predictions and accuracies: pure functions on DataFrames, without Ray and torch."""

from xray.statistics.regression.result import Regression, regression
from xray.statistics.robustness.accuracy import accuracy_table
from xray.statistics.robustness.bootstrap import Bootstrap
from xray.statistics.robustness.by_model import s_robusts
from xray.statistics.robustness.chance import at_chance, baselines
from xray.statistics.robustness.completeness import matched_s_robusts
from xray.statistics.robustness.drops import cross_terms, drops
from xray.statistics.robustness.other_benchmarks import (
    bg_gap,
    effective_robustness,
    error_ratio,
    mean_corruption_error,
    worst_category,
    worst_scenario,
)
from xray.statistics.robustness.paired_tests import compare, compare_s_robust
from xray.statistics.robustness.s_robust import SRobust, cross_term, s_robust, s_robust_by_class
from xray.statistics.robustness.segmentation import segmentation_table

__all__ = [
    "Bootstrap",
    "Regression",
    "SRobust",
    "accuracy_table",
    "at_chance",
    "baselines",
    "bg_gap",
    "compare",
    "compare_s_robust",
    "cross_term",
    "cross_terms",
    "drops",
    "effective_robustness",
    "error_ratio",
    "matched_s_robusts",
    "mean_corruption_error",
    "regression",
    "s_robust",
    "s_robust_by_class",
    "s_robusts",
    "segmentation_table",
    "worst_category",
    "worst_scenario",
]
