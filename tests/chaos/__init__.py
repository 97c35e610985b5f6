"""Tests that kill processes, flip bits and run long: short ones in pytest, and programs to run for hours."""
