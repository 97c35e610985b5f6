"""xray X-rays vision models: what a model looks at when it should look at the object.

>>> import xray
>>> run = xray.open("runs/demo")  # doctest: +SKIP
>>> run.images("blur_background").show(12)  # doctest: +SKIP
>>> run.drops()  # doctest: +SKIP

The verbs are functions of the modules of their names, in the order of the flow: `xray.plan.write_plan`,
`xray.generate.generate`, `xray.evaluate.evaluate`, `xray.sweep.sweep`, `xray.score.score`, `xray.report.write_report`.
Everything is imported when it is first used, so that looking at a finished run needs neither torch nor Ray.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xray.run import Run

_HOME = {
    "XrayError": "xray.errors",
    "load_recipe": "xray.recipe",
    "parse_recipe": "xray.recipe",
    "Run": "xray.run",
    "survey": "xray.plan",
    "write_plan": "xray.plan",
    "write_report": "xray.report",
    "Photo": "xray.scenarios",
    "build_scenario": "xray.scenarios",
    "parse_model": "xray.models",
}
__all__ = ["open", *_HOME]


def open(uri: str) -> Run:
    """The run at a URI, local or in an object store.

    Raises:
        XrayError: there is none.
    """
    from xray.run import Run

    return Run.open(uri)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xray' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
