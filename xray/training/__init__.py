"""Training models within scenarios: everything but where the work is done."""
