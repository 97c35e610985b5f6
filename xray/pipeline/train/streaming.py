"""Preparing training images with Ray Data: cached in Ray's object store, or streamed while the model trains."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import ray
import ray.data

from xray.cluster.session import resources
from xray.core.errors import ResourceError
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.feed import Batch, Feed, InMemoryFeed, Pass
from xray.pipeline.train.prepare import PREPARE_TASKS, prepare
from xray.pipeline.train.transform import Preparation, masks_of, pixels_of
from xray.runs.trial import Trial

if TYPE_CHECKING:
    from ray import ObjectRef

_MAX_CACHED_SHARE = 0.5
"""Share of Ray's object store that prepared images may take."""
_SHARDS_PER_TASK = 8
_IMAGES_PER_STREAM = 65_536
"""Images per Ray Data stream: short passes share one, so that they do not each wait for a stream to start."""


def cache_in_object_store(data: TrainingData, trials: Sequence[Trial]) -> TrainingData:
    """Prepare every image once for all trials, if `feed` asks for it and they fit in Ray's object store.

    Args:
        data: of the trials.
        trials: with the same `feed`: `auto`, `hold` or `stream`.

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
    return replace(data, cached=_cache(data, list(keys)))


def _cache(
    data: TrainingData, keys: Sequence[tuple[str, Preparation]]
) -> dict[tuple[str, Preparation], list[ObjectRef[pa.Table]]]:
    preparations = list(dict.fromkeys(how for _, how in keys))
    tasks: list[dict[str, Any]] = []
    for name, how in keys:
        groups, index = _groups(sorted(set(data.samples[name].shard))), preparations.index(how)
        tasks += [{"scenario": name, "preparation": index, "shards": group, "samples": None} for group in groups]
    references = _prepared(data.uri, preparations, tasks).materialize().to_arrow_refs()
    assert len(references) == len(tasks), "Ray Data returned other blocks than it was given"
    cached: dict[tuple[str, Preparation], list[ObjectRef[pa.Table]]] = {}
    for task, reference in zip(tasks, references, strict=True):
        cached.setdefault((task["scenario"], preparations[task["preparation"]]), []).append(reference)
    return cached


def feed_for(data: TrainingData, scenario: str, model: str) -> Feed:
    """Return the feed of a scenario's images, prepared for a model."""
    preparation = data.preparations[model]
    if (key := (scenario, preparation)) in data.cached:
        return InMemoryFeed(ray.get(list(data.cached[key])), preparation)
    return StreamedFeed(data.uri, preparation)


class StreamedFeed:
    """A feed of images that Ray Data reads and prepares while others are trained on.

    Args:
        uri: of the run.
        preparation: of the model.
    """

    def __init__(self, uri: str, preparation: Preparation) -> None:
        self.uri, self.preparation = uri, preparation

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """See `Feed`. Prepared images are kept until they are used."""
        for stream in _streams(passes):
            tasks = [task for images in stream for task in _tasks(images)]
            blocks = iter(
                _prepared(self.uri, [self.preparation], tasks).iter_batches(
                    batch_size=None, batch_format="pyarrow", prefetch_batches=2
                )
            )
            for images in stream:
                yield from self._pass_batches(images, blocks)

    def _pass_batches(self, images: Pass, blocks: Iterator[pa.Table]) -> Iterator[Batch]:
        waiting: dict[str, Batch] = {}
        for batch in images.batches:
            ids = [images.samples.sample_id[index] for index in batch.tolist()]
            while not waiting.keys() >= set(ids):
                waiting |= dict(self._images(next(blocks)))
            pairs = [waiting.pop(name) for name in ids]
            masks = np.stack([mask for _, mask in pairs if mask is not None]) if self.preparation.masks else None
            yield np.stack([image for image, _ in pairs]), masks

    def _images(self, block: pa.Table) -> Iterator[tuple[str, Batch]]:
        images_NHWC = pixels_of(block, self.preparation.side)
        masks = masks_of(block, self.preparation.side) if self.preparation.masks else [None] * len(block)
        for name, image, mask in zip(block.column("sample_id").to_pylist(), images_NHWC, masks, strict=True):
            yield name, (image, mask)


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
    """Yield the tasks that prepare a pass, rows of PREPARE_TASKS, in the order of their use."""
    samples = images.samples
    by_shard: dict[str, list[str]] = {}
    for batch in images.batches:
        for index in batch.tolist():
            by_shard.setdefault(samples.shard[index], []).append(samples.sample_id[index])
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
