"""Automatic checks of inpainted images: settings, measures and verdicts."""
