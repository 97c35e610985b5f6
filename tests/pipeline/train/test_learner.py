from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
import torch
from support.learner_inputs import CLASSES, feed, learner, samples, trial

from xray.core.errors import XrayError
from xray.pipeline.train.feed import Batch, Pass
from xray.pipeline.train.learner import Learner
from xray.runs.checkpoints import Standing


def history(of: Learner) -> list[dict[str, float]]:
    while not of.done:
        of.epoch()
    return [{name: value for name, value in row.items() if name != "seconds"} for row in of.history]


def test_a_network_learns_colours_and_answers_in_the_order_of_the_images() -> None:
    taught = learner(trial(epochs=20, batch=6, best="last"))
    curve = history(taught)
    assert curve[-1]["train_loss"] < 0.5 * curve[0]["train_loss"]
    assert [row["epoch"] for row in curve] == list(range(20))
    taught.use_best()
    fresh = samples(12)
    answers = taught.predict(fresh, feed(fresh))
    assert answers["correct"].mean() >= 0.9
    assert answers["top5"].shape == (12, CLASSES)
    some = fresh.of_images({"i3", "i8"})
    assert taught.predict(some, feed(fresh))["p_true"] == pytest.approx(answers["p_true"][[3, 8]], rel=1e-4)


def test_labels_that_mean_nothing_are_not_learned() -> None:
    taught = learner(trial(epochs=8, batch=6, best="last"), noise=True)
    history(taught)
    more = samples(120)
    right = taught.predict(more, feed(more, noise=True))["correct"].mean()
    assert abs(right - 1 / CLASSES) < 3.3 * math.sqrt(2 / 9 / 120)


def test_the_same_trial_gives_the_same_numbers() -> None:
    first, second = (learner(trial()) for _ in range(2))
    assert history(first) == history(second)
    assert all(torch.equal(first.best[name], second.best[name]) for name in first.best)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "sgd"}, {"optimizer": "adam", "augment": "crop", "warmup": 1}])
def test_going_on_from_a_checkpoint_changes_nothing(changes: dict[str, object]) -> None:
    whole = learner(trial(epochs=4, **changes))
    expected = history(whole)
    begun = learner(trial(epochs=4, **changes))
    begun.epoch()
    begun.epoch()
    standing = Standing.from_bytes(begun.standing().to_bytes())
    goes_on = learner(trial(epochs=4, **changes))
    goes_on.restore(standing)
    assert goes_on.epochs == 2
    assert history(goes_on) == expected
    assert all(torch.equal(goes_on.best[name], whole.best[name]) for name in whole.best)


def test_other_settings_are_no_continuation() -> None:
    begun = learner(trial(epochs=4))
    begun.epoch()
    with pytest.raises(XrayError, match=r"was begun with other settings \(epochs: 4 then, 5 now\): `--restart`"):
        learner(trial(epochs=5)).restore(begun.standing())


def test_a_checkpoint_of_another_class_count_is_refused() -> None:
    begun = learner(trial(epochs=4))
    begun.epoch()
    standing = begun.standing()
    standing.model["fc.weight"] = torch.zeros(12, standing.model["fc.weight"].shape[1])
    with pytest.raises(XrayError, match=r"do not fit net trained on original, fold 0.*fc\.weight.*12.*3"):
        learner(trial(epochs=4)).restore(standing)


def test_parts_of_a_batch_add_up_to_it() -> None:
    """Networks without batch normalisation, which sees the part and not the batch."""
    whole = history(learner(trial("reduced:vit", batch=8)))
    in_parts = history(learner(trial("reduced:vit", batch=8, accumulate=4)))
    for one, other in zip(whole, in_parts, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)


