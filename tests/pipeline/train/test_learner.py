from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pytest
import torch
from support.learner_inputs import CLASSES, make_feed, make_learner, make_samples, make_trial

from xray.core.errors import ConfigError, ResourceError, XrayError
from xray.pipeline.train.feed import Batch, Pass
from xray.pipeline.train.learner import Learner
from xray.runs.checkpoints import TrainState


def train(learner: Learner) -> list[dict[str, float]]:
    """Train to the end; return the history without times."""
    while not learner.done:
        learner.epoch()
    return [{name: value for name, value in row.items() if name != "seconds"} for row in learner.history]


def test_learns_colours_and_predicts_in_the_order_of_the_images() -> None:
    learner = make_learner(make_trial(epochs=15, batch=6, best="last"))
    curve = train(learner)
    assert curve[-1]["train_loss"] < 0.5 * curve[0]["train_loss"]
    assert [row["epoch"] for row in curve] == list(range(15))
    learner.use_best()
    samples = make_samples(12)
    feed = make_feed(samples)
    predictions = learner.predict(samples, feed)
    assert predictions["correct"].mean() >= 0.9
    assert predictions["top5"].shape == (12, CLASSES)
    two = samples.of_images({"i3", "i8"})
    assert learner.predict(two, feed)["p_true"] == pytest.approx(predictions["p_true"][[3, 8]], rel=1e-4)


def test_random_labels_are_not_learned() -> None:
    learner = make_learner(make_trial(epochs=8, batch=6, best="last"), noise=True)
    train(learner)
    samples = make_samples(120)
    accuracy = learner.predict(samples, make_feed(samples, noise=True))["correct"].mean()
    assert abs(accuracy - 1 / CLASSES) < 3.3 * math.sqrt(2 / 9 / 120)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd"}, {"optimizer": "adam", "augment": "crop", "warmup": 1}])
def test_resuming_from_a_checkpoint_changes_nothing(changes: dict[str, object]) -> None:
    trial = make_trial(epochs=3, **changes)
    whole, started, resumed = make_learner(trial), make_learner(trial), make_learner(trial)
    expected = train(whole)
    started.epoch()
    started.epoch()
    resumed.restore(TrainState.from_bytes(pa.py_buffer(started.state().to_bytes())))
    assert resumed.epochs == 2
    assert train(resumed) == expected
    assert all(torch.equal(resumed.best[name], whole.best[name]) for name in whole.best)


def test_other_settings_or_weights_cannot_be_resumed() -> None:
    started = make_learner(make_trial(epochs=4))
    started.epoch()
    state = started.state()
    with pytest.raises(ConfigError, match="epochs: 4 then, 5 now"):
        make_learner(make_trial(epochs=5)).restore(state)
    state.model["fc.weight"] = torch.zeros(12, state.model["fc.weight"].shape[1])
    with pytest.raises(XrayError, match=r"net trained on original, fold 0.*fc\.weight.*12.*3"):
        make_learner(make_trial(epochs=4)).restore(state)


def test_accumulated_parts_add_up_to_a_batch() -> None:
    """The network has no batch normalisation, which would see the part and not the batch."""
    whole = train(make_learner(make_trial("reduced:vit", batch=8)))
    in_parts = train(make_learner(make_trial("reduced:vit", batch=8, accumulate=4)))
    for one, other in zip(whole, in_parts, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)


@pytest.mark.parametrize(("best", "expected"), [("loss", 2), ("score", 1), ("last", 3)])
def test_best_epoch(best: str, expected: int) -> None:
    learner = make_learner(make_trial(best=best, epochs=9))
    losses, scores = [0.9, 0.6, 0.5, 0.7], [0.2, 0.5, 0.5, 0.1]
    learner.history = [
        {"validation_loss": loss, "validation_score": score} for loss, score in zip(losses, scores, strict=True)
    ]
    assert learner.best_epoch == expected


@pytest.mark.parametrize(("patience", "done"), [(None, False), (2, True), (3, False)])
def test_early_stopping(patience: int | None, done: bool) -> None:
    learner = make_learner(make_trial(epochs=9, patience=patience))
    assert not learner.done
    learner.history = [{"validation_loss": loss} for loss in (0.9, 0.5, 0.7, 0.6)]
    assert learner.done == done


@pytest.mark.parametrize(("patience", "epochs"), [(None, 3), (1, 2)])
def test_a_prefetching_feed_is_closed_when_training_ends(patience: int | None, epochs: int) -> None:
    learner = make_learner(make_trial("reduced:vit", optimizer="sgd", learning_rate=1e-12, epochs=3, patience=patience))
    in_memory, closed_after = learner.feed, []

    def prefetching(passes: Iterable[Pass]) -> Iterator[Batch]:
        try:
            yield from in_memory(passes)
        finally:
            closed_after.append(learner.epochs)

    learner.feed = prefetching
    while not learner.done:
        assert not closed_after
        learner.epoch()
    assert closed_after == [learner.epochs] == [epochs]


def test_best_weights_are_those_of_the_best_epoch() -> None:
    learner = make_learner(make_trial(epochs=3, learning_rate=0.05))
    by_epoch = {}
    while not learner.done:
        learner.epoch()
        by_epoch[learner.epochs - 1] = {name: value.clone() for name, value in learner.raw_model.state_dict().items()}
    assert learner.best_epoch < 2
    best = by_epoch[learner.best_epoch]
    assert all(torch.equal(value, best[name]) for name, value in learner.best.items())


def test_a_diverged_loss_names_step_and_images() -> None:
    learner = make_learner(make_trial(optimizer="sgd", learning_rate=10.0, epochs=50))
    with torch.no_grad():
        next(learner.raw_model.parameters()).fill_(float("inf"))
    with pytest.raises(XrayError, match=r"epoch 0, step 0 \(learning rate 10\), on the images original\d+, "):
        learner.epoch()


def test_too_few_images() -> None:
    with pytest.raises(ConfigError, match=r"has 24 images.* needs 40"):
        make_learner(make_trial(accumulate=20))


def test_mixed_precision() -> None:
    curve = train(make_learner(make_trial(epochs=4, batch=6, precision="bfloat16")))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]
    with pytest.raises(ResourceError, match="float16"):
        make_learner(make_trial(precision="float16"))


def test_balanced_categories_have_the_same_total_weight() -> None:
    trial = make_trial(class_weights="balanced")
    learner = make_learner(trial, train={"i0", "i1", "i2", "i3", "i6", "i9"})  # four, one, one
    assert learner.weight_K.tolist() == pytest.approx([6 / (3 * 4), 6 / 3, 6 / 3])


def test_segmenters_find_the_object() -> None:
    learner = make_learner(make_trial("reduced:fpn", epochs=6, batch=6, best="last"))
    curve = train(learner)
    assert curve[0]["metric"] == "miou"
    assert curve[-1]["train_loss"] < 0.6 * curve[0]["train_loss"]
    assert {"validation_dice", "validation_pixel_accuracy"} <= curve[0].keys()
    predictions = learner.predict(learner.train, learner.feed)
    assert (predictions["intersection"] <= predictions["union"]).all()
    assert predictions["pixel_accuracy"].mean() > 0.6
