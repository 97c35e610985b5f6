"""A run on disk: its recipe, folder, plan files, receipts, locks and trials; neither Ray nor torch at import."""
