"""Images that are trained on, prepared by Ray Data: held in Ray's object store, or streamed while others are used."""

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
from xray.core.errors import XrayError
from xray.pipeline.train.dataset import Material
from xray.pipeline.train.feed import Batch, Feed, HeldFeed, Pass
from xray.pipeline.train.prepare import UNITS, prepare
from xray.pipeline.train.transform import Preparation, masks_of, pixels_of
from xray.runs.trial import Trial

if TYPE_CHECKING:
    from ray import ObjectRef

_HELD_SHARE = 0.5
"""Of Ray's object store that prepared images may take."""
_SHARDS_AT_ONCE = 8
_LEG = 65_536
"""Images that are asked of Ray Data at once: passes of small scenarios together, so that none waits for its start."""


def hold(material: Material, trials: Sequence[Trial]) -> Material:
    """Prepare every image once for all trials, if they are to be held and fit Ray's object store.

    Args:
        material: of the trials.
        trials: with the same settings of `feed`: `auto`, `hold` or `stream`.

    Returns:
        The same, with what is held.

    Raises:
        XrayError: they are to be held and do not fit.
    """
    feed = trials[0].training.feed
    wanted = dict.fromkeys(
        (name, material.preparations[trial.model]) for trial in trials for name in (trial.scenario, *trial.tests)
    )
    size = sum(len(material.samples[name]) * how.side**2 * (4 if how.masks else 3) for name, how in wanted)
    room = _HELD_SHARE * resources().get("object_store_memory", 0)
    if feed == "stream" or (feed == "auto" and size > room):
        return material
    if size > room:
        raise XrayError(
            f"`feed: hold` needs {size / 1e9:.1f} GB of Ray's object store, of which {room / 1e9:.1f} GB may be taken; "
            "`feed: auto` streams what does not fit"
        )
    return replace(material, held=_held(material, list(wanted)))


def _held(
    material: Material, wanted: Sequence[tuple[str, Preparation]]
) -> dict[tuple[str, Preparation], list[ObjectRef[pa.Table]]]:
    preparations = list(dict.fromkeys(how for _, how in wanted))
    units: list[dict[str, Any]] = []
    for name, how in wanted:
        groups, place = _groups(sorted(set(material.samples[name].shard))), preparations.index(how)
        units += [{"scenario": name, "preparation": place, "shards": group, "samples": None} for group in groups]
    references = _prepared(material.uri, preparations, units).materialize().to_arrow_refs()
    assert len(references) == len(units), "Ray Data made other blocks than it was given"
    held: dict[tuple[str, Preparation], list[ObjectRef[pa.Table]]] = {}
    for unit, reference in zip(units, references, strict=True):
        held.setdefault((unit["scenario"], preparations[unit["preparation"]]), []).append(reference)
    return held


def feed_of(material: Material, scenario: str, model: str) -> Feed:
    """Where the pixels of a scenario come from, as a model sees them."""
    preparation = material.preparations[model]
    if (key := (scenario, preparation)) in material.held:
        return HeldFeed(ray.get(list(material.held[key])), preparation)
    return StreamedFeed(material.uri, preparation)


class StreamedFeed:
    """Images that Ray Data reads, decodes and makes square while others are trained on.

    Args:
        uri: of the run.
        preparation: how they are made square.
    """

    def __init__(self, uri: str, preparation: Preparation) -> None:
        self.uri, self.preparation = uri, preparation

    def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
        """See `Feed`. Of what was prepared only that which has not been used is kept."""
        for leg in _legs(passes):
            units = [unit for one in leg for unit in _units(one)]
            blocks = iter(
                _prepared(self.uri, [self.preparation], units).iter_batches(
                    batch_size=None, batch_format="pyarrow", prefetch_batches=2
                )
            )
            for one in leg:
                yield from self._of_pass(one, blocks)

    def _of_pass(self, one: Pass, blocks: Iterator[pa.Table]) -> Iterator[Batch]:
        waiting: dict[str, Batch] = {}
        for batch in one.batches:
            ids = [one.samples.sample_id[place] for place in batch.tolist()]
            while not waiting.keys() >= set(ids):
                waiting |= dict(self._images(next(blocks)))
            ours = [waiting.pop(name) for name in ids]
            masks = np.stack([mask for _, mask in ours if mask is not None]) if self.preparation.masks else None
            yield np.stack([image for image, _ in ours]), masks

    def _images(self, block: pa.Table) -> Iterator[tuple[str, Batch]]:
        images_NHWC = pixels_of(block, self.preparation.side)
        masks = masks_of(block, self.preparation.side) if self.preparation.masks else [None] * len(block)
        for name, image, mask in zip(block.column("sample_id").to_pylist(), images_NHWC, masks, strict=True):
            yield name, (image, mask)


def _legs(passes: Iterable[Pass]) -> Iterator[list[Pass]]:
    """Passes that are streamed together."""
    leg: list[Pass] = []
    images = 0
    for one in passes:
        leg.append(one)
        images += sum(map(len, one.batches))
        if images >= _LEG:
            yield leg
            leg, images = [], 0
    if leg:
        yield leg


def _units(one: Pass) -> Iterator[dict[str, Any]]:
    """What is prepared together for a pass, in the order of its use."""
    samples = one.samples
    in_shard: dict[str, list[str]] = {}
    for batch in one.batches:
        for place in batch.tolist():
            in_shard.setdefault(samples.shard[place], []).append(samples.sample_id[place])
    for group in _groups(list(in_shard)):
        names = [name for shard in group for name in in_shard[shard]]
        yield {"scenario": samples.scenario, "preparation": 0, "shards": group, "samples": names}


def _groups(shards: Sequence[str]) -> list[Sequence[str]]:
    return [shards[start : start + _SHARDS_AT_ONCE] for start in range(0, len(shards), _SHARDS_AT_ONCE)]


def _prepared(uri: str, preparations: Sequence[Preparation], units: Sequence[Mapping[str, Any]]) -> ray.data.Dataset:
    """Prepared images by Ray Data, one block for each unit (rows of UNITS), in that order."""
    blocks = [pa.Table.from_pylist([unit], UNITS) for unit in units]
    work = functools.partial(prepare, uri, preparations)
    dataset: ray.data.Dataset = ray.data.from_arrow(blocks).map_batches(
        work, batch_size=1, batch_format="pyarrow", zero_copy_batch=True, num_cpus=1
    )
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    dataset.context.enable_progress_bars = False
    dataset.context.print_on_execution_start = False
    dataset.context.execution_options.preserve_order = True
    return dataset
