"""Masks from words: a detector finds boxes for a phrase, and a refiner makes a mask of them."""
