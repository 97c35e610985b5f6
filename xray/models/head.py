"""Requirements on networks to train: the side of the input, a new head on known weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xray.core.errors import ConfigError, XrayError
from xray.models.weights.checkpoint import Weights, load_strictly

if TYPE_CHECKING:
    import torch

MIN_SIDE = 32
"""In pixels: most networks halve their input five times."""


def resolve_side(title: str, own: int, requested: int | None, multiple: int | None, smallest: int = MIN_SIDE) -> int:
    """Return the side of the input in pixels, if the network accepts it.

    Args:
        title: the model, for messages.
        own: the architecture's own side.
        requested: default: the architecture's own.
        multiple: other sides must be a multiple of this; None: only its own is accepted.
        smallest: other sides must not be smaller.

    Raises:
        ConfigError: the network does not accept the side.

    >>> resolve_side("timm:vit_base_patch16_224", 224, 64, 16)
    64
    """
    if requested is None or requested == own:
        return own
    if multiple is None:
        raise ConfigError(f"{title} takes no side of {requested} pixels: only {own}")
    smallest = -(-smallest // multiple) * multiple
    if requested < smallest or requested % multiple:
        allowed = f"a multiple of {multiple}, {smallest} or more" if multiple > 1 else f"{smallest} or more"
        raise ConfigError(f"{title} takes no side of {requested} pixels: {allowed} (its own is {own})")
    return requested


def skeleton(build: Callable[[int], torch.nn.Module], classes: int) -> torch.nn.Module:
    """Build a network without memory for its weights, where the library can; torch's random state is unchanged."""
    import torch

    try:
        with torch.device("meta"):
            return build(classes)
    except (RuntimeError, XrayError):  # some compute their stochastic depth from tensors, which then need values
        with torch.random.fork_rng(devices=[]):
            return build(classes)


def head_axes(build: Callable[[int], torch.nn.Module], classes: int) -> dict[str, int]:
    """Return the names of the tensors whose shape depends on the number of classes, with the axis that does."""
    these, others = (skeleton(build, count).state_dict() for count in (classes, classes + 1))
    return {
        name: next(axis for axis, size in enumerate(tensor.shape) if others[name].shape[axis] != size)
        for name, tensor in these.items()
        if tensor.shape != others[name].shape
    }


def with_weights(
    build: Callable[[int], torch.nn.Module], classes: int, weights: Weights, title: str
) -> tuple[torch.nn.Module, str]:
    """Build a network with known weights; its head is new if theirs has another number of classes, or is missing.

    Args:
        build: the network for a number of classes, from torch's global random state.
        classes: of the network.
        weights: used whole if their head has `classes` outputs, otherwise all but the head.
        title: the model, for messages.

    Returns:
        The network, and which weights were used, for people.

    Raises:
        ConfigError: anything but the head does not fit; names both numbers of classes, or the shapes.
    """
    module = build(classes)
    expected = module.state_dict()
    if all(name in weights and weights[name].shape == tensor.shape for name, tensor in expected.items()):
        load_strictly(module, weights, f"{title} of {classes} classes")
        return module, "all weights given"
    axes = head_axes(build, classes)
    head = {name: weights[name] for name in axes if name in weights}
    counts = {tensor.shape[axes[name]] for name, tensor in head.items() if tensor.dim() > axes[name]} - {classes}
    only_classes_differ = len(counts) == 1 and all(
        tensor.dim() == expected[name].dim()
        and all(size == expected[name].shape[axis] for axis, size in enumerate(tensor.shape) if axis != axes[name])
        for name, tensor in head.items()
    )
    if head and (not only_classes_differ or head.keys() != axes.keys()):
        theirs = f", as theirs are {', '.join(map(str, sorted(counts)))}" if counts else ""
        load_strictly(module, weights, f"{title} of {classes} classes{theirs}")
        raise AssertionError("weights of another shape were accepted")
    theirs = f", whose classes are {', '.join(map(str, counts))}" if counts else ", which have no head"
    kept = {name: tensor for name, tensor in weights.items() if name not in axes}
    load_strictly(module, {**kept, **{name: expected[name] for name in axes}}, f"{title} of {classes} classes{theirs}")
    return module, f"weights given{theirs}; a new head of {classes}: {', '.join(sorted(axes))}"
