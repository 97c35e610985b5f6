"""Evaluate models on the images of a run: IMAGES × models → PREDICTIONS; each image is decoded once for all models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xray.cluster.placement import Grant
from xray.core.errors import ConfigError, extra
from xray.core.progress import Progress
from xray.pipeline.budget import Budget
from xray.pipeline.evaluate.worker import BATCH, EvaluateWorker
from xray.pipeline.generate.shows import shown_batches
from xray.pipeline.plan.models import check_models
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.lock import exclusive
from xray.runs.receipts import GENERATE, REMOVE, evaluation


@exclusive("predictions")
def evaluate(
    run: RunFolder,
    models: Mapping[str, str],
    *,
    from_plan: bool = False,
    bad_rows: float | None = None,
    actors: int | None = None,
    gpus: float | None = None,
) -> dict[str, RowCounts]:
    """Predict every image with every model that lacks it, on the connected Ray session or on one of its own.

    Args:
        run: with a plan.
        models: model strings by name.
        from_plan: render the images instead of reading stored ones. They are encoded and decoded all the same, so that
            the predictions are equal.
        bad_rows: as for `generate`; counts only if images are rendered.
        actors: processes that each hold all models; default: one per GPU, or one per CPU without GPUs.
        gpus: share of a GPU for each actor; default: 1 if the cluster has any, else 0.

    Returns:
        Counts of the images by model.

    Raises:
        ConfigError: no images yet, a model that cannot be loaded, or one with other weights than before.
        ResourceError: nothing makes progress for the recipe's `pools.stall_seconds`.
    """
    _check_models(run, models)
    shards = _available(run, from_plan)
    groups = _pending(run, models, shards)
    lacking = {name: models[name] for name in models if any(name in names for names in groups)}
    check_models(lacking, run.recipe.categories or ())
    budget = Budget(run, run.recipe.bad_rows if bad_rows is None else bad_rows)
    if groups:
        with extra("ray"):
            from xray.cluster.autoscaling import await_gpus
            from xray.cluster.session import connected, resources

        pools = run.recipe.pools
        with connected():
            if gpus != 0:
                await_gpus(pools.gpus, pools.stall_seconds)
            pool = actor_pool(resources(), actors, gpus)
            for names, pending in groups.items():
                specs = {name: models[name] for name in names}
                _predict(run, specs, pending, pool, budget if from_plan else None)
    return {name: _finished(run, name) for name in models}


def _check_models(run: RunFolder, models: Mapping[str, str]) -> None:
    if not models:
        raise ConfigError("no model is given; add `models:` to the recipe, or `--model timm:resnet50`")
    for name, spec in models.items():
        for shard in sorted(run.store.done(evaluation(name)))[:1]:
            before = run.store.receipt(evaluation(name), shard).facts["spec"]
            if before != spec:
                raise ConfigError(f"model {name!r} was evaluated as {before!r}, now it is {spec!r}; rename it")


def _available(run: RunFolder, from_plan: bool) -> list[str]:
    """The shards whose images exist, or can be rendered."""
    done = run.store.done(GENERATE)
    shards = run.plan.shards() if from_plan else sorted(done)
    if not shards:
        raise ConfigError(f"{run.location} has no images yet; run `xray generate`, or evaluate with `--from-plan`")
    if not from_plan:
        return shards
    inpainted = run.plan.inpainted()
    if missing := {part for shard in shards if (part := ShardId(shard).part) in inpainted and shard not in done}:
        names = ", ".join(sorted({name for part in missing for name in run.plan.scenarios_of(part)}))
        raise ConfigError(f"{names}: inpainted images must exist; run `xray generate` before `--from-plan`")
    made_by_model = run.recipe.needs_masks and run.recipe.masks.refiner.accelerated
    if made_by_model and not {ShardId(shard).batch for shard in shards} <= run.store.masked():
        raise ConfigError("the masks are made by a model; run `xray mask` before `--from-plan`")
    if not set(shown_batches(run, shards)[0]) <= run.store.done(REMOVE):
        raise ConfigError(
            "some scenarios show photographs without their objects; run `xray remove` before `--from-plan`"
        )
    return shards


def _pending(run: RunFolder, models: Mapping[str, str], shards: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """The shards that lack predictions, by the models that lack them."""
    done = {name: run.store.done(evaluation(name)) for name in models}
    groups: dict[tuple[str, ...], list[str]] = {}
    for shard in shards:
        if names := tuple(name for name in models if shard not in done[name]):
            groups.setdefault(names, []).append(shard)
    return groups


def actor_pool(cluster: Mapping[str, float], actors: int | None, gpus: float | None) -> Grant:
    """Return the actors that hold models: by default one per GPU, or one per CPU without GPUs."""
    share = gpus if gpus is not None else float(cluster.get("GPU", 0) >= 1)
    size = actors or max(1, int(cluster.get("GPU", 0) / share if share else cluster.get("CPU", 1)))
    device = "cuda" if share else "cpu"
    return Grant(device, gpus=share, cpus=1, min_actors=size, max_actors=size, accelerator=None, batch=BATCH[device])


def _predict(
    run: RunFolder, specs: Mapping[str, str], shards: Sequence[str], pool: Grant, budget: Budget | None
) -> None:
    """Evaluate models on shards that lack them; without a budget, on stored images, which passed it when made."""
    from xray.cluster.executor import Stage, stream

    arguments = (run.uri, specs, pool.device, budget is not None)
    expected = run.plan.planned_rows() * len(shards) * len(specs) // max(len(run.plan.shards()), 1)
    stages = [Stage("evaluate", EvaluateWorker, arguments, pool)]
    with Progress("evaluate", expected, "predictions") as progress:
        for (result,) in stream(shards, stages, run=run.uri, stall_seconds=run.recipe.pools.stall_seconds):
            progress.advance(result["predictions"])
            if budget is not None:
                budget.spend(RowCounts(result["counts"], 0, 0, 1))


def _finished(run: RunFolder, name: str) -> RowCounts:
    receipts = run.store.receipts(evaluation(name))
    hashes = sorted({receipt.facts["weights"] for receipt in receipts})
    if len(hashes) > 1:
        raise ConfigError(f"model {name!r} was evaluated with different weights: {', '.join(h[:12] for h in hashes)}")
    return RowCounts.of(receipts)
