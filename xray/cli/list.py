"""The command `xray list`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from xray.cli.output import out
from xray.core.errors import unknown
from xray.core.plugins import available


def list_plugins(
    kind: Annotated[str, typer.Argument(help="scenarios, sources, masks, backgrounds, painters, models or categories")],
) -> None:
    """List the choices of one kind, such as all scenarios."""
    table = Table(box=None, show_header=False)
    for name, summary in choices(kind):
        table.add_row(name, summary)
    out.print(table)


def choices(kind: str) -> Iterator[tuple[str, str]]:
    """Yield names and summaries of one kind of plug-ins.

    Raises:
        ConfigError: unknown kind.
    """
    from xray.backgrounds.base import Bank
    from xray.backgrounds.inpainting.base import Inpainter
    from xray.masks import Annotations, Refiner
    from xray.models import Classifier
    from xray.scenarios import Scenario
    from xray.sources.base import Source
    from xray.sources.categories import BUILT_IN

    kinds: dict[str, dict[str, Any]] = {
        "backgrounds": {"{}": Bank},
        "categories": {},
        "masks": {"annotations: {}": Annotations, "refine: {}": Refiner},
        "models": {"{}:…": Classifier},
        "painters": {"{}": Inpainter},
        "scenarios": {"{}": Scenario},
        "sources": {"{}": Source},
    }
    if kind not in kinds:
        raise unknown("kind of choices", kind, kinds)
    if kind == "categories":
        yield from ((name, f"{len(load()):,} categories") for name, load in BUILT_IN.items())
    for label, base in kinds[kind].items():
        for name, plugin in available(base).items():
            presets = getattr(plugin, "presets", ())
            yield label.format(name), plugin.summary + (f" (presets: {', '.join(presets)})" if presets else "")
