"""Evaluate models on the images of a run."""
