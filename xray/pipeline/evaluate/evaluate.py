"""Ask models what they see: IMAGES × models → PREDICTIONS; each image is decoded once for all of them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.cluster.placement import Grant
from xray.core import schema
from xray.core.environment import environment
from xray.core.errors import XrayError, extra
from xray.core.images import ANY
from xray.core.progress import Progress
from xray.models.base import CLASSES
from xray.models.outputs import rows
from xray.models.registry import parse_model
from xray.pipeline.budget import Budget
from xray.pipeline.evaluate.panel import Panel
from xray.pipeline.generate.render import Renderer, status_counts
from xray.pipeline.generate.stages import is_painted
from xray.runs.counts import Progressed
from xray.runs.lock import alone
from xray.runs.predictions import predictions_table
from xray.runs.receipts import GENERATE, evaluation, unit_of
from xray.runs.recipe import Recipe
from xray.runs.reuse import carried_predictions
from xray.runs.run import Run
from xray.runs.versions import refuse_other_versions

_COLUMNS = ("sample_id", "image_id", "category", "scenario", "variant")

_BATCH = {"cpu": 4, "cuda": 64}
"""Images at once. On a CPU more leave its caches: EfficientNet-Lite0 took 26 ms an image by 4, and 56 ms by 32."""


@alone("predictions")
def evaluate(
    run: Run,
    models: Mapping[str, str],
    *,
    from_plan: bool = False,
    bad_rows: float | None = None,
    actors: int | None = None,
    gpus: float | None = None,
) -> dict[str, Progressed]:
    """Predict every image with every model that has not seen it yet, on the Ray session at hand.

    Args:
        run: with a plan.
        models: model strings by name.
        from_plan: render the images anew instead of reading stored ones; they are encoded and decoded all the same,
            so that the predictions are equal.
        bad_rows: as of `xray.pipeline.generate.generate.generate`, where images are rendered anew.
        actors: processes that each hold all models; default: one a GPU, or one a CPU where there are none.
        gpus: share of a GPU for each actor; default: 1 where there are any, else 0.

    Returns:
        What has become of the images, by model.

    Raises:
        XrayError: no images yet, a model that cannot be loaded, or whose weights are not those it began with; or
            nothing gets further for the recipe's `pools.stall_seconds`.
    """
    if not models:
        raise XrayError("no model is named; add `models:` to the recipe, or `--model timm:resnet50`")
    available = run.shards() if from_plan else sorted(run.done(GENERATE))
    if not available:
        raise XrayError(f"{run.uri} has no images yet; make them by `xray generate`, or evaluate `--from-plan`")
    if from_plan:
        _refuse_unmade(run, available)
    for name, spec in models.items():
        _refuse_another_model(run, name, spec)
    groups = _missing(run, models, available)
    with extra("models"):
        for name in {name for names in groups for name in names}:
            parse_model(models[name]).check()
    budget = Budget(run, run.recipe_object.bad_rows if bad_rows is None else bad_rows)
    if groups:
        with extra("ray"):
            from xray.cluster.autoscaling import await_gpus
            from xray.cluster.executor import Stage, stream
            from xray.cluster.session import connected, resources

        pools = run.recipe_object.pools
        with connected():
            if gpus != 0:
                await_gpus(pools.gpus, pools.stall_seconds)
            pool = _pool(resources(), actors, gpus)
            for names, shards in groups.items():
                facts = {name: {"spec": models[name]} for name in names}
                stage = Stage("evaluate", EvaluateShard, (run.uri, facts, pool.device, from_plan), pool)
                expected = run.planned_rows() * len(shards) * len(names) // max(len(run.shards()), 1)
                with Progress("evaluate", expected, "predictions") as progress:
                    for (result,) in stream(shards, [stage], run=run.uri, stall_seconds=pools.stall_seconds):
                        progress.advance(result["predictions"])
                        if from_plan:  # stored images passed the budget when they were made
                            budget.spend(Progressed(result["counts"], 0, 0, 1))
    return {name: _finished(run, name) for name in models}


def _refuse_unmade(run: Run, shards: Sequence[str]) -> None:
    """What a model makes cannot be rendered anew by the way."""
    painted, done = frozenset(run.painted()), run.done(GENERATE)
    if lacking := [shard for shard in shards if is_painted(shard, painted) and shard not in done]:
        names = ", ".join(sorted({name for shard in lacking for name in run.scenarios_of(shard.rpartition("-")[0])}))
        raise XrayError(
            f"{names}: painted worlds must be made first, by `xray generate`; `--from-plan` renders the rest"
        )
    if run.recipe_object.masks.refine.accelerated and not {unit_of(shard) for shard in shards} <= run.masked():
        raise XrayError(
            "the masks are made by a model: make them first, by `xray mask`, and then evaluate `--from-plan`"
        )


def _pool(cluster: Mapping[str, float], actors: int | None, gpus: float | None) -> Grant:
    share = gpus if gpus is not None else float(cluster.get("GPU", 0) >= 1)
    size = actors or max(1, int(cluster.get("GPU", 0) / share if share else cluster.get("CPU", 1)))
    device = "cuda" if share else "cpu"
    return Grant(device, gpus=share, cpus=1, least=size, most=size, accelerator=None, batch=_BATCH[device])


def _finished(run: Run, name: str) -> Progressed:
    receipts = run.receipts(evaluation(name))
    hashes = sorted({receipt.facts["weights"] for receipt in receipts})
    if len(hashes) > 1:
        raise XrayError(f"model {name!r} was evaluated with different weights: {', '.join(h[:12] for h in hashes)}")
    return Progressed.of(receipts)


def _refuse_another_model(run: Run, name: str, spec: str) -> None:
    for shard in sorted(run.done(evaluation(name)))[:1]:
        before = run.receipt(evaluation(name), shard).facts["spec"]
        if before != spec:
            raise XrayError(f"model {name!r} was evaluated as {before!r}, now it is {spec!r}; give it another name")


def _missing(run: Run, models: Mapping[str, str], shards: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """The shards that still lack predictions, by the models that lack them."""
    done = {name: run.done(evaluation(name)) for name in models}
    groups: dict[tuple[str, ...], list[str]] = {}
    for shard in shards:
        if names := tuple(name for name in models if shard not in done[name]):
            groups.setdefault(names, []).append(shard)
    return groups


class EvaluateShard:
    """Predicts and commits shards; holds its models as long as it lives.

    Args:
        uri: of the run.
        models: by name, each with its `spec`.
        device: `cpu` or `cuda`.
        from_plan: render the images instead of reading them.
        beat: called after each batch with its images and the seconds that it took.
    """

    def __init__(
        self,
        uri: str,
        models: Mapping[str, Mapping[str, str]],
        device: str,
        from_plan: bool,
        beat: Callable[[int, float], None],
    ) -> None:
        self.run = Run(uri)
        self.recipe: Recipe = self.run.recipe_object
        self.models = models
        self.device = device
        self.beat = beat
        self.renderer = Renderer(self.recipe) if from_plan else None

    @functools.cached_property
    def panel(self) -> Panel:
        """The models; loaded for the first shard and not before, where Ray would hide what is wrong with them."""
        import torch

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        specs = sorted({model["spec"] for model in self.models.values()})
        panel = Panel.load(specs, self.device, _BATCH[self.device], self.recipe.transparent_on)
        panel.limits = ANY
        return panel

    @functools.cached_property
    def facts(self) -> dict[str, dict[str, str]]:
        """What is recorded of each model with its predictions.

        Raises:
            XrayError: it has other weights than those that the run's predictions come from.
        """
        facts = {
            name: {
                "spec": model["spec"],
                "weights": self.panel.models[model["spec"]].weights_sha256,
                "preprocessing": self.panel.models[model["spec"]].preprocessing,
            }
            for name, model in self.models.items()
        }
        _refuse_other_weights(self.run, facts)
        for name in facts:
            refuse_other_versions(self.run, evaluation(name))
        return facts

    def __call__(self, shard: str) -> dict[str, Any]:
        """Predict one shard with every model, a receipt each."""
        started, before = time.perf_counter(), self.panel.decoded
        images = self._images(shard)
        counts = status_counts(images)
        images = images.filter(pc.equal(images.column("status"), schema.OK))
        names = images.column("sample_id")
        known = self._known(shard)
        answered = pa.array(set.intersection(*map(set, known.values())), pa.string())
        asked = images.filter(pc.invert(pc.is_in(names, answered)))
        encoded = [cell["bytes"] for cell in asked.column("image").to_pylist()]
        indices = {category.name: category.indices for category in self.recipe.categories or ()}
        accepted = [indices[name] for name in asked.column("category").to_pylist()]
        batches = list(self._predicted(encoded))
        seconds = (time.perf_counter() - started) / len(self.facts)
        for model, facts in self.facts.items():
            nothing = np.empty((0, CLASSES), np.float32)
            probabilities_NK = np.concatenate([nothing, *(batch[facts["spec"]] for batch in batches)])
            table = _predictions(asked, model, facts["weights"], rows(probabilities_NK, accepted))
            if known[model]:
                by_name = {row["sample_id"]: row for row in table.to_pylist()} | known[model]
                ordered = [by_name[name] for name in names.to_pylist()]
                table = pa.Table.from_pylist(ordered, schema=table.schema)
            told = {**facts, "decoded": self.panel.decoded - before, "environment": environment()}
            self.run.commit(evaluation(model), shard, {"predictions": (table, None)}, counts, seconds, told)
        return {"predictions": len(images) * len(self.facts), "counts": counts}

    def _known(self, shard: str) -> dict[str, dict[str, Any]]:
        """What each model has said of images that were carried over, by sample."""
        planned = self.run.shard(shard)
        return {
            model: carried_predictions(self.run, planned, model, facts["weights"])
            for model, facts in self.facts.items()
        }

    def _predicted(self, encoded: Sequence[bytes]) -> Iterator[dict[str, NDArray[np.float32]]]:
        started = time.perf_counter()
        for batch in self.panel.predict(encoded):
            yield batch
            self.beat(len(next(iter(batch.values()))), time.perf_counter() - started)
            started = time.perf_counter()

    def _images(self, shard: str) -> pa.Table:
        if self.renderer is not None and not is_painted(shard, frozenset(self.run.painted())):
            return self.renderer.shard(self.run.shard(shard), self.run.masks(unit_of(shard))).images
        return self.run.made(GENERATE, "images", shard, (*_COLUMNS, "image", "status", "reason"))


def _refuse_other_weights(run: Run, facts: Mapping[str, Mapping[str, str]]) -> None:
    for name, fact in facts.items():
        for shard in sorted(run.done(evaluation(name)))[:1]:
            before = run.receipt(evaluation(name), shard).facts["weights"]
            if before != fact["weights"]:
                raise XrayError(
                    f"model {name!r} has other weights ({fact['weights'][:12]}) than those it was evaluated with "
                    f"({before[:12]}); give it another name"
                )


def _predictions(images: pa.Table, model: str, weights: str, answers: Mapping[str, Any]) -> pa.Table:
    n = len(images)
    told: dict[str, Any] = {
        "model": [model] * n,
        "weights": [weights] * n,
        "trained_on": ["pretrained"] * n,
        "fold": [-1] * n,
    }
    return predictions_table(images, {**told, **answers})
