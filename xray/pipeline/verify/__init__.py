"""Checking every byte, row and image of a run against what was committed."""
