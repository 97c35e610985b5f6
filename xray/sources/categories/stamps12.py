"""The twelve groups of cut-outs in the `stamps` source; each accepts many ImageNet classes."""

from __future__ import annotations

from xray.sources.categories.base import Category

# fmt: off
_VEHICLES = (
    407, 408, 436, 444, 468, 511, 555, 569, 573, 575, 586, 609, 627, 654, 656, 661, 665, 670,
    671, 675, 705, 717, 734, 751, 757, 779, 803, 817, 829, 847, 864, 866, 867, 870, 874, 880,
)
_INSTRUMENTS = (
    401, 402, 420, 432, 486, 494, 513, 541, 546, 558, 566, 577, 579,
    593, 594, 641, 642, 683, 687, 699, 776, 822, 875, 881, 889,
)
# fmt: on

STAMPS12 = (
    Category(name="fruit", indices=(*range(948, 958), 988, 989)),
    Category(name="bovid", indices=tuple(range(345, 354))),
    Category(name="vehicle", indices=_VEHICLES),
    Category(name="landbird", indices=(*range(10, 25), *range(87, 97))),
    Category(name="waterbird", indices=(*range(97, 101), *range(127, 147))),
    Category(name="bigungulate", indices=(*range(339, 345), 354, 355, 385, 386)),
    Category(name="carnivore", indices=(*range(151, 300), *range(356, 363))),
    Category(name="smallmammal", indices=(*range(104, 107), *range(330, 339))),
    Category(name="instrument", indices=_INSTRUMENTS),
    Category(name="fowl", indices=(*range(7, 10), *range(80, 87), 138)),
    Category(name="vegetable", indices=(*range(936, 948), 987, 998)),
    Category(name="tool", indices=(477, 491, 512, 587, 596, 623, 677, 731, 740, 769, 783, 784, 792, 845)),
)
"""A prediction is correct if it is any class of the group."""
