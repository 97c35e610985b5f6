"""Statistics of predictions and accuracies: pure functions on DataFrames, without Ray and torch."""

from xray.statistics.accuracy import accuracy_table
from xray.statistics.chance import chance_warnings
from xray.statistics.comparison import compare, compare_s_robust
from xray.statistics.definition import SRobust, cross_term, s_robust, s_robust_by_class
from xray.statistics.dropped_accuracy import drops
from xray.statistics.matched import matched_s_robusts
from xray.statistics.measures import (
    bg_gap,
    effective_robustness,
    error_ratio,
    mean_corruption_error,
    worst_category,
    worst_scenario,
)
from xray.statistics.regression import Regression, regression
from xray.statistics.resampling import Bootstrap
from xray.statistics.robustness import cross_terms, s_robusts
from xray.statistics.segmentation import segmentation_table

__all__ = [
    "Bootstrap",
    "Regression",
    "SRobust",
    "accuracy_table",
    "bg_gap",
    "chance_warnings",
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
