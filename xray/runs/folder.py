"""A run's folder: its plan, its committed results and its recipe. The verbs work on it."""

from __future__ import annotations

import contextlib
import functools
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from pydantic import ValidationError

from xray.core import yaml
from xray.core.environment import environment
from xray.core.errors import ConfigError
from xray.core.plugins import reading_run, trust_plugins
from xray.core.uri import location, to_uri
from xray.runs.plan_files import PlanFiles
from xray.runs.recipe import Recipe, recipe_from, recipe_values
from xray.runs.store import Store


class RunFolder:
    """A run at a URI, local or in an object store: everything needed to understand or continue it.

    Args:
        uri: path or URI of the folder.
        trust: whether `recipe` may import the plug-ins that the run names, which is code; verbs that do its work need
            it, those that only read do not.

    Attributes:
        plan: what is planned.
        store: what is committed.
    """

    def __init__(self, uri: str, *, trust: bool = False) -> None:
        self.uri, self.trust = to_uri(uri), trust
        if trust:
            trust_plugins()
        self.plan = PlanFiles(self.uri)
        self.store = Store(self.uri, self.plan)

    @classmethod
    def open(cls, uri: str, *, trust: bool = False) -> Self:
        """Open an existing run.

        Raises:
            XrayError: there is no run at `uri`.
        """
        run = cls(uri, trust=trust)
        if not run.plan.exists:
            raise ConfigError(f"no run at {uri!r}: it has no run.json; `xray plan RECIPE {uri}` creates one")
        return run

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @property
    def location(self) -> str:
        """Its path, or its URI in an object store: for messages, and to be pasted."""
        return location(self.uri)

    @functools.cached_property
    def recipe(self) -> Recipe:
        """The recipe.

        Raises:
            XrayError: it names a plug-in that is not installed here, or that only a trusted run may import; or the
                file was edited by hand.
        """
        try:
            with reading_run():
                return recipe_from(self.recipe_values)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise ConfigError(
                f"the recipe of {self.location} cannot be used on {platform.node()}: {problems}"
            ) from error

    @property
    def recipe_values(self) -> dict[str, Any]:
        """The recipe as plain values, every default spelled out."""
        return _with_earlier_defaults(self.plan.record()["recipe"])

    def commit_plan(
        self,
        recipe: Recipe,
        parts: Sequence[str],
        notes: Sequence[str],
        weights: Mapping[str, str],
        first: int | None = None,
        revoked: Iterable[str] = (),
    ) -> None:
        """Commit a plan: its parts, the recipe with every default spelled out, and the versions that planned it.

        See `PlanFiles.commit`.
        """
        values = recipe_values(recipe)
        planned = {"planned": datetime.now(UTC).isoformat(timespec="seconds")}
        self.plan.write_file("recipe.yaml", yaml.dump(values).encode())
        self.plan.commit(parts, values, planned | environment(), notes, weights, first, revoked)
        self.__dict__.pop("recipe", None)

    @contextlib.contextmanager
    def locked(self, *works: str) -> Iterator[None]:
        """Hold the locks of some kinds of work on the run (see `xray.runs.lock`), and write plans only under them."""
        with contextlib.ExitStack() as stack:
            leases = [stack.enter_context(self.store.locked(work)) for work in works]
            stack.enter_context(self.plan.guarded(leases))
            yield


def _with_earlier_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Write the settings that the recipe of an earlier version lacks as what they were then, where that has changed."""
    for entry in values["scenarios"].values():
        if entry["kind"] == "random_background" and "donor" not in entry:
            entry |= {"donor": "whole", "category": None}
    return values
