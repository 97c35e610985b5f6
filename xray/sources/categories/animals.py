"""The nine groups of the `animals` sample. A prediction is correct if it is any class of the group."""

from __future__ import annotations

from xray.sources.categories.base import Category

ANIMALS = (
    Category(name="bird", indices=(*range(7, 25), *range(80, 101), *range(127, 147))),
    Category(name="ungulate", indices=tuple(range(339, 356))),
    Category(name="carnivore", indices=(*range(151, 300), *range(356, 363), 387, 388)),
    Category(name="primate", indices=tuple(range(365, 385))),
    Category(name="reptile", indices=tuple(range(33, 69))),
    Category(name="arthropod", indices=(*range(69, 80), *range(118, 127), *range(300, 327))),
    Category(name="small_mammal", indices=tuple(range(330, 339))),
    Category(name="marsupial", indices=(104, 105, 106)),
    Category(name="sea_mammal", indices=tuple(range(147, 151))),
)
"""`carnivore` has dogs, cats, bears, weasels and pandas, `arthropod` insects, spiders and crabs."""
