"""The twelve categories of XIMAGENET-12, in the order of their WordNet ids."""

from __future__ import annotations

from xray.sources.categories.base import Category

XIMAGENET12 = tuple(
    Category(name=name, indices=(index,), wnids=(wnid,))
    for name, wnid, index in (
        ("alligator lizard", "n01689811", 44),
        ("green lizard", "n01693334", 46),
        ("crayfish", "n01985128", 124),
        ("grey whale", "n02066245", 147),
        ("Maltese dog", "n02085936", 153),
        ("red fox", "n02119022", 277),
        ("anemone fish", "n02607072", 393),
        ("airship", "n02692877", 405),
        ("car wheel", "n02974003", 479),
        ("cash machine", "n02977058", 480),
        ("cello", "n02992211", 486),
        ("ice cream", "n07614500", 928),
    )
)
"""Li et al., XIMAGENET-12, arXiv 2310.08182: one ImageNet-1k class per category."""
