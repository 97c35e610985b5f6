"""Removal of the object from a photograph: plug-ins that fill its area with background."""
