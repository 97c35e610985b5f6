"""The object resized, moved, rotated or flipped, in a world of choice: the edits of ImageNet-E, and their controls."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import model_validator

from xray.core.compositing import restore
from xray.core.plugins import field_of, settings, settings_of
from xray.core.types import DonorRule, Photo, Picture, Pixels, Presets, Prompt, Region
from xray.scenarios.base import Role, Scenario
from xray.scenarios.placement import Direction, Placement, Position, Size, place
from xray.scenarios.placement.released import INVALID, place_as_released, squashed
from xray.scenarios.worlds.base import World
from xray.scenarios.worlds.removed import Removed
from xray.sources.categories.base import Category

_POSITIONS = {
    "random": "moved to a random position",
    "centre": "moved to the centre",
    "corner": "moved to a corner",
    "side": "moved to a side",
    "cell": "moved to",
}
_CELLS = ("top left", "top centre", "top right", "middle left", "centre", "middle right",
          "bottom left", "bottom centre", "bottom right")  # fmt: skip
"""The cells of a grid of 3 × 3 in words."""
_ONLY_RESAMPLED = 1.0
"""Largest angle in degrees, either way, that measures interpolation rather than direction."""


@settings
class Edit(Scenario):
    """The object at another size, position or direction, in a world (after ImageNet-E, Li et al. 2023, CVPR).

    Without any setting the object is put back where it was, on its own background from which it had been removed; and
    with a direction of at most one degree it is resampled there. Both are controls: what they cost, the editing costs.

    Args:
        size: share of the frame that the object gets, such as 0.1, or `fit`; None: as it is.
        position: `random`, `centre`, `corner`, `side`, or a cell of a grid; None: where it is.
        direction: angle in degrees, counterclockwise, or a range of angles; None: as it is.
        flip: mirror the object left to right.
        world: what surrounds it.
        as_released: as the released code of ImageNet-E places objects, not as it describes them: at 256 × 256 pixels,
            sizes to ± 0.015 only, objects cut where they leave the frame, directions about the centre of the image.
    """

    name: ClassVar[str] = "edit"
    summary: ClassVar[str] = "object resized, moved, rotated or flipped, in any world"
    by_default: ClassVar[bool] = False
    keeps: ClassVar[Region] = "object"
    presets: ClassVar[Presets] = {"imagenet_e": {"as_released": True}}

    size: Size | None = None
    position: Position | None = None
    direction: Direction | None = None
    flip: bool = False
    world: Annotated[World, *field_of("world", World)] = Removed()
    as_released: bool = False

    @model_validator(mode="after")
    def _has_only_released_settings(self) -> Edit:
        if self.as_released:
            _check_released(self)
        return self

    @property
    def phrase(self) -> str:  # type: ignore[override]
        """A clause in words, with all settings filled in."""
        edits = []
        if self.size is not None:
            edits.append(
                "fitted to the frame"
                if self.size.rate == "fit"
                else f"resized to {100 * self.size.rate:.3g} % of the frame"
            )
        if self.direction is not None:
            edits.append(f"turned {_by(self.direction)}")
        if self.flip:
            edits.append("mirrored")
        if self.position is not None:
            edits.append(_POSITIONS[self.position.where] + _cell(self.position))
        if not edits and isinstance(self.world, Removed):
            edits.append("put back where it was")
        world = self.world.phrase.format(**settings_of(self.world))
        return f"the object is {', '.join([*edits, f'on {world}'])}"

    @property
    def role(self) -> Role:
        """`editing` where the object stays as it is and where it is, on its own background; otherwise `test`.

        A world that is painted to mislead a model is `adversarial`.
        """
        if self.painter is not None and self.painter.adversarial:
            return "adversarial"
        moved = self.size or self.position or self.flip or not isinstance(self.world, Removed)
        return "test" if moved or not self._only_resampled else "editing"

    @property
    def needs_removed(self) -> bool:
        """Whether the world shows the photograph's own background."""
        return self.world.needs_removed

    @property
    def donor_rule(self) -> DonorRule | None:
        """The world's."""
        return self.world.donor_rule

    @property
    def inpaints(self) -> bool:
        """Whether the world is inpainted."""
        return self.world.inpaints

    @property
    def painter(self) -> Any:
        """The world's."""
        return self.world.painter

    def prompt(self, category: Category, draw: int, variant: int) -> Prompt | None:
        """The world's."""
        return self.world.prompt(category, draw, variant)

    def place(self, photo: Photo, seed: int) -> Photo:
        """Return the photo with its object placed; where it was, and around it, is the photo without its object.

        Raises:
            Rejected: object_leaves_frame, object_does_not_fit.
        """
        photo = squashed(photo) if self.as_released else photo
        placed = self._placed(photo, seed).photo
        if placed is photo or photo.removed is None:
            return placed
        return replace(placed, image=restore(photo.removed.copy(order="C"), placed, "object"))

    def render(self, photo: Photo, seed: int, donor: Pixels | None = None) -> Picture:
        """Return the placed object on the world. Records the placement and what the world sampled.

        Raises:
            Rejected: object_leaves_frame, object_does_not_fit, no_donor.
        """
        photo = squashed(photo) if self.as_released else photo
        placement = self._placed(photo, seed)
        if INVALID in placement.notes:
            return Picture(photo.image, photo.mask, placement.sampled, placement.notes, photo)
        surroundings = self.world.render(photo, seed, donor)
        image = restore(surroundings.image, placement.photo, "object")
        sampled: dict[str, Any] = {**placement.sampled, **surroundings.sampled}
        return Picture(image, placement.photo.mask, sampled, placement.notes, placement.photo)

    @property
    def _only_resampled(self) -> bool:
        """Whether the object is turned so little, if at all, that this measures interpolation."""
        if self.direction is None:
            return True
        angle = self.direction.angle
        return isinstance(angle, float) and abs(angle) <= _ONLY_RESAMPLED

    def _placed(self, photo: Photo, seed: int) -> Placement:
        if self.as_released:
            return place_as_released(photo, size=self.size, position=self.position, direction=self.direction, seed=seed)
        return place(photo, size=self.size, position=self.position, direction=self.direction, flip=self.flip, seed=seed)


def _check_released(edit: Edit) -> None:
    """Refuse settings that the released code has not.

    Raises:
        ValueError: with the setting.
    """
    if edit.flip:
        raise ValueError("the released code does not mirror objects: remove `flip`, or `preset: imagenet_e`")
    if edit.size is not None and edit.size != Size(rate=edit.size.rate):
        raise ValueError("with `preset: imagenet_e` a size is a share of the frame or `fit`, without other settings")
    if edit.position is not None and edit.position != Position():
        raise ValueError(f"the released code moves objects to random positions only, not to {edit.position.where!r}")
    if edit.direction is not None and edit.direction.min_visible != Direction.min_visible:
        raise ValueError("the released code turns objects however little of them is left: remove `min_visible`")


def _by(direction: Direction) -> str:
    """Return the angles in words."""
    angles = direction.angles or direction.angle
    if not isinstance(angles, tuple):
        return f"by {angles:g}°"
    joined = " or " if direction.angles else " to "
    return f"by {joined.join(f'{one:g}°' for one in angles)}" if len(angles) <= 3 else f"by one of {len(angles)} angles"


def _cell(position: Position) -> str:
    """Return the cell in words; empty for other positions."""
    if position.cell is None:
        return ""
    row, column = position.cell
    if position.grid == 3:
        return f" the {_CELLS[3 * row + column]}"
    return f" row {row + 1}, column {column + 1} of {position.grid} × {position.grid}"
