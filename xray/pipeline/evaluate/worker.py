"""The actor that evaluates models on shards."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.core import schema
from xray.core.device import configure_worker
from xray.core.environment import environment
from xray.core.errors import ConfigError
from xray.core.images import ANY
from xray.models.base import CLASSES
from xray.models.outputs import prediction_columns
from xray.pipeline.evaluate.encoding import LosslessSample, compare
from xray.pipeline.evaluate.panel import Panel
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.render import Renderer, status_counts
from xray.pipeline.generate.shows import inputs_of_images, removed_of
from xray.pipeline.worker import OnBatch, ShardWorker
from xray.runs.accepted import accepted_outputs
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.predictions import names_donor, predictions_table
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.reuse import reusable_predictions
from xray.runs.versions import refuse_other_versions

BATCH = {"cpu": 4, "cuda": 64}
"""Images per batch. On a CPU larger ones leave its caches: EfficientNet-Lite0 took 26 ms per image with 4, 56 ms with
32."""

_COLUMNS = (
    "sample_id", "image_id", "category", "scenario", "variant", "donor_category", "image", "status", "reason"
)  # fmt: skip


class EvaluateWorker(ShardWorker[tuple[Panel, dict[str, dict[str, str]]]]):
    """Predicts and commits shards with several models; its model is their panel, and the facts about each.

    `specs` are model strings by name; `from_plan`: render the images instead of reading them.
    """

    def __init__(self, uri: str, specs: Mapping[str, str], device: str, from_plan: bool, on_batch: OnBatch) -> None:
        self.specs = specs
        super().__init__(uri, device, BATCH[device], on_batch)
        self.renderer = Renderer(self.recipe, Donors(self.recipe, self.run)) if from_plan else None
        self.lossless = LosslessSample(self.run)

    def load(self) -> tuple[Panel, dict[str, dict[str, str]]]:
        """Load the models.

        Raises:
            ConfigError: a model has other weights than those of the run's predictions.
        """
        configure_worker()
        panel = Panel.load(sorted(set(self.specs.values())), self.device, self.batch, self.recipe.transparent_on)
        panel.limits = ANY
        facts = {}
        for name, spec in self.specs.items():
            model = panel.models[spec]
            facts[name] = {"spec": spec, "weights": model.weights_sha256, "preprocessing": model.preprocessing}
            _refuse_other_weights(self.run, name, model.weights_sha256)
            refuse_other_versions(self.run, evaluation(name))
        return panel, facts

    def __call__(self, name: str) -> dict[str, Any]:
        """Predict one shard with every model, and commit one receipt for each."""
        panel, models = self.model
        started, decoded, made_from = time.perf_counter(), panel.decoded, self._inputs(name)
        images = self._images(name)
        counts = status_counts(images)
        images = images.filter(pc.equal(images.column("status"), schema.OK))
        shard = self.run.plan.shard(name)
        reused = {model: reusable_predictions(self.run, shard, model, models[model]["weights"]) for model in models}
        by_all = pa.array(set.intersection(*map(set, reused.values())), pa.string())
        missing = images.filter(pc.invert(pc.is_in(images.column("sample_id"), by_all)))
        tables = self._predict(panel, models, missing)
        seconds, seen = (time.perf_counter() - started) / len(models), panel.decoded - decoded
        sample = self.lossless.images(name, images) if self.renderer is None else None
        lossless = None if sample is None else self._predict(panel, models, sample[0])
        for model, facts in models.items():
            table = tables[model]
            if reused[model]:
                rows = {row["sample_id"]: row for row in table.to_pylist()} | reused[model]
                ordered = [rows[sample] for sample in images.column("sample_id").to_pylist()]
                table = pa.Table.from_pylist(ordered, schema=table.schema)
            recorded = {**facts, "decoded": seen, "environment": environment()}
            if sample is not None and lossless is not None:
                recorded["encoding"] = compare(table, lossless[model], sample[1])
            made = {"predictions": (table, None)}
            self.run.store.commit(evaluation(model), name, made, counts, seconds, recorded, made_from=made_from)
        return {"predictions": len(images) * len(models), "counts": counts}

    def _inputs(self, name: str) -> dict[str, str]:
        """The hashes of what the images of a shard are read from, or rendered from."""
        renderer = self._renderer_of(name)
        if renderer is None:
            return self.run.store.dependencies().of_predictions(name)
        return inputs_of_images(self.run, name, renderer.donors)

    def _renderer_of(self, name: str) -> Renderer | None:
        """What renders the images of a shard; None if stored ones are read, as inpainted ones always are."""
        return None if self.renderer is None or self.run.plan.inpaints(ShardId(name).part) else self.renderer

    def _images(self, name: str) -> pa.Table:
        if renderer := self._renderer_of(name):
            masks, removed = self.run.store.masks(ShardId(name).batch), removed_of(self.run, name)
            return renderer.shard(self.run.plan.shard(name), masks, removed=removed).images
        return self.run.store.shard_table(GENERATE, "images", name, _COLUMNS)

    def _predict(self, panel: Panel, models: Mapping[str, Mapping[str, str]], images: pa.Table) -> dict[str, pa.Table]:
        """Predict images with every model: PREDICTIONS by model."""
        encoded = [cell["bytes"] for cell in images.column("image").to_pylist()]
        categories = images.column("category").to_pylist()
        donors = images.column("donor_category").to_pylist()
        batches = list(self._batches(panel, encoded))
        tables = {}
        for model, facts in models.items():
            labels = getattr(panel.models[facts["spec"]], "labels", None)
            outputs = accepted_outputs(model, labels, self.recipe.categories or ())
            accepted = [outputs[category] for category in categories]
            none = np.empty((0, CLASSES if labels is None else len(labels)), np.float32)
            probabilities_NK = np.concatenate([none, *(batch[facts["spec"]] for batch in batches)])
            columns: dict[str, Any] = {**prediction_columns(probabilities_NK, accepted)}
            columns["names_donor"] = names_donor(columns["top1"], donors, outputs)
            constant = {"model": model, "weights": facts["weights"], "trained_on": "pretrained", "fold": -1}
            columns |= {name: [value] * len(images) for name, value in constant.items()}
            tables[model] = predictions_table(images, columns)
        return tables

    def _batches(self, panel: Panel, encoded: Sequence[bytes]) -> Iterator[dict[str, NDArray[np.float32]]]:
        started = time.perf_counter()
        for batch in panel.predict(encoded):
            yield batch
            self.on_batch(len(next(iter(batch.values()))), time.perf_counter() - started)
            started = time.perf_counter()


def _refuse_other_weights(run: RunFolder, model: str, weights: str) -> None:
    for shard in sorted(run.store.done(evaluation(model)))[:1]:
        before = run.store.receipt(evaluation(model), shard).facts["weights"]
        if before != weights:
            raise ConfigError(
                f"model {model!r} has other weights ({weights[:12]}) than its predictions ({before[:12]}); rename it"
            )
