"""Guides: they push an image while it is inpainted, to be more complex or to mislead a classifier."""
