"""Versions of the libraries that determine bytes: a run must continue with the versions that it started with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xray.core.environment import environment
from xray.core.errors import ConfigError
from xray.runs.folder import RunFolder
from xray.runs.ids import ShardId
from xray.runs.receipts import GENERATE, MASK, REMOVE, Receipt, Stage

_PIXELS = ("xray-robustness", "numpy", "opencv-python-headless", "simplejpeg", "pillow", "pyarrow")
_NETWORKS = ("torch", "torchvision", "timm", "transformers", "segment-anything")
_DIFFUSION = (*_NETWORKS, "diffusers")


def decisive_libraries(
    stage: Stage, *, inpaints: bool = False, refines: bool = False, removal: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the names of the libraries that determine the output of a stage.

    Args:
        stage: see `xray.runs.receipts`.
        inpaints: true if the stage inpaints backgrounds.
        refines: true if a model refines the masks.
        removal: libraries of the remover, if the stage removes objects or shows photographs without them.

    >>> "diffusers" in decisive_libraries(GENERATE), "diffusers" in decisive_libraries(GENERATE, inpaints=True)
    (False, True)
    """
    if stage == GENERATE:
        return (*_PIXELS, *(_DIFFUSION if inpaints else ()), *removal)
    if stage == REMOVE:
        return (*_PIXELS, *removal)
    if stage == MASK:
        return (*_PIXELS, *(_NETWORKS if refines else ()))
    return (*_PIXELS, *_NETWORKS)


def changed_versions(run: RunFolder, stage: Stage, receipt: Receipt) -> dict[str, tuple[str, str]]:
    """Compare the libraries of a shard with those installed here.

    Libraries that either of the two lacks are not compared.

    Returns:
        For each library whose versions differ, by name: the version in the receipt, and the version here.
    """
    recipe = run.recipe
    removal = recipe.remover.libraries if recipe.remover is not None and "remover" in receipt.facts else ()
    refines = recipe.masks.refiner.accelerated
    names = decisive_libraries(stage, inpaints="painter" in receipt.facts, refines=refines, removal=removal)
    if receipt.facts.get("settings", {}).get("tune") == "head":
        names += ("scikit-learn", "scipy")
    recorded: Mapping[str, str] = receipt.facts.get("environment", {}).get("libraries", {})
    here: Mapping[str, str] = environment()["libraries"]
    both = [name for name in names if name in recorded and name in here]
    return {name: (recorded[name], here[name]) for name in both if recorded[name] != here[name]}


def refuse_other_versions(run: RunFolder, stage: Stage) -> None:
    """Check that this process has the library versions that a stage of a run started with.

    One shard of each part of the plan is checked.

    Raises:
        XrayError: versions differ; the message names both, and the ways to continue.
    """
    shard_by_part = {ShardId(shard).part: shard for shard in sorted(run.store.done(stage), reverse=True)}
    for shard in shard_by_part.values():
        if others := changed_versions(run, stage, run.store.receipt(stage, shard)):
            versions = ", ".join(f"{name} {before} (here {here})" for name, (before, here) in others.items())
            pins = " ".join(f"'{name}=={before}'" for name, (before, _) in others.items())
            alternative = "train in a new run" if stage[0] == "train" else "replan with `xray plan RECIPE RUN --replan`"
            raise ConfigError(
                f"{'/'.join(stage)} of {run.location} started with {versions}, so results may differ. Install the same "
                f"versions again (pip install {pins}), or {alternative}"
            )
