"""Annotation formats, one file each: they match annotations with photographs and read them."""
