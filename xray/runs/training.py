"""The settings of training: the recipe's `training:`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from xray.core.errors import ConfigError, unknown
from xray.core.plugins import checked, settings
from xray.models.registry import models_by_name


def _without_password(uri: Any) -> Any:
    if isinstance(uri, str) and urlsplit(uri).password is not None:
        raise ConfigError(
            "the run would contain the password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the "
            "environment instead"
        )
    return uri


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, int | float) else value


Share = Annotated[float, Field(gt=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=10)]
Strength = Annotated[float, Field(ge=1e-6, le=1e3)]
_NOT_OF_HEADS = (
    "repeats", "best", "side", "shape", "augment", "epochs", "batch", "accumulate", "optimizer", "learning_rate",
    "weight_decay", "schedule", "warmup", "patience", "precision", "workers", "cpus", "feed", "checkpoint_seconds",
    "search", "mlflow",
)  # fmt: skip
"""Settings that do not apply to `tune: head`: networks stay as they are, and a fit has an end, but no steps or seed."""

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "ximagenet12": {
        "holdout": 0.2,
        "folds": None,
        "validation": "test",
        "side": 224,
        "batch": 128,
        "epochs": 200,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "schedule": "constant",
    }
}
"""The authors' protocol (METHODS of XIMAGENET-12): from scratch, a plain split, and the weights best on it."""


@settings
class Search:
    """A search for learning rate and weight decay before each trial, on its validation photographs only.

    Args:
        samples: pairs to try; bad ones are stopped early (ASHA: Li et al., MLSys 2020).
        learning_rate: lowest and highest, sampled log-uniformly.
        weight_decay: lowest and highest, sampled log-uniformly.
        grace: epochs that each pair gets before it may be stopped.
    """

    samples: Annotated[int, Field(ge=2, le=1000)] = 8
    learning_rate: tuple[Rate, Rate] = (1e-4, 1e-2)
    weight_decay: tuple[Rate, Rate] = (1e-5, 1e-1)
    grace: Annotated[int, Field(ge=1)] = 1


