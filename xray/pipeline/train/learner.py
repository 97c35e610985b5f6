"""Fitting one network: epochs, validation, the best weights, and predictions with them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xray.core.errors import ConfigError, ResourceError, XrayError
from xray.core.hashing import digest
from xray.models.registry import parse_model
from xray.models.weights.checkpoint import Weights
from xray.pipeline.train.augment import augment
from xray.pipeline.train.dataset import Samples
from xray.pipeline.train.feed import Batch, Feed, Pass
from xray.pipeline.train.objective import OBJECTIVES, PredictionColumns
from xray.pipeline.train.optimizer import class_weights, learning_rate, make_optimizer
from xray.pipeline.train.shuffle import Order, batch_slices, epoch_order, worker_share
from xray.runs.checkpoints import TrainState, copy_weights
from xray.runs.trial import Trial, differences

if TYPE_CHECKING:
    import torch

_INFERENCE_BATCH = 64
_SHOWN_IDS = 8

Tensors = tuple["torch.Tensor", "torch.Tensor", "torch.Tensor | None"]
"""Network input (N, 3, side, side) or logits; labels (N,); masks (N, side, side) or None."""


@dataclass(frozen=True)
class Worker:
    """One of the processes that train a model together, on a device of torch such as `cpu` or `cuda:0`."""

    device: str = "cpu"
    rank: int = 0
    workers: int = 1

    def sum(self, *values: float) -> tuple[float, ...]:
        """Sum each value over all workers."""
        import torch

        if self.workers == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return tuple(total.tolist())


class Learner:
    """A network in training, as one worker holds it.

    Its `history` has one row of HISTORY per finished epoch, without the trial's columns; `best` are the weights of the
    best epoch so far, by the images of `validation`. `raw_model` is the network itself; `ddp_model` wraps it in
    DistributedDataParallel if there are several workers.

    Raises:
        ResourceError: `precision: float16` without a GPU.
        ConfigError: fewer images than the workers need.
    """

    def __init__(
        self, trial: Trial, classes: int, feed: Feed, train: Samples, validation: Samples, worker: Worker
    ) -> None:
        import torch

        self.trial, self.feed, self.train, self.validation, self.worker = trial, feed, train, validation, worker
        self.history: list[dict[str, Any]] = []
        self.best: Weights = {}
        training, self.device = trial.training, torch.device(worker.device)
        min_images = 2 * worker.workers * training.accumulate  # batch normalisation needs two in each part
        if training.precision == "float16" and self.device.type != "cuda":
            raise ResourceError(f"`precision: float16` needs a GPU; on {worker.device}, use bfloat16")
        if len(train) < min_images:
            raise ConfigError(
                f"{trial.name} has {len(train)} images to train on; with `workers: {worker.workers}` and "
                f"`accumulate: {training.accumulate}` it needs {min_images}"
            )
        torch.manual_seed(trial.trial_seed)
        model = parse_model(trial.spec)
        self.objective = OBJECTIVES[model.task](classes)
        self.network = model.trainable(self.objective.outputs, training.side, training.pretrained)
        self.raw_model: torch.nn.Module = self.network.module.to(self.device)
        self.ddp_model = self.raw_model
        if worker.workers > 1:
            self.ddp_model = torch.nn.parallel.DistributedDataParallel(
                self.raw_model, find_unused_parameters=model.task == "segmentation"
            )
        self.optimizer = make_optimizer(training, self.raw_model)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=training.precision == "float16")
        self.weight_K = torch.from_numpy(class_weights(training, train.label_N)).to(self.device)
        mean_C, std_C = (torch.tensor(values, device=self.device) for values in (self.network.mean, self.network.std))
        self._scale, self._shift = (255 * std_C).view(1, 3, 1, 1), (mean_C / std_C).view(1, 3, 1, 1)
        self._shard_N, self._hash_N = train.shard_N, train.hash_N
        self._steps = batch_slices(len(train), training.batch, min_images)
        self._batches: Iterator[Batch] | None = None

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch, of those finished, whose weights are tested; see `Training.best`."""
        rule, history = self.trial.training.best, self.history
        if rule == "last":
            return self.epochs - 1
        if rule == "score":
            return max(range(self.epochs), key=lambda epoch: history[epoch]["validation_score"])
        return min(range(self.epochs), key=lambda epoch: history[epoch]["validation_loss"])

    @property
    def done(self) -> bool:
        """Whether all epochs are done or early stopping triggered."""
        training = self.trial.training
        if self.epochs >= training.epochs:
            return True
        if training.patience is None or not self.epochs:
            return False
        return self.epochs - 1 - self.best_epoch >= training.patience

    def state(self) -> TrainState:
        """Return the state to resume from."""
        return TrainState(
            copy_weights(self.raw_model),
            self.optimizer.state_dict(),
            self.best,
            self.history,
            self.trial.decisive,
            self.scaler.state_dict(),
        )

    def restore(self, state: TrainState) -> None:
        """Resume from a state.

        Raises:
            XrayError: it has other settings, or weights of another network.
        """
        from xray.models.weights.checkpoint import load_strictly

        if changed := differences(state.decisive, self.trial.decisive):
            raise ConfigError(
                f"{self.trial.name} was started with other settings ({changed}): `--restart` drops its state"
            )
        load_strictly(self.raw_model, state.model, self.trial.name)
        self.optimizer.load_state_dict(state.optimizer)
        if state.scaler:
            self.scaler.load_state_dict(state.scaler)
        self.best, self.history = state.best, state.history

    def epoch(self) -> dict[str, Any]:
        """Train for one more epoch, then validate; return the row that is appended to `history`.

        Raises:
            XrayError: the loss is not a number; names the step and the images.
        """
        import torch

        started, number = time.perf_counter(), self.epochs
        torch.manual_seed(digest(self.trial.trial_seed, "epoch", number, bits=63))
        if self._batches is None:
            self._batches = self.feed(self._passes())
        train_loss, train_score = self._train(number, self._batches)
        validation_loss, metrics = self._validate(self._batches)
        row = {
            "epoch": number,
            "learning_rate": self._learning_rate(number, 0),
            "train_loss": train_loss,
            "train_score": train_score,
            "validation_loss": validation_loss,
            "validation_score": metrics.pop(self.objective.score),
            "metric": self.objective.score,
            "seconds": time.perf_counter() - started,
            "images": len(self.train),
            **{f"validation_{name}": value for name, value in metrics.items()},
        }
        self.history.append(row)
        if self.best_epoch == number:
            self.best = copy_weights(self.raw_model)
        if self.done:
            self._batches = None  # stops a feed that prefetches before the test starts another
        return row

    def use_best(self) -> None:
        """Load the weights of the best epoch."""
        self.raw_model.load_state_dict(self.best)

    def predict(self, samples: Samples, feed: Feed) -> PredictionColumns:
        """Predict one or more images, in their order, on this worker alone."""
        images = Pass(samples, _inference_batches(np.arange(len(samples))))
        columns = [self.objective.to_predictions(*output) for output in self._infer(images, feed([images]))]
        return {name: np.concatenate([batch[name] for batch in columns]) for name in columns[0]}

    def _learning_rate(self, epoch: int, step: int) -> float:
        return learning_rate(self.trial.training, epoch * len(self._steps) + step, len(self._steps))

    def _passes(self) -> Iterator[Pass]:
        """Yield all that this worker has still to see, so that a feed can prefetch."""
        for epoch in range(self.epochs, self.trial.training.epochs):
            yield Pass(self.train, self._train_parts(epoch))
            yield self._validation_pass()

    def _train_parts(self, epoch: int) -> list[Order]:
        """Return this worker's share of an epoch's batches, `accumulate` parts of each."""
        order_N = epoch_order(self._shard_N, self._hash_N, self.trial.trial_seed, epoch)
        rank, workers, accumulate = self.worker.rank, self.worker.workers, self.trial.training.accumulate
        return [order_N[part] for batch in self._steps for part in worker_share(batch, rank, workers, accumulate)]

    def _validation_pass(self) -> Pass:
        index_N, workers = np.arange(len(self.validation)), self.worker.workers
        share = index_N[self.worker.rank :: workers] if len(index_N) >= workers else index_N
        return Pass(self.validation, _inference_batches(share))

    def _train(self, epoch: int, batches: Iterator[Batch]) -> tuple[float, float]:
        """Fit the weights for one epoch; return the mean loss and the score over all workers' images."""
        accumulate, parts = self.trial.training.accumulate, iter(self._train_parts(epoch))
        metrics = self.objective.metrics(self.device)
        self.ddp_model.train()
        total = 0.0
        for step, batch in enumerate(self._steps):
            for group in self.optimizer.param_groups:
                group["lr"] = self._learning_rate(epoch, step)
            self.optimizer.zero_grad(set_to_none=True)
            for index in range(accumulate):
                part, last = next(parts), index == accumulate - 1
                loss = self._backward(part, next(batches), batch.stop - batch.start, epoch, last, metrics)
                if not math.isfinite(loss):
                    raise self._divergence(epoch, step, part)
                total += loss
            self.scaler.step(self.optimizer)
            self.scaler.update()
        (total,) = self.worker.sum(total)
        return total / len(self.train), float(metrics.compute()[self.objective.score])

    def _backward(self, index: Order, batch: Batch, size: int, epoch: int, last: bool, metrics: Any) -> float:
        """Add the gradients of a part of a batch of `size` images; return the sum of its losses."""
        batch = augment(self.trial.training.augment, *batch, self._hash_N[index], self.trial.trial_seed, epoch)
        input_NCHW, label_N, mask_NHW = self._to_tensors(batch, self.train, index)
        synchronise = last or self.worker.workers == 1
        with contextlib.nullcontext() if synchronise else self.ddp_model.no_sync():  # type: ignore[operator]
            with self._autocast():
                logits = self.ddp_model(input_NCHW)
            loss_N = self.objective.loss(logits, label_N, mask_NHW)
            # DDP averages over workers: times their number it sums, so that each image counts the same.
            loss = (loss_N * self.weight_K[label_N]).sum() * (self.worker.workers / size)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        metrics.update(logits.detach().argmax(dim=1), self.objective.target(label_N, mask_NHW))
        return float(loss_N.detach().sum())

    def _validate(self, batches: Iterator[Batch]) -> tuple[float, dict[str, float]]:
        """Return the mean loss over the validation images, and the metrics by name, over all workers."""
        metrics = self.objective.metrics(self.device)
        images = self._validation_pass()
        total = 0.0
        for logits, label_N, mask_NHW in self._infer(images, batches):
            total += float(self.objective.loss(logits, label_N, mask_NHW).sum())
            metrics.update(logits.argmax(dim=1), self.objective.target(label_N, mask_NHW))
        total, count = self.worker.sum(total, sum(map(len, images.batches)))
        return total / count, {name: float(value) for name, value in metrics.compute().items()}

    def _infer(self, images: Pass, batches: Iterable[Batch]) -> Iterator[Tensors]:
        """Yield logits, labels and masks of each batch."""
        import torch

        self.ddp_model.eval()
        for index, batch in zip(images.batches, batches, strict=False):
            input_NCHW, label_N, mask_NHW = self._to_tensors(batch, images.samples, index)
            with torch.inference_mode(), self._autocast():
                logits = self.raw_model(input_NCHW)
            yield logits, label_N, mask_NHW

    def _to_tensors(self, batch: Batch, samples: Samples, index: Order) -> Tensors:
        """Convert a batch and its labels to normalised tensors on the device."""
        import torch

        images_NHWC, masks_NHW = batch
        pixels_NCHW = torch.from_numpy(images_NHWC).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        input_NCHW = pixels_NCHW.float() / self._scale - self._shift
        masks = None if masks_NHW is None else torch.from_numpy(masks_NHW).to(self.device)
        return input_NCHW, torch.from_numpy(samples.label_N[index]).to(self.device), masks

    def _autocast(self) -> Any:
        import torch

        precision = self.trial.training.precision
        return torch.autocast(self.device.type, getattr(torch, precision), enabled=precision != "float32")

    def _divergence(self, epoch: int, step: int, index: Order) -> XrayError:
        ids = self.train.sample_id[index].tolist()
        more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
        return XrayError(
            f"{self.trial.name}: the loss is not a number in epoch {epoch}, step {step} "
            f"(learning rate {self._learning_rate(epoch, step):.3g}), on the images {', '.join(ids[:_SHOWN_IDS])}{more}"
        )


def _inference_batches(index: Order) -> list[Order]:
    return [index[batch] for batch in batch_slices(len(index), _INFERENCE_BATCH, min_size=1)]
