"""Two photographs and their categories, for tests of labels."""

from __future__ import annotations

from pathlib import Path

from xray.core.plugins import build
from xray.sources.base import Source
from xray.sources.categories import load_categories

CATEGORIES = load_categories(
    {"red fox": {"indices": [277], "wnids": ["n02119022"]}, "cello": {"indices": [486], "wnids": ["n02992211"]}}
)
EXPECTED = {"1.jpg": "red fox", "2.jpg": "cello"}


def source(photos: Path, labels: object) -> Source:
    return build("source", Source, {"kind": "imagefolder", "root": str(photos), "labels": labels})


def labelled(photos: Path, labels: object) -> dict[str, str]:
    return {one.key: one.category for one in source(photos, labels).candidates(CATEGORIES)}
