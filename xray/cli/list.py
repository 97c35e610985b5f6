"""What there is to choose from, for `xray list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from xray.core.errors import unknown
from xray.core.plugins import available

Choices = Iterator[tuple[str, str]]


def choices(what: str) -> Choices:
    """Names and one line for each, of one kind of thing.

    Raises:
        XrayError: there is no such kind.
    """
    kinds: dict[str, Callable[[], Choices]] = {
        "backgrounds": _backgrounds,
        "categories": _categories,
        "masks": _masks,
        "models": _models,
        "painters": _painters,
        "scenarios": _scenarios,
        "sources": _sources,
    }
    if what not in kinds:
        raise unknown("kind of choices", what, kinds)
    return kinds[what]()


def _scenarios() -> Choices:
    from xray.scenarios import Scenario

    for name, scenario in available(Scenario).items():
        presets = f" (presets: {', '.join(scenario.presets)})" if scenario.presets else ""
        yield name, scenario.summary + presets


def _sources() -> Choices:
    from xray.sources.base import Source

    for name, source in available(Source).items():
        yield name, source.summary


def _backgrounds() -> Choices:
    from xray.backgrounds.base import Bank

    for name, bank in available(Bank).items():
        yield name, bank.summary


def _painters() -> Choices:
    from xray.backgrounds.inpainting.base import Painter

    for name, painter in available(Painter).items():
        presets = f" (presets: {', '.join(painter.presets)})" if painter.presets else ""
        yield name, painter.summary + presets


def _masks() -> Choices:
    from xray.masks import Annotations, Refiner

    for name, format in available(Annotations).items():
        yield f"annotations: {name}", format.summary
    for name, refiner in available(Refiner).items():
        yield f"refine: {name}", refiner.summary


def _models() -> Choices:
    from xray.models import Classifier

    for name, family in available(Classifier).items():
        yield f"{name}:…", family.summary


def _categories() -> Choices:
    from xray.sources.categories import BUILT_IN

    for name, load in BUILT_IN.items():
        yield name, f"{len(load()):,} categories"
