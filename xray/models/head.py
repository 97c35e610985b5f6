"""A new head on known weights, and what else all families ask of a network to be trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xray.core.errors import XrayError
from xray.models.weights.checkpoint import Weights, load_strictly

if TYPE_CHECKING:
    import torch

LEAST_SIDE = 32
"""In pixels: most networks halve their input five times."""


def check_classes(classes: int, model: str) -> None:
    """Refuse what nothing can be learnt about.

    Raises:
        XrayError: fewer than 2 classes.
    """
    if classes < 2:
        raise XrayError(f"{model} cannot be trained for {classes} classes: 2 or more")


def accepted_side(model: str, own: int, wanted: int | None, multiple: int | None) -> int:
    """The side of the input in pixels, if the network takes it.

    Args:
        model: for the message.
        own: of the architecture.
        wanted: by default its own.
        multiple: of what it must be, at least 32; None: nothing but its own.

    Raises:
        XrayError: it does not take it.

    >>> accepted_side("timm:vit_base_patch16_224", 224, 64, 16)
    64
    """
    if wanted is None or wanted == own:
        return own
    if multiple is None:
        raise XrayError(f"{model} takes no side of {wanted} pixels: only {own}")
    least = -(-LEAST_SIDE // multiple) * multiple
    if wanted < least or wanted % multiple:
        allowed = f"a multiple of {multiple}, {least} or more" if multiple > 1 else f"{least} or more"
        raise XrayError(f"{model} takes no side of {wanted} pixels: {allowed} (its own is {own})")
    return wanted


def skeleton(build: Callable[[int], torch.nn.Module], classes: int) -> torch.nn.Module:
    """A network without memory for its weights, where the library can; torch's random state stays as it is."""
    import torch

    try:
        with torch.device("meta"):
            return build(classes)
    except (RuntimeError, XrayError):  # some compute their stochastic depth from tensors, which then need values
        with torch.random.fork_rng(devices=[]):
            return build(classes)


def head_axes(build: Callable[[int], torch.nn.Module], classes: int) -> dict[str, int]:
    """Names of the tensors that depend on the number of classes, each with the axis that does.

    Args:
        build: the network for a number of classes; called twice, see `skeleton`.
        classes: any number.
    """
    here, there = (skeleton(build, count).state_dict() for count in (classes, classes + 1))
    return {
        name: next(axis for axis, size in enumerate(tensor.shape) if there[name].shape[axis] != size)
        for name, tensor in here.items()
        if tensor.shape != there[name].shape
    }


def with_weights(
    build: Callable[[int], torch.nn.Module], classes: int, weights: Weights, model: str
) -> tuple[torch.nn.Module, str]:
    """A network with known weights; its head is new if theirs is for another number of classes, or missing.

    Args:
        build: the network for a number of classes, from torch's global random state.
        classes: of the network.
        weights: whole if their head has `classes` outputs, otherwise all but the head.
        model: for messages.

    Returns:
        The network, and what became of the weights, for people.

    Raises:
        XrayError: anything but the head does not fit; names both numbers of classes, or the shapes.
    """
    module = build(classes)
    expected = module.state_dict()
    if all(name in weights and weights[name].shape == tensor.shape for name, tensor in expected.items()):
        load_strictly(module, weights, f"{model} of {classes} classes")
        return module, "all weights given"
    axes = head_axes(build, classes)
    theirs = {name: weights[name] for name in axes if name in weights}
    found = {tensor.shape[axes[name]] for name, tensor in theirs.items() if tensor.dim() > axes[name]} - {classes}
    for name, tensor in theirs.items():
        axis, shape = axes[name], list(expected[name].shape)
        if tensor.dim() == len(shape):
            shape[axis] = tensor.shape[axis]
        if list(tensor.shape) != shape or len(found) != 1:
            break  # not just another number of classes: let all of it be compared, and refused
    else:
        if not theirs or theirs.keys() == axes.keys():
            said = f", whose classes are {', '.join(map(str, found))}" if found else ", which have no head"
            kept = {name: tensor for name, tensor in weights.items() if name not in axes}
            new = {name: expected[name] for name in axes}
            load_strictly(module, {**kept, **new}, f"{model} of {classes} classes{said}")
            return module, f"weights given{said}; a new head of {classes}: {', '.join(sorted(axes))}"
    theirs_said = f", as theirs are {', '.join(map(str, sorted(found)))}" if found else ""
    load_strictly(module, weights, f"{model} of {classes} classes{theirs_said}")
    raise AssertionError("weights of another shape were taken")
