"""Worlds: what surrounds the object of an edited photograph, one plug-in per file."""
