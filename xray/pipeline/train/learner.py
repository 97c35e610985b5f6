"""Fitting one network: epochs, validation, the best weights, and predictions with them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from xray.core.errors import ConfigError, ResourceError, XrayError
from xray.core.hashing import digest
from xray.models.base import Trainable
from xray.models.weights.checkpoint import Weights
from xray.pipeline.train.augment import augment
from xray.pipeline.train.feed import Batch, Feed, Pass
from xray.pipeline.train.objective import Objective, PredictionColumns, concatenate
from xray.pipeline.train.optimizer import class_weights, learning_rate, make_optimizer
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.shuffle import Order, batch_slices, epoch_order, worker_share
from xray.pipeline.train.tensors import Tensors, ToTensors
from xray.runs.checkpoints import TrainState, copy_weights
from xray.runs.trial import Trial, differences

if TYPE_CHECKING:
    import torch

_INFERENCE_BATCH = 64
_SHOWN_IDS = 8


@dataclass(frozen=True)
class Worker:
    """One of the processes that train a model together.

    Args:
        device: for torch, such as `cpu` or `cuda:0`.
        rank: 0 … workers − 1.
        workers: how many there are.
    """

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


@dataclass
class Learner:
    """A network in training, as one worker holds it; `build` creates it.

    Args:
        trial: the planned training.
        network: the network that is trained.
        objective: of its task.
        feed: the pixels of the scenario that it is trained on.
        train: the images that the weights are fitted to.
        validation: the images that choose the best epoch.
        worker: this process.
        raw_model: the network itself, on the worker's device.
        ddp_model: `raw_model`, wrapped in DistributedDataParallel if there are several workers.
        optimizer: of the weights.
        scaler: of the gradients; enabled for `precision: float16`.
        to_tensors: moves batches to the device.
        weight_K: weight of each category in the loss.
        best: weights of the best epoch so far.
        history: one row of HISTORY per finished epoch, without the trial's columns.
    """

    trial: Trial
    network: Trainable
    objective: Objective
    feed: Feed
    train: Samples
    validation: Samples
    worker: Worker
    raw_model: torch.nn.Module
    ddp_model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    to_tensors: ToTensors
    weight_K: torch.Tensor
    best: Weights = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._shard_N, self._hash_N = self.train.shard_N, self.train.hash_N
        training = self.trial.training
        self._steps = batch_slices(len(self.train), training.batch, _min_images(self.trial, self.worker))
        self._batches: Iterator[Batch] | None = None

    @classmethod
    def build(
        cls,
        trial: Trial,
        network: Trainable,
        objective: Objective,
        feed: Feed,
        train: Samples,
        validation: Samples,
        worker: Worker | None = None,
    ) -> Self:
        """Move a network to the worker's device and prepare to train it; the arguments are those of the class.

        Raises:
            ResourceError: `precision: float16` without a GPU.
            ConfigError: fewer images than the workers need.
        """
        import torch

        worker = worker or Worker()
        device = torch.device(worker.device)
        _check(trial, train, worker)
        raw_model = network.module.to(device)
        ddp_model: torch.nn.Module = raw_model
        if worker.workers > 1:
            ddp_model = torch.nn.parallel.DistributedDataParallel(
                raw_model, find_unused_parameters=network.task == "segmentation"
            )
        return cls(
            trial,
            network,
            objective,
            feed,
            train,
            validation,
            worker,
            raw_model,
            ddp_model,
            make_optimizer(trial.training, raw_model),
            torch.amp.GradScaler(device.type, enabled=trial.training.precision == "float16"),
            ToTensors.build(network.mean, network.std, device),
            torch.from_numpy(class_weights(trial.training, train.label_N)).to(device),
        )

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
            return max(range(self.epochs), key=lambda epoch: (history[epoch]["validation_score"], -epoch))
        return min(range(self.epochs), key=lambda epoch: (history[epoch]["validation_loss"], epoch))

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
        """Train for one more epoch, then validate.

        Returns:
            The row that is appended to `history`.

        Raises:
            XrayError: the loss is not a number; names the step and the images.
        """
        import torch

        started, number = time.perf_counter(), self.epochs
        torch.manual_seed(digest(self.trial.trial_seed, "epoch", number, bits=63))
        if self._batches is None:
            self._batches = self.feed.batches(self._passes())
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
        """Predict images, in their order, on this worker alone."""
        images = Pass(samples, _inference_batches(np.arange(len(samples))))
        outputs = self._infer(images, feed.batches([images]))
        return concatenate([self.objective.to_predictions(*output) for output in outputs])

    def _learning_rate(self, epoch: int, step: int) -> float:
        return learning_rate(self.trial.training, epoch * len(self._steps) + step, len(self._steps))

    def _passes(self) -> Iterator[Pass]:
        """Yield all that this worker has still to see, so that a feed can prefetch."""
        for epoch in range(self.epochs, self.trial.training.epochs):
            yield Pass(self.train, self._train_parts(epoch))
            yield Pass(self.validation, self._validation_batches())

    def _train_parts(self, epoch: int) -> list[Order]:
        """Return this worker's share of an epoch's batches, `accumulate` parts of each."""
        accumulate, worker = self.trial.training.accumulate, self.worker
        order_N = epoch_order(self._shard_N, self._hash_N, self.trial.trial_seed, epoch)
        return [
            order_N[part]
            for batch in self._steps
            for part in worker_share(batch, worker.rank, worker.workers, accumulate)
        ]

    def _validation_batches(self) -> list[Order]:
        index_N, workers = np.arange(len(self.validation)), self.worker.workers
        share = index_N[self.worker.rank :: workers] if len(index_N) >= workers else index_N
        return _inference_batches(share)

    def _train(self, epoch: int, batches: Iterator[Batch]) -> tuple[float, float]:
        """Fit the weights for one epoch; return the mean loss and the score over all workers' images."""
        accumulate, parts = self.trial.training.accumulate, self._train_parts(epoch)
        metrics = self.objective.metrics().to(self.to_tensors.device)
        self.ddp_model.train()
        total = 0.0
        for step, batch in enumerate(self._steps):
            rate = self._learning_rate(epoch, step)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad(set_to_none=True)
            for index in range(accumulate):
                part = parts[step * accumulate + index]
                last, size = index == accumulate - 1, batch.stop - batch.start
                loss = self._backward(part, next(batches), size, epoch, last, metrics)
                if not math.isfinite(loss):
                    raise self._divergence(epoch, step, part)
                total += loss
            self.scaler.step(self.optimizer)
            self.scaler.update()
        (total,) = self.worker.sum(total)
        return total / len(self.train), float(metrics.compute()[self.objective.score])

    def _backward(self, index: Order, batch: Batch, size: int, epoch: int, last: bool, metrics: Any) -> float:
        """Add the gradients of a part of a batch of `size` images; return the sum of its losses."""
        images, masks = augment(self.trial.training.augment, *batch, self._hash_N[index], self.trial.trial_seed, epoch)
        input_NCHW, label_N, mask_NHW = self.to_tensors(images, masks, self.train.label_N[index])
        synchronise = last or self.worker.workers == 1
        with contextlib.nullcontext() if synchronise else self.ddp_model.no_sync():  # type: ignore[operator]
            with self._autocast():
                logits = self.ddp_model(input_NCHW)
            loss_N = self.objective.loss(logits, label_N, mask_NHW)
            # DDP averages over workers: times their number it sums, so that each image counts the same.
            loss = (loss_N * self.weight_K[label_N]).sum() * (self.worker.workers / size)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        metrics.update(*self.objective.metric_inputs(logits.detach(), label_N, mask_NHW))
        return float(loss_N.detach().sum())

    def _validate(self, batches: Iterator[Batch]) -> tuple[float, dict[str, float]]:
        """Return the mean loss over the validation images, and the metrics by name, over all workers."""
        metrics = self.objective.metrics().to(self.to_tensors.device)
        images = Pass(self.validation, self._validation_batches())
        total = 0.0
        for logits, label_N, mask_NHW in self._infer(images, batches):
            total += float(self.objective.loss(logits, label_N, mask_NHW).sum())
            metrics.update(*self.objective.metric_inputs(logits, label_N, mask_NHW))
        total, count = self.worker.sum(total, sum(map(len, images.batches)))
        return total / count, {name: float(value) for name, value in metrics.compute().items()}

    def _infer(self, images: Pass, batches: Iterable[Batch]) -> Iterator[Tensors]:
        """Yield logits, labels and masks of each batch."""
        import torch

        self.ddp_model.eval()
        for index, (pixels, masks) in zip(images.batches, batches, strict=False):
            input_NCHW, label_N, mask_NHW = self.to_tensors(pixels, masks, images.samples.label_N[index])
            with torch.inference_mode(), self._autocast():
                logits = self.raw_model(input_NCHW)
            yield logits, label_N, mask_NHW

    def _autocast(self) -> Any:
        import torch

        precision = self.trial.training.precision
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.to_tensors.device.type, dtype=getattr(torch, precision))

    def _divergence(self, epoch: int, step: int, index: Order) -> XrayError:
        ids = [self.train.sample_id[i] for i in index.tolist()]
        more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
        return XrayError(
            f"{self.trial.name}: the loss is not a number in epoch {epoch}, step {step} "
            f"(learning rate {self._learning_rate(epoch, step):.3g}), on the images {', '.join(ids[:_SHOWN_IDS])}{more}"
        )


def _min_images(trial: Trial, worker: Worker) -> int:
    """Return the smallest batch: two images, which batch normalisation needs, in each part of each worker."""
    return 2 * worker.workers * trial.training.accumulate


def _check(trial: Trial, train: Samples, worker: Worker) -> None:
    training = trial.training
    if training.precision == "float16" and not worker.device.startswith("cuda"):
        raise ResourceError(f"`precision: float16` needs a GPU; on {worker.device}, use bfloat16")
    if len(train) < _min_images(trial, worker):
        raise ConfigError(
            f"{trial.name} has {len(train)} images to train on; with `workers: {worker.workers}` and "
            f"`accumulate: {training.accumulate}` it needs {_min_images(trial, worker)}"
        )


def _inference_batches(index: Order) -> list[Order]:
    return [index[batch] for batch in batch_slices(len(index), _INFERENCE_BATCH, min_size=1)]
