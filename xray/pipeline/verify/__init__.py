"""Check every byte, row and picture of a run against what was committed."""
