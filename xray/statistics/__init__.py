"""Statistics of predictions: pure functions on DataFrames with the columns of `xray.schema.PREDICTIONS`."""

from xray.statistics.accuracy import accuracy_table
from xray.statistics.robustness import cross_term, cross_terms, drops

__all__ = ["accuracy_table", "cross_term", "cross_terms", "drops"]
