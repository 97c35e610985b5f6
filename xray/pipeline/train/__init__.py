"""Train models within scenarios, fold by fold."""