@settings
class Training:
    """What `xray sweep` trains, and how.

    Args:
        models: strings by name, see `xray list models` and docs/models.md.
        tune: `all` weights of a network; or only its `head`, a linear probe: features of the pretrained network are
            computed once for each image, and a logistic regression is fitted to them for each trial. The image is
            preprocessed as the network's authors did; settings of networks in training (`epochs`, `augment`, `side`, …)
            do not apply, and are refused.
        l2: of heads: λ of the fitted mean cross-entropy + λ/2 · ‖weights‖², on features that are standardized on the
            fitted photographs. Of several, the one with the lowest loss on the validation photographs is used, and the
            head is fitted again with these; for only one there is no validation.
        scenarios: to train models on; None: all that show the object.
        tests: what each trained model is tested on. `halves`: its own scenario, and all scenarios if trained on the
            original, which is what S_robust needs; `own`: its own scenario only; `matrix`: all, for every model.
        folds: of cross-validation: each photograph is tested once, by a model that has seen it in no scenario; None: a
            plain split.
        holdout: share of the photographs of each category that a plain split tests.
        repeats: how often each model is trained on a scenario and fold, each time from another seed. From 2 on,
            intervals include what another training would change.
        validation: share of a trial's training photographs, of each category, that is not fitted but chooses the best
            epoch and stops early; `test`: the tested photographs themselves, as in the published code: optimistic.
        best: the epoch whose weights are tested: that of the lowest validation `loss`, of the highest validation
            `score` (the first of equal ones), or the `last` one, which needs no choice where photographs are few.
        side: width and height of the input in pixels; None: the model's own.
        shape: how an image becomes square: `stretch` (all of it is seen) or `crop` (its centre).
        pretrained: start from pretrained weights with a new head; they have seen ImageNet. Implied by `tune: head`.
        augment: `none`, `flip` (left and right), or `crop` (random part of 35 to 100 % of the area, and flip).
        epochs: maximum number.
        batch: photographs per step of the optimizer, over all workers; results hardly depend on their number.
        accumulate: parts into which a worker splits its share of a batch, where it does not fit the memory at once.
        optimizer: `adamw`, `adam` or `sgd` (momentum 0.9).
        learning_rate: the highest of the schedule.
        weight_decay: of the optimizer.
        schedule: `cosine` (to 0, over all epochs) or `constant`.
        warmup: epochs in which the learning rate rises to its highest.
        patience: epochs without a better validation loss after which training stops; None: never early.
        class_weights: `none`, or `balanced`: each category counts the same, however many photographs it has.
        precision: `float32`, or on GPUs `bfloat16` or `float16` (mixed).
        workers: processes that train one model together (DDP).
        gpus: share of a GPU for each worker; None: 1 if the cluster has any, else 0.
        cpus: CPUs for each worker.
        feed: `hold` keeps each scenario's decoded images in the cluster's memory, `stream` decodes them again in every
            epoch, `auto` holds what fits. The batches are the same.
        retries: how often a trial whose worker died resumes from its last checkpoint.
        checkpoint_seconds: minimum time between two checkpoints of a trial, which are written at the end of an epoch.
        search: of learning rate and weight decay, for each trial; None: those above.
        mlflow: URI of an MLflow tracking server or store that trials are logged to; None: no MLflow.
    """

    models: Annotated[dict[str, str], BeforeValidator(checked(models_by_name)), Field(min_length=1)]
    tune: Literal["all", "head"] = "all"
    l2: Annotated[tuple[Strength, ...], BeforeValidator(_several), Field(min_length=1)] = (0.01,)
    scenarios: tuple[str, ...] | None = None
    tests: Literal["halves", "own", "matrix"] = "halves"
    folds: Annotated[int, Field(ge=2)] | None = 12
    holdout: Share | None = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    validation: Share | Literal["test"] = 0.2
    best: Literal["loss", "score", "last"] = "loss"
    side: Annotated[int, Field(ge=16, le=2048)] | None = None
    shape: Literal["stretch", "crop"] = "stretch"
    pretrained: bool = False
    augment: Literal["none", "flip", "crop"] = "none"
    epochs: Annotated[int, Field(ge=1)] = 100
    batch: Annotated[int, Field(ge=2)] = 32
    accumulate: Annotated[int, Field(ge=1)] = 1
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: Rate = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Annotated[int, Field(ge=0)] = 0
    patience: Annotated[int, Field(ge=1)] | None = None
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    workers: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0, le=1)] | None = None
    cpus: Annotated[float, Field(gt=0)] = 1
    feed: Literal["auto", "hold", "stream"] = "auto"
    retries: Annotated[int, Field(ge=0)] = 2
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 30.0
    search: Search | None = None
    mlflow: Annotated[str, BeforeValidator(checked(_without_password))] | None = None

    @model_validator(mode="after")
    def _one_split(self) -> Training:
        if (self.folds is None) == (self.holdout is None):
            values = f"`folds: {self.folds}` and `holdout: {self.holdout}`"
            raise ConfigError(f"{values}: set exactly one of them, the other to null")
        if self.search is not None and (self.workers > 1 or self.validation == "test"):
            raise ConfigError("`search` needs `workers: 1`, and a `validation` other than `test`")
        return self

    @model_validator(mode="after")
    def _only_what_applies(self) -> Training:
        unused = _NOT_OF_HEADS if self.tune == "head" else ("l2",)
        changed = [one.name for one in fields(self) if one.name in unused and getattr(self, one.name) != one.default]
        if changed:
            named = ", ".join(f"`{name}: {getattr(self, name)}`" for name in changed)
            raise ConfigError(f"remove {named}, which `tune: {self.tune}` does not use")
        if self.tune == "head" and not self.pretrained:
            raise ConfigError("`tune: head` needs `pretrained: true`: features of random weights say nothing")
        return self

    @property
    def chooses(self) -> bool:
        """Whether validation photographs choose what is tested: an epoch, or the strength of the penalty of a head."""
        return len(self.l2) > 1 if self.tune == "head" else self.best != "last"


def training_fields(value: Any) -> Any:
    """Merge the recipe's entry with the preset that it names, if any; the entry's own settings win.

    Raises:
        ConfigError: no such preset.

    >>> training_fields({"preset": "ximagenet12", "epochs": 3})["batch"]
    128
    >>> training_fields({"holdout": 0.25})
    {'folds': None, 'holdout': 0.25}
    """
    if not isinstance(value, Mapping):
        return value
    entry = dict(value)
    preset = entry.pop("preset", None)
    if preset is not None and preset not in PRESETS:
        raise ConfigError(str(unknown("preset", preset, PRESETS)), ("preset",))
    defaults = {**PRESETS.get(preset, {})}
    if entry.get("tune") == "head":
        defaults["pretrained"] = True
    if entry.get("folds") is not None:
        defaults["holdout"] = None
    elif entry.get("holdout") is not None:
        defaults["folds"] = None
    return {**defaults, **entry}
