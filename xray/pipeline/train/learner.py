"""Fitting one network: epochs, validation, the best weights, and predictions with them."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from xray.core.errors import XrayError
from xray.core.hashing import digest
from xray.models.base import Trainable
from xray.models.weights.checkpoint import Weights
from xray.pipeline.train.augment import augmented
from xray.pipeline.train.feed import Batch, Feed, Pass
from xray.pipeline.train.objective import Answers, Objective, joined
from xray.pipeline.train.optimizer import class_weights, learning_rate, optimizer_of
from xray.pipeline.train.samples import Samples
from xray.pipeline.train.shuffle import Order, epoch_order, share, steps
from xray.runs.checkpoints import Standing, copied
from xray.runs.trial import Trial, differences

if TYPE_CHECKING:
    import torch

_PREDICTED_AT_ONCE = 64
_SHOWN_IDS = 8


@dataclass(frozen=True)
class Place:
    """Where a worker stands.

    Args:
        device: of torch, such as `cpu` or `cuda:0`.
        rank: of the worker, 0 … workers − 1.
        workers: that train the model together.
    """

    device: str = "cpu"
    rank: int = 0
    workers: int = 1


@dataclass
class Learner:
    """A network that is being trained.

    Args:
        trial: what is trained.
        network: as it begins.
        objective: of its task.
        feed: of the scenario that it is trained within.
        train: the images that the weights are fitted to.
        validation: those that choose the best epoch.
        place: of this worker.
    """

    trial: Trial
    network: Trainable
    objective: Objective
    feed: Feed
    train: Samples
    validation: Samples
    place: Place = field(default_factory=Place)

    def __post_init__(self) -> None:
        import torch

        training, device = self.trial.training, torch.device(self.place.device)
        self.best: Weights = {}
        self.history: list[dict[str, Any]] = []
        self.module = self.network.module.to(device)
        self.device = device
        self.runs: torch.nn.Module = self.module
        if self.place.workers > 1:
            self.runs = torch.nn.parallel.DistributedDataParallel(
                self.module, find_unused_parameters=self.network.task == "segmentation"
            )
        self.optimizer = optimizer_of(training, self.module)
        if training.precision == "float16" and device.type != "cuda":
            raise XrayError(f"`precision: float16` needs a GPU, and this worker has {device}; bfloat16 does not")
        self.scaler = torch.amp.GradScaler(device.type, enabled=training.precision == "float16")
        self._scale = 255 * torch.tensor(self.network.std, device=device).view(1, 3, 1, 1)
        self._shift = (
            torch.tensor(self.network.mean, device=device) / torch.tensor(self.network.std, device=device)
        ).view(1, 3, 1, 1)
        least = 2 * self.place.workers * training.accumulate
        if len(self.train) < least:
            raise XrayError(
                f"{self.trial.name} has {len(self.train)} images to train on; with `workers: {self.place.workers}` and "
                f"`accumulate: {training.accumulate}` it needs {least}"
            )
        self._steps = steps(len(self.train), training.batch, least)
        self._weight_K = torch.from_numpy(class_weights(training, self.train.label_N)).to(device)
        self._shard_N, self._hash_N = self.train.shard_N, self.train.hash_N
        self._batches: Iterator[Batch] | None = None

    @property
    def epochs(self) -> int:
        """That it was trained so far."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """Whose weights are tested, of those so far; see `Training.best`."""
        how, history = self.trial.training.best, self.history
        if how == "last":
            return self.epochs - 1
        if how == "score":
            return max(range(self.epochs), key=lambda epoch: (history[epoch]["validation_score"], -epoch))
        return min(range(self.epochs), key=lambda epoch: (history[epoch]["validation_loss"], epoch))

    @property
    def done(self) -> bool:
        """Whether it was trained for all epochs, or has not become better for long."""
        training = self.trial.training
        if self.epochs >= training.epochs:
            return True
        return training.patience is not None and self.epochs - 1 - (self.best_epoch if self.epochs else 0) >= (
            training.patience
        )

    def standing(self) -> Standing:
        """Where it stands, to go on from."""
        told = self.trial.decisive
        return Standing(
            copied(self.module), self.optimizer.state_dict(), self.best, self.history, told, self.scaler.state_dict()
        )

    def restore(self, standing: Standing) -> None:
        """Go on from where it stood.

        Raises:
            XrayError: it began with other settings, or the network has other weights.
        """
        from xray.models.weights.checkpoint import load_strictly

        if changed := differences(standing.decisive, self.trial.decisive):
            raise XrayError(
                f"{self.trial.name} was begun with other settings ({changed}): `--restart` drops what it has"
            )
        load_strictly(self.module, standing.model, self.trial.name)
        self.optimizer.load_state_dict(standing.optimizer)
        if standing.scaler:
            self.scaler.load_state_dict(standing.scaler)
        self.best, self.history = standing.best, standing.history

    def epoch(self) -> dict[str, Any]:
        """Train for one more epoch, and see how well it does.

        Returns:
            A row of HISTORY, without the trial.

        Raises:
            XrayError: the loss is no number; names step and images.
        """
        import torch

        started, number = time.perf_counter(), self.epochs
        torch.manual_seed(digest(self.trial.number, "epoch", number, bits=63))
        rate = learning_rate(self.trial.training, number * len(self._steps), len(self._steps))
        if self._batches is None:
            self._batches = self.feed.batches(self._passes())
        train_loss, train_score = self._train(number, self._batches)
        validation_loss, measures = self._validate(self._batches)
        row = {
            "epoch": number,
            "learning_rate": rate,
            "train_loss": train_loss,
            "train_score": train_score,
            "validation_loss": validation_loss,
            "validation_score": measures.pop(self.objective.score),
            "metric": self.objective.score,
            "seconds": time.perf_counter() - started,
            "images": len(self.train),
            **{f"validation_{name}": value for name, value in measures.items()},
        }
        self.history.append(row)
        if self.best_epoch == number:
            self.best = copied(self.module)
        if self.done:
            self._batches = None  # a feed that is ahead must not go on beside the test
        return row

    def _passes(self) -> Iterator[Pass]:
        """All that this worker has still to see, so that a feed can be ahead of it."""
        for epoch in range(self.epochs, self.trial.training.epochs):
            yield Pass(self.train, self._parts(epoch))
            yield Pass(self.validation, self._validation_batches())

    def _parts(self, epoch: int) -> list[Order]:
        """What this worker takes of the batches of an epoch; `accumulate` parts of each."""
        accumulate, place = self.trial.training.accumulate, self.place
        order_N = epoch_order(self._shard_N, self._hash_N, self.trial.number, epoch)
        return [order_N[part] for batch in self._steps for part in share(batch, place.rank, place.workers, accumulate)]

    def _validation_batches(self) -> list[Order]:
        everything, workers = np.arange(len(self.validation)), self.place.workers
        mine = everything[self.place.rank :: workers] if len(everything) >= workers else everything
        return _in_batches(mine)

    def _train(self, epoch: int, batches: Iterator[Batch]) -> tuple[float, float]:
        training, parts = self.trial.training, self._parts(epoch)
        metrics = self.objective.metrics().to(self.device)
        self.runs.train()
        total = 0.0
        for step, batch in enumerate(self._steps):
            mine = parts[step * training.accumulate : (step + 1) * training.accumulate]
            size = batch.stop - batch.start
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(training, epoch * len(self._steps) + step, len(self._steps))
            self.optimizer.zero_grad(set_to_none=True)
            for last, part in ((part is mine[-1], part) for part in mine):
                loss = self._backward(part, next(batches), size, epoch, last, metrics)
                if not math.isfinite(loss):
                    raise self._diverged(epoch, step, part)
                total += loss
            self.scaler.step(self.optimizer)
            self.scaler.update()
        (total,) = self._summed(total)
        return total / len(self.train), float(metrics.compute()[self.objective.score])

    def _backward(self, places: Order, batch: Batch, size: int, epoch: int, last: bool, metrics: Any) -> float:
        """Add the gradients of a part of a batch; the sum of its losses."""
        how, hash_N = self.trial.training.augment, self._hash_N[places]
        images, masks = augmented(how, *batch, hash_N, self.trial.number, epoch)
        input_NCHW, label_N, mask_NHW = self._tensors(images, masks, places, self.train)
        together = contextlib.nullcontext() if last or self.place.workers == 1 else self.runs.no_sync()  # type: ignore[operator]
        with together:
            with self._autocast():
                logits = self.runs(input_NCHW)
            losses_N = self.objective.losses(logits, label_N, mask_NHW)
            # DDP takes the mean over workers: times their number it is the sum, and each image counts the same.
            loss = (losses_N * self._weight_K[label_N]).sum() * (self.place.workers / size)
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        metrics.update(*self.objective.measured(logits.detach(), label_N, mask_NHW))
        return float(losses_N.detach().sum())

    def _validate(self, batches: Iterator[Batch]) -> tuple[float, dict[str, float]]:
        """Mean loss over the validation images, and how well they are done, by metric."""
        metrics = self.objective.metrics().to(self.device)
        seen = Pass(self.validation, self._validation_batches())
        total = 0.0
        for logits, label_N, mask_NHW in self._answered(seen, batches):
            total += float(self.objective.losses(logits, label_N, mask_NHW).sum())
            metrics.update(*self.objective.measured(logits, label_N, mask_NHW))
        total, count = self._summed(total, sum(map(len, seen.batches)))
        return total / count, {name: float(value) for name, value in metrics.compute().items()}

    def use_best(self) -> None:
        """Take the weights of the best epoch."""
        self.module.load_state_dict(self.best)

    def predict(self, samples: Samples, feed: Feed) -> Answers:
        """What it says about some images, in their order; by this worker alone."""
        seen = Pass(samples, _in_batches(np.arange(len(samples))))
        answered = self._answered(seen, feed.batches([seen]))
        return joined([self.objective.answers(*answer) for answer in answered])

    def _answered(self, seen: Pass, batches: Iterable[Batch]) -> Iterator[tuple[Any, Any, Any]]:
        import torch

        self.runs.eval()
        for places, (images, masks) in zip(seen.batches, batches, strict=False):
            input_NCHW, label_N, mask_NHW = self._tensors(images, masks, places, seen.samples)
            with torch.inference_mode(), self._autocast():
                logits = self.module(input_NCHW)
            yield logits, label_N, mask_NHW

    def _tensors(self, images: Any, masks: Any, places: Order, samples: Samples) -> tuple[Any, Any, Any]:
        import torch

        pixels_NCHW = torch.from_numpy(images).to(self.device, non_blocking=True).permute(0, 3, 1, 2)
        input_NCHW = pixels_NCHW.float() / self._scale - self._shift
        label_N = torch.from_numpy(samples.label_N[places]).to(self.device)
        return input_NCHW, label_N, None if masks is None else torch.from_numpy(masks).to(self.device)

    def _autocast(self) -> Any:
        import torch

        precision = self.trial.training.precision
        if precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, precision))

    def _summed(self, *values: float) -> tuple[float, ...]:
        """Over all workers."""
        import torch

        if self.place.workers == 1:
            return values
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return tuple(total.tolist())

    def _diverged(self, epoch: int, step: int, places: Order) -> XrayError:
        ids = [self.train.sample_id[place] for place in places.tolist()]
        more = f" and {len(ids) - _SHOWN_IDS} more" if len(ids) > _SHOWN_IDS else ""
        rate = learning_rate(self.trial.training, epoch * len(self._steps) + step, len(self._steps))
        return XrayError(
            f"{self.trial.name}: the loss is no number in epoch {epoch}, step {step} (learning rate {rate:.3g}), "
            f"on the images {', '.join(ids[:_SHOWN_IDS])}{more}"
        )


def _in_batches(places: Order) -> list[Order]:
    return [places[batch] for batch in steps(len(places), _PREDICTED_AT_ONCE, least=1)]
