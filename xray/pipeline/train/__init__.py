"""Training models on scenarios, fold by fold."""
