"""Flips one random bit of a finished run, again and again, and asks everybody who reads that kind of file.

    python tests/chaos readers RUN --flips 300

Each reader must refuse the file, in one line that names it, or give what it gave before. The run is copied first.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import shutil
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import xray
from xray.core.errors import Rejected, XrayError
from xray.pipeline.evaluate.worker import EvaluateWorker
from xray.pipeline.generate.donors import Donors
from xray.pipeline.generate.render import Renderer
from xray.pipeline.generate.shows import removed_of
from xray.pipeline.score import score
from xray.pipeline.train.dataset import TrainingData
from xray.pipeline.train.streaming import PREPARE_TASKS, prepare
from xray.pipeline.worker import ignore_batch
from xray.report.page import build_report
from xray.runs.checkpoints import Checkpoints
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import parse_training_shard, training
from xray.runs.trial import list_trials

TABLES = ("source", "plan", "folds", "backgrounds", "masks", "removed", "images", "predictions", "history")
DERIVED = ("scores", "drops", "robustness")
_TIMES = re.compile(r"20\d\d-\d\d-\d\d[^<]*")


def open_tables(run: RunFolder) -> str:
    """Read every table."""
    opened = xray.open(run.uri)
    tables = [opened.table(name) for name in (*TABLES, *DERIVED)]
    return _hash(str(table.to_pylist()) for table in tables) + opened.trials().to_csv()


def score_run(run: RunFolder) -> str:
    """Score the predictions."""
    scores = score(run)
    return _hash(frame.to_csv() for frame in (scores.drops, scores.accuracy, scores.by_category))


def report(run: RunFolder) -> str:
    """Write the report."""
    return _hash([_TIMES.sub("", build_report(run))])


def evaluate(run: RunFolder) -> str:
    """Predict the images of the first shard again, with the model that did it."""
    model = run.store.evaluated()[0]
    name = run.plan.shards()[0]
    spec = run.store.receipt(("evaluate", model), name).facts["spec"]
    worker = EvaluateWorker(run.uri, {model: spec}, "cpu", False, ignore_batch)
    images = worker._images(name)
    return _hash(str(row) for row in worker._predict(*worker.model, images).values())


def render(run: RunFolder) -> str:
    """Render the first shard again."""
    name, renderer = run.plan.shards()[0], Renderer(run.recipe, Donors(run.recipe, run))
    masks = run.store.masks(ShardId(name).batch)
    rendered = renderer.shard(run.plan.shard(name), masks, removed=removed_of(run, name))
    return _hash([str(rendered.images.to_pylist())])


def sweep(run: RunFolder) -> str:
    """Read what trainings read: samples, prepared images of the first shard, checkpoints and finished weights."""
    assert run.recipe.training is not None
    trials = list_trials(run.recipe.training, run.recipe_values)
    data = TrainingData.load(run, trials)
    texts = [str([(name, samples.sample_id.tolist()) for name, samples in data.samples.items()]), str(data.folds)]
    shard = run.plan.shards()[0]
    for trial in trials[:1]:
        task = {"scenario": trial.scenario, "preparation": 0, "shards": [shard], "samples": None}
        prepared = prepare(
            run.uri, [data.preparations[trial.model]], PREPARE_TASKS.empty_table().from_pylist([task], PREPARE_TASKS)
        )
        texts.append(str(prepared.to_pydict()))
    for trial in trials:
        checkpoints = Checkpoints(run.store.trial_folder(*trial.key))
        state = checkpoints.read()
        texts.append("" if state is None else str(state.history) + _values(state.model) + _values(state.best))
    for (model, scenario), numbers in run.store.trained().items():
        for receipt, (fold, repeat) in zip(run.store.receipts(training(model, scenario)), numbers, strict=True):
            assert parse_training_shard(receipt.shard) == (fold, repeat)
            weights, facts = Checkpoints(run.store.trial_folder(model, scenario, fold, repeat)).finished(
                receipt.files["weights"]
            )
            texts.append(str(facts) + _values(weights))
    return _hash(texts)


Reader = Callable[[RunFolder], str]
KINDS: dict[str, tuple[str, Sequence[Reader]]] = {
    "record": ("run.json", (evaluate, score_run, report, sweep, open_tables, render)),
    "receipts": ("receipts/*/**/*.json", (open_tables, score_run, report)),
    "source": ("source/*.parquet", (score_run, report, sweep, open_tables, render)),
    "plan": ("plan/*.parquet", (evaluate, report, sweep, open_tables, render)),
    "folds": ("folds.parquet", (sweep, open_tables)),
    "backgrounds": ("backgrounds.parquet", (open_tables, render)),
    "masks": ("masks/**/*.parquet", (score_run, report, sweep, open_tables, render)),
    "removed": ("removed/**/*.parquet", (open_tables, render)),
    "images": ("images/**/*.parquet", (evaluate, report, sweep, open_tables)),
    "predictions": ("predictions/**/*.parquet", (score_run, report, open_tables)),
    "history": ("history/**/*.parquet", (open_tables, report)),
    "derived": ("*.parquet", (open_tables, report)),
    "checkpoints": ("trials/**/last.safetensors", (sweep,)),
    "failures": ("trials/**/failed.json", (open_tables, report)),
    "weights": ("trials/**/model.safetensors", (sweep,)),
}
"""Which files, and who reads them."""


def files(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind."""
    plan = ("folds.parquet", "backgrounds.parquet") if kind == "derived" else ()
    return sorted(path for path in folder.glob(KINDS[kind][0]) if path.name not in plan)


