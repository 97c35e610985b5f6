"""A run: its folder, its recipe, and its tables as data frames. What a notebook opens."""

from __future__ import annotations

import functools
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from xray.core import yaml
from xray.core.environment import environment
from xray.core.errors import XrayError, unknown
from xray.runs.receipts import GENERATE, evaluation, training
from xray.runs.recipe import Recipe, recipe_from, recipe_values
from xray.runs.store import Store

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from xray.backgrounds.inpainting.base import Painter


class Run(Store):
    """A run at a URI, local or in an object store: everything needed to understand or continue it."""

    @classmethod
    def open(cls, uri: str) -> Self:
        """An existing run.

        Raises:
            XrayError: there is none at `uri`.
        """
        run = cls(uri)
        if not run.planned:
            raise XrayError(f"no run at {uri!r}: it has no run.json; `xray plan RECIPE {uri}` makes one")
        return run

    @functools.cached_property
    def recipe_object(self) -> Recipe:
        """The recipe.

        Raises:
            XrayError: it names a plug-in that is not to be had here, or the file was changed by hand.
        """
        try:
            return recipe_from(self.recipe)
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise XrayError(f"the recipe of {self.uri} cannot be used on {platform.node()}: {told}") from error

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe as plain values, every default spelled out."""
        recipe: dict[str, Any] = self.record()["recipe"]
        return recipe

    @property
    def environment(self) -> dict[str, Any]:
        """Versions of what the run was planned with, and when."""
        environment: dict[str, Any] = self.record()["environment"]
        return environment

    def write_recipe(
        self, recipe: Recipe, parts: Sequence[str], remarks: Sequence[str], weights: Mapping[str, str]
    ) -> None:
        """Commit a plan: its parts, the recipe with every default spelled out, and what it was made with."""
        values = recipe_values(recipe)
        planned = {"planned": datetime.now(UTC).isoformat(timespec="seconds")}
        self.write_file("recipe.yaml", yaml.dump(values).encode())
        self.commit_plan(parts, values, planned | environment(), remarks, weights)
        self.__dict__.pop("recipe_object", None)

    def notes(self) -> list[str]:
        """What the reader of any number must know: what stands in for what, and what the plan noticed."""
        recipe = self.recipe_object
        donors = any(entry.scenario.needs_donor for entry in recipe.scenarios.values())
        stand_ins = [recipe.source.stand_in, recipe.backgrounds.stand_in if donors else ""]
        painted = [
            f"the worlds of {name} are painted from prompts by {_painter(entry.scenario.painter)}, not photographed"
            for name, entry in recipe.scenarios.items()
            if entry.scenario.paints
        ]
        return [note for note in [*stand_ins, *painted, *self._training_notes(), *self.record()["remarks"]] if note]

    def _training_notes(self) -> list[str]:
        trained = self.recipe_object.training
        if trained is None or not self.trained():
            return []
        notes = []
        if trained.validation == "test":
            notes.append(
                "the best epoch of each training was chosen on the photographs that it was then tested on, as in the "
                "published code: accuracies of trained models, and their S_robust, are optimistic"
            )
        if trained.pretrained:
            notes.append("trained models began with pretrained weights, which may have seen the tested photographs")
        return notes

    def made_with(self) -> list[dict[str, Any]]:
        """The distinct environments that images and predictions were made with."""
        stages: list[tuple[str, ...]] = [GENERATE, *(evaluation(model) for model in self.evaluated())]
        stages += [training(model, scenario) for model, scenario in self.trained()]
        facts = (receipt.facts.get("environment") for stage in stages for receipt in self.receipts(stage))
        return [json.loads(text) for text in dict.fromkeys(json.dumps(fact) for fact in facts if fact)]

    def models(self) -> dict[str, dict[str, Any]]:
        """What is known of each model that has predictions: its spec, the hash of its weights, its preprocessing.

        A model that was trained here is there once for each scenario that it was trained within, as `series_name` calls
        it: `weights` are then the hashes of all its `folds`, with a space between them.
        """
        from xray.runs.roles import series_name

        known = {model: dict(self.receipts(evaluation(model))[0].facts) for model in self.evaluated()}
        for model, scenario in self.trained():
            facts = [receipt.facts for receipt in self.receipts(training(model, scenario))]
            weights = " ".join(str(fact["weights"]) for fact in facts)
            known[series_name(model, scenario)] = {**facts[0], "weights": weights, "folds": len(facts)}
        return known

    # tables as data frames

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.table(name).to_pandas()
        return frame

    def source(self) -> pd.DataFrame:
        """The photographs (SOURCE)."""
        return self._frame("source")

    def predictions(self) -> pd.DataFrame:
        """One row an image and model (PREDICTIONS): the truth that every score is computed from."""
        return self._frame("predictions")

    def trials(self) -> pd.DataFrame:
        """What became of each training that the recipe plans, and of those that an earlier recipe planned.

        Returns:
            One row a (model, trained_on, fold): `status` (done | begun | failed | planned; begun: there is a checkpoint
            to go on from), `reason` (why it failed), `epochs` (that were trained), `best_epoch` (from 0, that its
            weights are of), `validation_loss` (of that epoch), `seconds` (of all epochs and the test), photographs in
            `train`, `validation` and `test`, `spec`, `weights` (sha256), `origin` (of the first weights),
            `preprocessing`, `workers` and `device`. Empty where the recipe trains nothing.
        """
        from xray.runs.trials_table import run_trials

        return run_trials(self)

    def folds(self) -> pd.DataFrame:
        """The fold in which each usable photograph is tested (FOLDS); of a recipe with `training`."""
        return self._frame("folds")

    def history(self) -> pd.DataFrame:
        """Losses and scores by epoch of every model that was trained (HISTORY)."""
        return self._frame("history")

    def factors(self) -> pd.DataFrame:
        """What a regression may explain predictions by: merge it with `predictions()` on the columns that both have.

        Returns:
            One row a planned sample: `sample_id`, `scenario`, `variant`; `prompt` and `place`, and of the painter
            `painter_model`, `steps` and `guidance`, null where nothing is painted or the painter has no such setting.
        """
        import pandas as pd

        names = {"painter_model": "model", "steps": "steps", "guidance": "guidance"}
        columns = ["sample_id", "scenario", "variant", "prompt", "place", "settings"]
        plan: pd.DataFrame = self.table("plan", columns).to_pandas()
        codes, distinct = pd.factorize(plan.pop("settings"))
        painters = [json.loads(settings).get("painter") or {} for settings in distinct]
        told = [{column: painter.get(name) for column, name in names.items()} for painter in painters]
        factors = pd.DataFrame(told, columns=list(names)).astype({"steps": "float64", "guidance": "float64"})
        return plan.join(factors.take(codes).set_axis(plan.index))

    def scores(self) -> pd.DataFrame:
        """Accuracy by model, scenario and category (SCORES); `xray score` writes it."""
        return self._frame("scores")

    def drops(self) -> pd.DataFrame:
        """Dropped accuracy by model and scenario, with intervals; `xray score` writes it."""
        return self._frame("drops")

    def segmentation(self) -> pd.DataFrame:
        """IoU, Dice and pixel accuracy of segmenters, with intervals; `xray score` writes it where there are any."""
        return self._frame("segmentation")

    def robustness(self) -> pd.DataFrame:
        """S_robust with its parts where a model has both halves, and the cross term, by model; `xray score` writes it.

        The columns: `xray.pipeline.score.robustness`. `missing` says what a model without S_robust lacks.
        """
        return self._frame("robustness")

    def images(self, scenario: str, image_ids: Sequence[str] | None = None) -> Images:
        """The images of one scenario; reads only their bytes.

        Raises:
            XrayError: the run has no such scenario.
        """
        if scenario not in self.recipe_object.scenarios:
            raise unknown("scenario", scenario, self.recipe_object.scenarios)
        where = pc.field("scenario") == scenario
        if image_ids is None:
            return Images(functools.partial(self.table, "images", where=where))
        mine = pc.field("image_id").isin(list(image_ids))
        shards = set(self.table("plan", ["shard"], where & mine).column("shard").to_pylist())
        return Images(functools.partial(self.table, "images", where=where & mine, shards=shards))


@dataclass(frozen=True)
class Images:
    """Some images of a run; nothing is read before it is asked for.

    Args:
        read: reads IMAGES, as `Store.table` does.
    """

    read: Callable[..., pa.Table]

    @property
    def table(self) -> pa.Table:
        """IMAGES, with the encoded bytes."""
        return self.read()

    def __len__(self) -> int:
        return len(self.read(columns=["sample_id"]))

    def show(self, n: int = 12, columns: int = 4) -> Figure:
        """The first `n` of them as a figure."""
        from matplotlib.figure import Figure

        from xray.core.images import ANY, decode

        rows = [row for row in self.read(limit=n).to_pylist() if row["status"] == "ok"]
        figure = Figure(figsize=(3 * columns, 2.6 * max(1, -(-len(rows) // columns))), layout="constrained")
        for index, row in enumerate(rows):
            axes = figure.add_subplot(-(-len(rows) // columns), columns, index + 1)
            axes.imshow(decode(row["image"]["bytes"], ANY).image)
            axes.set_title(f"{row['category']} · {row['scenario']}", fontsize=8, parse_math=False)
            axes.set_axis_off()
        return figure


def _painter(painter: Painter) -> str:
    weights = ", ".join(painter.weights().values())
    return f"{painter.name} ({weights})" if weights else painter.name
