"""Preparing training images with Ray Data: cached in Ray's object store, or streamed while the model trains."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data

from xray.cluster.session import resources
from xray.core import schema
from xray.core.device import configure_worker
from xray.core.errors import ResourceError
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.feed import Batch, Feed, Pass, in_memory_feed, stack, unpack
from xray.pipeline.train.transform import Preparation
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE
from xray.runs.trial import Trial

if TYPE_CHECKING:
    from ray import ObjectRef

_MAX_CACHED_SHARE = 0.5
"""Share of Ray's object store that prepared images may take."""
_SHARDS_PER_TASK = 8
_IMAGES_PER_STREAM = 65_536
"""Images per Ray Data stream: short passes share one, so that they do not each wait for a stream to start."""

PREPARE_TASKS = pa.schema(
    [
        ("scenario", pa.string()),
        ("preparation", pa.int32()),
        ("shards", pa.list_(pa.string())),
        ("samples", pa.list_(pa.string())),
    ]
)
"""One task per row: images of a scenario in some shards; `preparation`: index; `samples`: sample ids, null for all."""


def prepare(uri: str, preparations: Sequence[Preparation], task: pa.Table) -> pa.Table:
    """Decode the images of a task, one row of PREPARE_TASKS, and make them square; see `Preparation.prepare`."""
    configure_worker()
    (row,) = task.to_pylist()
    preparation, run = preparations[row["preparation"]], RunFolder(uri, trust=True)
    columns = ["sample_id", "image", "mask"] if preparation.masks else ["sample_id", "image"]
    where = (pc.field("scenario") == row["scenario"]) & (pc.field("status") == schema.OK)
    if row["samples"] is not None:
        where &= pc.field("sample_id").isin(row["samples"])
    tables = [run.store.shard_table(GENERATE, "images", shard, columns, where) for shard in row["shards"]]
    return pa.concat_tables([preparation.prepare(table) for table in tables])


def cache_in_object_store(data: TrainingData, trials: Sequence[Trial]) -> TrainingData:
    """Prepare every image once for all trials, if `feed` asks for it and they fit in Ray's object store.

    Returns:
        The data with `cached`, or unchanged.

    Raises:
        ResourceError: `feed: hold`, and they do not fit.
    """
    feed = trials[0].training.feed
    keys = dict.fromkeys(
        (name, data.preparations[trial.model]) for trial in trials for name in (trial.scenario, *trial.tests)
    )
    size = sum(len(data.samples[name]) * how.side**2 * (4 if how.masks else 3) for name, how in keys)
    limit = _MAX_CACHED_SHARE * resources().get("object_store_memory", 0)
    if feed == "stream" or (feed == "auto" and size > limit):
        return data
    if size > limit:
        raise ResourceError(
            f"`feed: hold` needs {size / 1e9:.1f} GB of Ray's object store, which has {limit / 1e9:.1f} GB for it; "
            "`feed: auto` streams what does not fit"
        )
    preparations = list(dict.fromkeys(how for _, how in keys))
    tasks: list[dict[str, Any]] = [
        {"scenario": name, "preparation": preparations.index(how), "shards": shards}
        for name, how in keys
        for shards in _groups(sorted(set(data.samples[name].shard)))
    ]
    references = _prepared(data.uri, preparations, tasks).materialize().to_arrow_refs()
    cached: dict[tuple[str, Preparation], list[ObjectRef[pa.Table]]] = {key: [] for key in keys}
    for task, reference in zip(tasks, references, strict=True):
        cached[task["scenario"], preparations[task["preparation"]]].append(reference)
    return replace(data, cached=cached)


def feed_for(data: TrainingData, scenario: str, model: str) -> Feed:
    """Return the feed of a scenario's images, prepared for a model."""
    preparation = data.preparations[model]
    if (key := (scenario, preparation)) in data.cached:
        return in_memory_feed(ray.get(list(data.cached[key])), preparation)
    return functools.partial(_streamed, data.uri, preparation)


def _streamed(uri: str, preparation: Preparation, passes: Iterable[Pass]) -> Iterator[Batch]:
    """Yield batches (see `Feed`) that Ray Data prepares while others are trained on; images are kept until used."""
    for stream in _streams(passes):
        tasks = [task for images in stream for task in _tasks(images)]
        blocks = _prepared(uri, [preparation], tasks).iter_batches(
            batch_size=None, batch_format="pyarrow", prefetch_batches=2
        )
        unpacked = (image for block in blocks for image in unpack(block, preparation))
        for samples, batches in stream:
            waiting: dict[str, Batch] = {}
            for index in batches:
                names = samples.sample_id[index].tolist()
                for name in names:
                    while name not in waiting:
                        waiting.update([next(unpacked)])
                yield stack([waiting.pop(name) for name in names])


def _streams(passes: Iterable[Pass]) -> Iterator[list[Pass]]:
    """Group consecutive passes that share a stream."""
    group: list[Pass] = []
    count = 0
    for images in passes:
        group.append(images)
        count += sum(map(len, images.batches))
        if count >= _IMAGES_PER_STREAM:
            yield group
            group, count = [], 0
    if group:
        yield group


def _tasks(images: Pass) -> Iterator[dict[str, Any]]:
    """Yield the tasks that prepare a pass, in the order of their use."""
    samples = images.samples
    by_shard: dict[str, list[str]] = {}
    for index in images.batches:
        for shard, name in zip(samples.shard[index], samples.sample_id[index], strict=True):
            by_shard.setdefault(shard, []).append(name)
    for shards in _groups(list(by_shard)):
        names = [name for shard in shards for name in by_shard[shard]]
        yield {"scenario": samples.scenario, "preparation": 0, "shards": shards, "samples": names}


def _groups(shards: Sequence[str]) -> list[Sequence[str]]:
    return [shards[start : start + _SHARDS_PER_TASK] for start in range(0, len(shards), _SHARDS_PER_TASK)]


def _prepared(uri: str, preparations: Sequence[Preparation], tasks: Sequence[Mapping[str, Any]]) -> ray.data.Dataset:
    """Return a data set of prepared images with one block per task, in that order."""
    blocks = [pa.Table.from_pylist([task], PREPARE_TASKS) for task in tasks]
    work = functools.partial(prepare, uri, preparations)
    dataset: ray.data.Dataset = ray.data.from_arrow(blocks).map_batches(
        work, batch_size=1, batch_format="pyarrow", zero_copy_batch=True, num_cpus=1
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.execution_options.preserve_order = True
    return dataset
