"""The command `xray list`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer
from rich.table import Table

from xray.cli.output import out
from xray.core.errors import unknown
from xray.core.plugins import available

Choices = Iterator[tuple[str, str]]


def list_plugins(
    kind: Annotated[str, typer.Argument(help="scenarios, sources, masks, backgrounds, painters, models or categories")],
) -> None:
    """List the choices of one kind, such as all scenarios."""
    table = Table(box=None, show_header=False)
    for name, summary in choices(kind):
        table.add_row(name, summary)
    out.print(table)


def choices(kind: str) -> Choices:
    """Yield names and summaries of one kind of plug-ins.

    Raises:
        ConfigError: unknown kind.
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
    if kind not in kinds:
        raise unknown("kind of choices", kind, kinds)
    return kinds[kind]()


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
    from xray.backgrounds.inpainting.base import Inpainter

    for name, painter in available(Inpainter).items():
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