@pytest.mark.parametrize(("best", "expected"), [("loss", 2), ("score", 1), ("last", 3)])
def test_the_best_epoch(best: str, expected: int) -> None:
    taught = learner(trial(best=best, epochs=9))
    losses, scores = [0.9, 0.6, 0.5, 0.7], [0.2, 0.5, 0.5, 0.1]
    taught.history = [
        {"validation_loss": loss, "validation_score": score} for loss, score in zip(losses, scores, strict=True)
    ]
    assert taught.best_epoch == expected


@pytest.mark.parametrize(("patience", "epochs"), [(None, 3), (1, 2)])
def test_a_feed_that_is_ahead_is_let_go_when_the_training_ends(patience: int | None, epochs: int) -> None:
    taught = learner(trial("reduced:vit", optimizer="sgd", learning_rate=1e-12, epochs=3, patience=patience))
    held, ended = taught.feed, []

    class Ahead:
        def batches(self, passes: Iterable[Pass]) -> Iterator[Batch]:
            try:
                yield from held.batches(passes)
            finally:
                ended.append(taught.epochs)

    taught.feed = Ahead()
    while not taught.done:
        assert not ended
        taught.epoch()
    assert ended == [taught.epochs] == [epochs]


@pytest.mark.parametrize(("patience", "done"), [(None, False), (2, True), (3, False)])
def test_training_stops_early(patience: int | None, done: bool) -> None:
    taught = learner(trial(epochs=9, patience=patience))
    taught.history = [{"validation_loss": loss} for loss in (0.9, 0.5, 0.7, 0.6)]
    assert taught.done == done


def test_the_best_weights_are_those_of_the_best_epoch() -> None:
    taught = learner(trial(epochs=3, learning_rate=0.5))
    kept = {}
    while not taught.done:
        taught.epoch()
        kept[taught.epochs - 1] = {name: value.clone() for name, value in taught.module.state_dict().items()}
    best = kept[taught.best_epoch]
    assert all(torch.equal(value, best[name]) for name, value in taught.best.items())


def test_a_loss_that_is_no_number_names_step_and_images() -> None:
    taught = learner(trial(optimizer="sgd", learning_rate=10.0, epochs=50))
    with torch.no_grad():
        next(taught.module.parameters()).fill_(float("inf"))
    with pytest.raises(
        XrayError, match=r"no number in epoch 0, step 0 \(learning rate 10\), on the images original\d+, "
    ):
        taught.epoch()


def test_too_few_images_are_refused() -> None:
    with pytest.raises(XrayError, match=r"24 images to train on; with `workers: 1` and `accumulate: 20` it needs 40"):
        learner(trial(accumulate=20))


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(XrayError, match="`precision: float16` needs a GPU"):
        learner(trial(precision="float16"))


def test_mixed_precision_learns_too() -> None:
    curve = history(learner(trial(epochs=4, batch=6, precision="bfloat16")))
    assert curve[-1]["train_loss"] < curve[0]["train_loss"]


def test_balanced_categories_count_the_same() -> None:
    taught = learner(trial(class_weights="balanced"))
    some = samples(30).of_images({"i0", "i1", "i2", "i3", "i6", "i9"})  # four, one, one
    balanced = Learner(
        taught.trial, taught.network, taught.objective, taught.feed, some, taught.validation
    )._weight_K.tolist()
    assert balanced == pytest.approx([6 / (3 * 4), 6 / 3, 6 / 3])
    assert np.mean([balanced[label] for label in some.label_N]) == pytest.approx(1)


def test_segmenters_find_the_object() -> None:
    taught = learner(trial("reduced:fpn", epochs=6, batch=6, best="last"))
    curve = history(taught)
    assert curve[0]["metric"] == "miou"
    assert curve[-1]["train_loss"] < 0.6 * curve[0]["train_loss"]
    assert {"validation_dice", "validation_pixel_accuracy"} <= curve[0].keys()
    answers = taught.predict(taught.train, taught.feed)
    assert (answers["intersection"] <= answers["union"]).all()
    assert answers["pixel_accuracy"].mean() > 0.6
