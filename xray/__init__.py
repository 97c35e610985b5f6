"""xray X-rays vision models: what a model looks at when it should look at the object.

>>> import xray
>>> run = xray.open("runs/demo")  # doctest: +SKIP
>>> run.images("blur_background").show(12)  # doctest: +SKIP
>>> run.drops()  # doctest: +SKIP

The verbs are functions in `xray.pipeline`, one module or folder each, in the order of the flow: plan, generate,
evaluate, train, score; `xray.report` writes the report.
Everything is imported when it is first used, so that looking at a finished run needs neither torch nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xray.api import Run

_HOME = {
    "XrayError": "xray.core.errors",
    "load_recipe": "xray.runs.recipe",
    "parse_recipe": "xray.runs.recipe",
    "Run": "xray.api",
    "survey": "xray.api",
    "write_plan": "xray.api",
    "write_report": "xray.api",
    "figures": "xray.report",
    "Photo": "xray.scenarios",
    "build_scenario": "xray.scenarios",
    "parse_model": "xray.models",
}
__all__ = ["open", *_HOME]


def open(uri: str, *, trust: bool = False) -> Run:
    """The run at a URI, local or in an object store; `trust`: import the plug-ins that it names (see `Run`).

    Raises:
        XrayError: there is none.
    """
    from xray.api import open_run

    return open_run(uri, trust=trust)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xray' has no attribute {name!r}")
    home = importlib.import_module(_HOME[name])
    return importlib.import_module(f"{_HOME[name]}.{name}") if name == "figures" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted(__all__)
