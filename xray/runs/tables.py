"""A run's tables as data frames: what notebooks and the report read. Nothing here writes."""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xray.core.errors import ConfigError, unknown
from xray.runs.folder import RunFolder
from xray.runs.groups import GROUPED_BY, join_groups, shared_groups
from xray.runs.receipts import GENERATE, evaluation, training
from xray.runs.removed_photos import RemovedPhotos
from xray.runs.roles import painter_settings, series_name
from xray.runs.trials_table import trials_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from xray.backgrounds.inpainting.base import Inpainter


class RunTables:
    """A read-only view of a run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._store = folder.store
        self._known_shards: tuple[object, dict[str, set[str]]] = (None, {})

    @property
    def uri(self) -> str:
        """Where the run is."""
        return self._folder.uri

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe as plain values, every default spelled out."""
        return self._folder.recipe_values

    @property
    def environment(self) -> dict[str, Any]:
        """Versions and time of the planning."""
        environment: dict[str, Any] = self._folder.plan.record()["environment"]
        return environment

    def notes(self) -> list[str]:
        """Caveats for the reader of any number: substitutes for real data, and what the plan noticed."""
        recipe = self._folder.recipe
        rules = [entry.scenario.donor_rule for entry in recipe.scenarios.values()]
        visible = any(rule and not (rule.removed and recipe.backgrounds.shows_objects) for rule in rules)
        caveats = [recipe.source.caveat, recipe.backgrounds.caveat if visible else ""]
        inpainted = [
            f"the backgrounds of {name} are inpainted from prompts by {_inpainter(entry.scenario.painter)}, "
            "not photographed"
            for name, entry in recipe.scenarios.items()
            if entry.scenario.inpaints
        ]
        planned: list[str] = self._folder.plan.record()["remarks"]
        return [note for note in [*caveats, *inpainted, *self._training_notes(), *planned] if note]

    def _training_notes(self) -> list[str]:
        training = self._folder.recipe.training
        if training is None or not self._store.trained():
            return []
        notes = []
        if training.validation == "test" and training.chooses:
            chosen = "the penalty of each head" if training.tune == "head" else "the best epoch of each training"
            notes.append(
                f"{chosen} was chosen on its test photographs, as in the published code: "
                "accuracies of trained models, and their S_robust, are optimistic"
            )
        if training.pretrained:
            notes.append("trained models started from pretrained weights, which may have seen the test photographs")
        return notes

    def made_with(self) -> list[dict[str, Any]]:
        """The distinct environments that images and predictions were made with."""
        stages: list[tuple[str, ...]] = [GENERATE, *(evaluation(model) for model in self._store.evaluated())]
        stages += [training(model, scenario) for model, scenario in self._store.trained()]
        facts = (receipt.facts.get("environment") for stage in stages for receipt in self._store.receipts(stage))
        return [json.loads(text) for text in dict.fromkeys(json.dumps(fact) for fact in facts if fact)]

    def models(self) -> dict[str, dict[str, Any]]:
        """Facts about each model that has predictions: its spec, the hash of its weights, its preprocessing.

        A model that was trained here has an entry for each scenario that it was trained within, named as `series_name`
        does; its `weights` are the hashes of all its `folds` and repeats, separated by spaces.
        """
        known = {model: dict(self._store.receipts(evaluation(model))[0].facts) for model in self._store.evaluated()}
        for (model, scenario), numbers in self._store.trained().items():
            facts = [receipt.facts for receipt in self._store.receipts(training(model, scenario))]
            weights = " ".join(str(fact["weights"]) for fact in facts)
            folds = len({fold for fold, _ in numbers})
            known[series_name(model, scenario)] = {**facts[0], "weights": weights, "folds": folds}
        return known

    def table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        where: pc.Expression | None = None,
        *,
        limit: int | None = None,
        shards: Collection[str] | None = None,
        dictionaries: Collection[str] = (),
    ) -> pa.Table:
        """Read a table as Arrow; see `xray.runs.store.Store.table`."""
        return self._store.table(name, columns, where, limit=limit, shards=shards, dictionaries=dictionaries)

    def _frame(self, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = self.table(name).to_pandas()
        return frame

    def source(self) -> pd.DataFrame:
        """The photographs (SOURCE)."""
        return self._frame("source")

    def predictions(self) -> pd.DataFrame:
        """One row per image and model (PREDICTIONS): the data that every score is computed from.

        The column `group` names the photographs that belong together, see `xray.runs.groups.photo_groups`.
        """
        return join_groups(self._frame("predictions"), shared_groups(self.table("source", GROUPED_BY)))

    def trials(self) -> pd.DataFrame:
        """The state of each training that the recipe plans, and of those that an earlier recipe planned.

        Returns:
            One row per (model, trained_on, fold, repeat): `status` (done | begun | failed | planned; begun: it
            continues from a checkpoint), `reason` (of a failure), `epochs` (finished ones), `best_epoch` (from 0; the
            epoch of its weights), `validation_loss` (of that epoch), `seconds` (all epochs and the test), numbers of
            photographs in `train`, `validation` and `test`, `spec`, `weights` (sha256), `origin` (of the initial
            weights), `preprocessing`, `workers` and `device`. Empty if the recipe trains nothing.
        """
        return trials_table(self._folder)

    def folds(self) -> pd.DataFrame:
        """The fold in which each usable photograph is tested (FOLDS); only with `training` in the recipe."""
        return self._frame("folds")

    def history(self) -> pd.DataFrame:
        """Losses and scores of every trained model by epoch (HISTORY)."""
        return self._frame("history")

    def factors(self) -> pd.DataFrame:
        """Possible factors of a regression: merge them with `predictions()` on the columns that both have.

        Returns:
            One row per planned sample: `sample_id`, `scenario`, `variant`; `prompt` and `place`, and the inpainter's
            `painter_model`, `steps` and `guidance`, null where nothing is inpainted or it has no such setting.
        """
        import pandas as pd

        names = {"painter_model": "model", "steps": "steps", "guidance": "guidance"}
        columns = ["sample_id", "scenario", "variant", "prompt", "place", "settings"]
        plan: pd.DataFrame = self.table("plan", columns).to_pandas()
        codes, distinct = pd.factorize(plan.pop("settings"))
        painters = [painter_settings(json.loads(settings)) for settings in distinct]
        rows = [{column: painter.get(name) for column, name in names.items()} for painter in painters]
        factors = pd.DataFrame(rows, columns=list(names)).astype({"steps": "float64", "guidance": "float64"})
        return plan.join(factors.take(codes).set_axis(plan.index))

    def scores(self) -> pd.DataFrame:
        """Accuracy by model, scenario and category (SCORES), as `xray score` writes it."""
        return self._frame("scores")

    def drops(self) -> pd.DataFrame:
        """Dropped accuracy by model and scenario, with intervals, as `xray score` writes it.

        Edited scenarios also have the drop beyond their control, and those with donors the share of wrong answers that
        name the donor's category; see `xray.pipeline.edits.qualified`.
        """
        return self._frame("drops")

    def curves(self, measured: bool = False) -> pd.DataFrame:
        """Accuracy over the levels of each factor, such as object size, as `xray score` writes it.

        Args:
            measured: instead over the measured complexity of backgrounds, of curves whose levels differ in complexity.

        Returns:
            One row per (model, trained_on, curve, level); see `xray.statistics.robustness.curves.curves`. If
            `measured`, one per (model, trained_on, curve, bin); see
            `xray.statistics.robustness.complexity_curves.complexity_curves`. Empty if no scenarios of the recipe are
            levels of one factor, or no complexity was measured.

        Raises:
            ConfigError: the run has no scores yet.
        """
        import pandas as pd

        try:
            return self._frame("complexity_curves" if measured else "curves")
        except ConfigError:  # there is no such table
            if not len(self.table("scores", ["model"])):
                raise
            return pd.DataFrame()

    def segmentation(self) -> pd.DataFrame:
        """IoU, Dice and pixel accuracy of segmenters, with intervals; only if the run has segmenters."""
        return self._frame("segmentation")

    def robustness(self) -> pd.DataFrame:
        """S_robust with its parts, or the cross term alone, by model, as `xray score` writes it.

        `xray.pipeline.score.robustness` describes the columns; `missing` names what a model without S_robust lacks.
        """
        return self._frame("robustness")

    def images(self, scenario: str, image_ids: Sequence[str] | None = None) -> Images:
        """Select the images of one scenario; only their bytes are read.

        Raises:
            XrayError: the run has no such scenario.
        """
        if scenario not in self._folder.recipe.scenarios:
            raise unknown("scenario", scenario, self._folder.recipe.scenarios)
        where = pc.field("scenario") == scenario
        if image_ids is None:
            return Images(functools.partial(self.table, "images", where=where))
        selected = pc.field("image_id").isin(list(image_ids))
        shards = self._shards_of(tuple(image_ids)).get(scenario, set())
        return Images(functools.partial(self.table, "images", where=where & selected, shards=shards))

    def _shards_of(self, image_ids: tuple[str, ...]) -> dict[str, set[str]]:
        """Return the shards of some photographs by scenario, as planned; those that were asked for last are known."""
        key = (image_ids, str(self._folder.plan.record()["files"]))
        if self._known_shards[0] != key:
            columns, where = ["scenario", "shard"], pc.field("image_id").isin(image_ids)
            shards: dict[str, set[str]] = defaultdict(set)
            for row in self.table("plan", columns, where).to_pylist():
                shards[row["scenario"]].add(row["shard"])
            self._known_shards = (key, dict(shards))
        return self._known_shards[1]

    def removed(self) -> RemovedPhotos:
        """Select the photographs without their objects, as far as they are made."""
        return RemovedPhotos(self._folder)


@dataclass(frozen=True)
class Images:
    """A selection of a run's images, read on demand.

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
        """Draw the first `n` images as a figure."""
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


def _inpainter(painter: Inpainter) -> str:
    weights = ", ".join(painter.weights().values())
    return f"{painter.name} ({weights})" if weights else painter.name
