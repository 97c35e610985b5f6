"""Libraries that decide bytes: what a run was begun with, it goes on with."""

from __future__ import annotations

from collections.abc import Mapping

from xray.core.environment import environment
from xray.core.errors import XrayError
from xray.runs.receipts import GENERATE, MASK, Receipt, Stage
from xray.runs.run import Run

_PIXELS = ("xray-robustness", "numpy", "opencv-python-headless", "simplejpeg", "pillow", "pyarrow")
_NETWORKS = ("torch", "torchvision", "timm", "transformers", "segment-anything")
_DIFFUSION = (*_NETWORKS, "diffusers")


def decisive(stage: Stage, *, paints: bool = False, refines: bool = False) -> tuple[str, ...]:
    """The libraries that decide what a stage makes.

    Args:
        stage: see `xray.runs.receipts`.
        paints: whether it paints worlds.
        refines: whether masks are made by a model.
    """
    if stage == GENERATE:
        return (*_PIXELS, *(_DIFFUSION if paints else ()))
    if stage == MASK:
        return (*_PIXELS, *(_NETWORKS if refines else ()))
    return (*_PIXELS, *_NETWORKS)


def differing(run: Run, stage: Stage, receipt: Receipt) -> dict[str, tuple[str, str]]:
    """The libraries that are here in another version than a shard was made with: that one, and this one, by name.

    Libraries that one of the two does without are not compared.
    """
    recipe = run.recipe_object
    names = decisive(stage, paints="painter" in receipt.facts, refines=recipe.masks.refine.accelerated)
    made: Mapping[str, str] = receipt.facts.get("environment", {}).get("libraries", {})
    here: Mapping[str, str] = environment()["libraries"]
    both = [name for name in names if name in made and name in here]
    return {name: (made[name], here[name]) for name in both if made[name] != here[name]}


def refuse_other_versions(run: Run, stage: Stage) -> None:
    """Refuse to go on with other libraries than a run was begun with, in this process.

    Raises:
        XrayError: names them, what they were and are, and what can be done.
    """
    of_each_part = {shard.rpartition("-")[0]: shard for shard in sorted(run.done(stage), reverse=True)}
    for shard in of_each_part.values():
        if others := differing(run, stage, run.receipt(stage, shard)):
            told = ", ".join(f"{name} {before} (here {here})" for name, (before, here) in others.items())
            wanted = " ".join(f"'{name}=={before}'" for name, (before, _) in others.items())
            anew = (
                "train in a new run" if stage[0] == "train" else "have it made again: `xray plan RECIPE RUN --replan`"
            )
            raise XrayError(
                f"{'/'.join(stage)} of {run.uri} was begun with {told}: what is made may differ. Go on with what it "
                f"was begun with (pip install {wanted}), or {anew}"
            )
