"""Features of a run's images: IMAGES × pretrained models → FEATURES, once an image, whatever is fitted to them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xray.cluster.autoscaling import await_gpus
from xray.cluster.executor import Stage, stream
from xray.cluster.session import resources
from xray.core import schema
from xray.core.device import configure_worker
from xray.core.environment import environment
from xray.core.errors import ConfigError
from xray.core.images import ANY
from xray.core.progress import Progress
from xray.models.registry import parse_model
from xray.pipeline.evaluate.evaluate import actor_pool
from xray.pipeline.evaluate.panel import Panel
from xray.pipeline.evaluate.worker import BATCH
from xray.pipeline.worker import OnBatch, ShardWorker
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE, features
from xray.runs.reuse import reusable_features
from xray.runs.versions import refuse_other_versions


def missing_features(run: RunFolder, models: Mapping[str, str]) -> dict[tuple[str, ...], list[str]]:
    """Return the shards with images that lack features, by the names of the models that lack them.

    Raises:
        ConfigError: a model has features by another model string.
    """
    done = {name: run.store.done(features(name)) for name in models}
    for name, shards in done.items():
        for shard in sorted(shards)[:1]:
            before = run.store.receipt(features(name), shard).facts["spec"]
            if before != models[name]:
                raise ConfigError(f"model {name!r} has features of {before!r}, now it is {models[name]!r}; rename it")
    groups: dict[tuple[str, ...], list[str]] = {}
    for shard in sorted(run.store.done(GENERATE)):
        if names := tuple(name for name in models if shard not in done[name]):
            groups.setdefault(names, []).append(shard)
    return groups


def count_missing(run: RunFolder, models: Mapping[str, str]) -> int:
    """Return the number of features that are still to be computed."""
    groups = missing_features(run, models)
    images = {receipt.shard: receipt for receipt in run.store.receipts(GENERATE)} if groups else {}
    by_shard = {shard: sum(counts.get(schema.OK, 0) for counts in images[shard].counts.values()) for shard in images}
    return sum(len(names) * by_shard[shard] for names, shards in groups.items() for shard in shards)


def compute_features(run: RunFolder, models: Mapping[str, str], gpus: float | None = None) -> None:
    """Compute the features of every image with every model that lacks them, on the connected Ray session.

    Args:
        run: with images.
        models: model strings by name.
        gpus: share of a GPU for each actor; None: 1 if the cluster has any, else 0.

    Raises:
        XrayError: a model gives no features, or has other weights than those of features that the run has.
    """
    groups = missing_features(run, models)
    if not groups:
        return
    pools = run.recipe.pools
    if gpus != 0:
        await_gpus(pools.gpus, pools.stall_seconds)
    pool = actor_pool(resources(), None, gpus)
    with Progress("features", count_missing(run, models), "features") as progress:
        for names, shards in groups.items():
            arguments = (run.uri, {name: models[name] for name in names}, pool.device)
            stages = [Stage("features", FeatureWorker, arguments, pool)]
            for (result,) in stream(shards, stages, run=run.uri, stall_seconds=pools.stall_seconds):
                progress.advance(result["features"])


class FeatureWorker(ShardWorker[Panel]):
    """Computes and commits the features of shards with several models, given as model strings by name."""

    def __init__(self, uri: str, specs: Mapping[str, str], device: str, on_batch: OnBatch) -> None:
        self.specs = specs
        super().__init__(uri, device, BATCH[device], on_batch)

    def load(self) -> Panel:
        """Load the models.

        Raises:
            ConfigError: a model has other weights than those of the run's features.
        """
        configure_worker()
        networks = {name: parse_model(spec).features(self.device) for name, spec in self.specs.items()}
        for name, network in networks.items():
            _refuse_other_weights(self.run, name, network.weights_sha256)
            refuse_other_versions(self.run, features(name))
        return Panel(networks, self.batch, self.recipe.transparent_on, ANY)

    def __call__(self, name: str) -> dict[str, Any]:
        """Compute the features of one shard with every model, and commit one receipt for each."""
        panel, started = self.model, time.perf_counter()
        made_from = self.run.store.dependencies().of_predictions(name)
        images = self.run.store.shard_table(GENERATE, "images", name, ["sample_id", "scenario", "image", "status"])
        images = images.filter(pc.equal(images["status"], schema.OK))
        shard = self.run.plan.shard(name)
        reused = {m: reusable_features(self.run, shard, m, net.weights_sha256) for m, net in panel.models.items()}
        by_all = pa.array(set.intersection(*map(set, reused.values())), pa.string())
        missing = images.filter(pc.invert(pc.is_in(images["sample_id"], by_all)))
        computed = self._compute(panel, missing)
        counts = {row["values"]: {schema.OK: row["counts"]} for row in images["scenario"].value_counts().to_pylist()}
        seconds = (time.perf_counter() - started) / len(panel.models)
        for model, network in panel.models.items():
            rows = {sample: row["features"] for sample, row in reused[model].items()}
            rows |= dict(zip(missing["sample_id"].to_pylist(), computed[model], strict=True))
            table = _features_table(images["sample_id"], model, network.weights_sha256, rows)
            facts = {
                "spec": self.specs[model],
                "weights": network.weights_sha256,
                "preprocessing": network.preprocessing,
                "computed": len(missing),
                "device": self.device,
                "environment": environment(),
            }
            made = {"features": (table, None)}
            self.run.store.commit(features(model), name, made, counts, seconds, facts, made_from=made_from)
        return {"features": len(images) * len(panel.models)}

    def _compute(self, panel: Panel, images: pa.Table) -> dict[str, list[NDArray[np.float32]]]:
        """Return the features of images, by model.

        Raises:
            ConfigError: some are not numbers.
        """
        encoded = [cell["bytes"] for cell in images["image"].to_pylist()]
        batches = list(self._batches(panel, encoded))
        by_model = {name: [row for batch in batches for row in batch[name]] for name in panel.models}
        for model, features_ND in by_model.items():
            for sample, feature_D in zip(images["sample_id"].to_pylist(), features_ND, strict=True):
                if not np.isfinite(feature_D).all():
                    raise ConfigError(f"{model} ({self.specs[model]}) gives features that are no numbers for {sample}")
        return by_model

    def _batches(self, panel: Panel, encoded: Sequence[bytes]) -> Iterator[dict[str, NDArray[np.float32]]]:
        started = time.perf_counter()
        for batch in panel.predict(encoded):
            yield batch
            self.on_batch(len(next(iter(batch.values()))), time.perf_counter() - started)
            started = time.perf_counter()


def _features_table(samples: pa.ChunkedArray, model: str, weights: str, rows: Mapping[str, Any]) -> pa.Table:
    """Build FEATURES of N images from their features by sample id."""
    names = samples.to_pylist()
    columns = [names, [model] * len(names), [weights] * len(names), [rows[name] for name in names]]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema.FEATURES, strict=True)]
    return pa.table(arrays, schema=schema.FEATURES)


def _refuse_other_weights(run: RunFolder, model: str, weights: str) -> None:
    for shard in sorted(run.store.done(features(model)))[:1]:
        before = run.store.receipt(features(model), shard).facts["weights"]
        if before != weights:
            raise ConfigError(
                f"model {model!r} has other weights ({weights[:12]}) than its features ({before[:12]}); rename it"
            )
