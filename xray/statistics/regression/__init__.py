"""Linear and binomial regressions of accuracies, their tables and diagnostics."""
