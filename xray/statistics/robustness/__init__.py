"""Accuracy, dropped accuracy and S_robust with their intervals and paired tests."""