def ask(reader: Reader, folder: Path) -> tuple[str, str]:
    """Return what a reader says, or how it refuses, with its kind: said, refused, or traceback."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "said", reader(RunFolder(str(folder)))
    except (XrayError, Rejected) as error:
        return "refused", str(error)
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return "traceback", f"{type(error).__name__}: {error}"


def flip_bits(
    folder: Path, kind: str, flips: int, seed: int = 0, readers: Sequence[Reader] | None = None
) -> tuple[Counter[str], list[str]]:
    """Flip bits of files of a kind, each alone, and ask its readers, or some of them.

    Returns:
        How often readers `refused`, gave the `same`, gave an `other` result, or ended in a `traceback`; and one line
        about each of the last two.
    """
    readers, victims = readers or KINDS[kind][1], files(folder, kind)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    right = {reader: ask(reader, folder) for reader in readers}
    _restore(before)
    outcomes: Counter[str] = Counter()
    lines = [f"{reader.__name__} without a flip: {said}" for reader, (how, said) in right.items() if how != "said"]
    draw = np.random.default_rng(seed)
    for _ in range(flips):
        path = victims[int(draw.integers(len(victims)))]
        data = bytearray(before[path])
        position = int(draw.integers(len(data)))
        data[position] ^= 1 << int(draw.integers(8))
        path.write_bytes(data)
        for reader in readers:
            how, said = ask(reader, folder)
            outcome = how if how != "said" else "same" if said == right[reader][1] else "other"
            outcomes[outcome] += 1
            if outcome in ("other", "traceback"):
                lines.append(f"{reader.__name__}, {path.relative_to(folder)}, byte {position}: {outcome} {said[:200]}")
            _restore(before, {path})
    _restore(before)
    return outcomes, lines


def _restore(before: dict[Path, bytes], but: set[Path] = frozenset()) -> None:  # type: ignore[assignment]
    """Write files again that a reader has changed, except for the flipped one."""
    for path, data in before.items():
        if path not in but and (not path.exists() or path.read_bytes() != data):
            path.write_bytes(data)


def _values(weights: Mapping[str, Any]) -> str:
    return str({name: value.numpy().tobytes() for name, value in sorted(weights.items())})


def _hash(texts: Any) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path, nargs="?", help="a finished run; default: a small one is made")
    options.add_argument("--flips", type=int, default=20, help="of each kind of file")
    options.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    totals: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack():
        folder = Path(name) / "copy"
        if chosen.run is None:
            from support.finished_runs import finished

            finished(Path(name) / "made")
            chosen.run = Path(name) / "made/run"
        shutil.copytree(chosen.run, folder)
        for kind in (kind for kind in chosen.kinds if files(folder, kind)):
            started = time.perf_counter()
            outcomes, lines = flip_bits(folder, kind, chosen.flips, chosen.seed)
            totals += outcomes
            print(
                f"{kind:12} {dict(outcomes)} in {time.perf_counter() - started:.0f} s",
                *lines[:5],
                sep="\n    ",
                flush=True,
            )
    print(
        json.dumps(
            {"flips": chosen.flips, **{name: totals[name] for name in ("refused", "same", "other", "traceback")}}
        )
    )


if __name__ == "__main__":
    main()
