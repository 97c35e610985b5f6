"""What a painter is: it makes a new world around an object, from words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from xray.core.device import DeviceModel
from xray.core.errors import XrayError, unknown
from xray.core.plugins import build, find
from xray.core.types import Photo, Pixels, Presets


@dataclass(frozen=True)
class Scene:
    """A world that is to be painted around an object.

    Args:
        photo: the photograph, and where its object is.
        prompt: what the world is to show.
        seed: decides everything random, 0 … 2^63 - 1.
    """

    photo: Photo
    prompt: str
    seed: int


@dataclass(frozen=True)
class Painted:
    """A painted world.

    Args:
        image: RGB, of the photograph's size. The object in it is the painter's, not yet the photograph's own.
        nsfw: the verdict of the model's own safety checker; None: it has none.
        notes: reason codes of what is to be known, such as `prompt_truncated`.
        drawn: what else is recorded of this picture, as plain JSON values.
    """

    image: Pixels
    nsfw: bool | None = None
    notes: tuple[str, ...] = ()
    drawn: Mapping[str, Any] = field(default_factory=dict)


class Painter:
    """Base of painters; a subclass is a `@settings` dataclass with a `name`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    presets: ClassVar[Presets] = {}
    """Named sets of settings, such as those of a few-step model."""

    def weights(self) -> Mapping[str, str]:
        """What `load` reads, by role: names, folders or files of weights; the plan holds their hashes."""
        raise NotImplementedError

    def check(self, prompts: Sequence[str]) -> list[str]:
        """Refuse, in the plan, what cannot be painted; return what people should know, one sentence each.

        Raises:
            XrayError: weights that are not there or no pipeline, a prompt that is too long.
        """
        raise NotImplementedError

    def load(self, device: str) -> DeviceModel[Scene, Painted]:
        """Bring the weights to a device, once an actor, and warm them up.

        Raises:
            XrayError: they are not there, damaged, or not safe.
        """
        raise NotImplementedError


def build_painter(spec: str | Mapping[str, Any]) -> Painter:
    """A painter from its recipe entry: `"sdxl"`, or `{"kind": "sdxl", "preset": "turbo", setting: value, …}`.

    Settings that are written out win over the preset's.

    Raises:
        XrayError: no such painter, preset or setting.
        pydantic.ValidationError: a setting is out of range.
    """
    fields = {"kind": spec} if isinstance(spec, str) else dict(spec)
    preset = fields.pop("preset", None)
    if preset is not None:
        presets = find("painter", Painter, str(fields.get("kind"))).presets
        if preset not in presets:
            raise XrayError(str(unknown(f"preset of painter {fields.get('kind')!r}", preset, presets)), ("preset",))
        fields = {**presets[preset], **fields}
    return build("painter", Painter, fields)
