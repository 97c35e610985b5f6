"""Inputs, rivals and models that benchmarks share."""
