"""Compare the masks of a run with given ones of the same photographs, and the accuracies on both."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from xray.core.errors import ConfigError, Rejected
from xray.core.schema import OK
from xray.core.uri import short_name
from xray.masks import Mask, decode_mask, iou
from xray.masks.comparison import boundary_f
from xray.masks.photographs import Row, hint_of, read_photo
from xray.runs.folder import RunFolder
from xray.runs.groups import GROUPED_BY, join_shared_groups
from xray.runs.roles import PRETRAINED
from xray.statistics.robustness.bootstrap import Bootstrap, column_means, columns_of, groups_of, image_accuracies
from xray.statistics.robustness.differences import paired_differences
from xray.statistics.robustness.proportions import widened

GIVEN = "given"
MEASURES = ("iou", "boundary_f")
_KEPT = "given_kept"
"""The reason of a given mask that replaced what the refiner made: that does not count as made."""
_READERS = 4
_COLUMNS = ["image_id", "photograph", "category", "status", "reason", "iou", "boundary_f", "area", "given_area"]
GivenMask = Callable[[Row], Mask | None]
"""Returns the given mask of a photograph (a row of SOURCE), or None if there is none."""


@dataclass(frozen=True)
class Comparison:
    """The masks of a run beside given ones.

    Args:
        photographs: one row per photograph with a given mask: `image_id`, `photograph` (its name), `category`, `status`
            and `reason` of its mask in the run, `iou` and `boundary_f` (0–1; NaN without a mask), `area`, `given_area`.
        categories: one row per category, and `all`: `photographs`, `made` (without given masks that were kept because
            the made ones failed the gates), means of `iou` and `boundary_f` over the
            masks that were made, with `…_low` and `…_high`, 95 % intervals (NaN for a single mask).
        accuracies: one row per model and scenario that both runs have predictions for: `accuracy`, `given_accuracy`,
            `difference` (0.1 is ten points more than with given masks), `ci_low`, `ci_high`, `n_images`. Empty if
            there are none.
        total: number of photographs of the run.
    """

    photographs: pd.DataFrame
    categories: pd.DataFrame
    accuracies: pd.DataFrame
    total: int

    @property
    def worst(self) -> pd.DataFrame:
        """The photographs with masks, those with the smallest IoU first."""
        return self.photographs.dropna(subset="iou").sort_values(["iou", "image_id"])


def compare_masks(run: RunFolder, against: str, progress: Callable[[int], None] = lambda done: None) -> Comparison:
    """Compare the masks of a run with given ones, and write `mask_comparison.csv` into the run.

    Args:
        run: with all its masks.
        against: `given`, the masks that the run's annotations give and its refiner changes; or the URI of a run with
            given masks of the same photographs, which are recognized by their bytes.
        progress: called with the number of photographs compared since the last call.

    Raises:
        ConfigError: there is nothing to compare: the run keeps its given masks, or no photograph has a given mask.
    """
    source = run.store.table("source")
    other = None if against == GIVEN else RunFolder.open(against)
    if other is None and run.recipe.masks.refiner.name == GIVEN:
        raise ConfigError(
            f"the masks of {run.location} are the given ones: plan a run with another `refine`, and compare it"
        )
    partners = {} if other is None else _partners(run, other)
    given_mask = _annotated(run) if other is None else _of_run(other, partners)
    rows: list[dict[str, Any]] = []
    for batch in run.plan.batches():
        rows += _compare_batch(run, batch, given_mask)
        progress(len(run.plan.batch(batch)))
    if not rows:
        raise ConfigError(_nothing_given(run, other))
    photographs = pd.DataFrame(rows, columns=_COLUMNS)
    run.store.write_file("mask_comparison.csv", photographs.to_csv(index=False).encode())
    seed = int(run.recipe_values["seed"])
    accuracies = pd.DataFrame() if other is None else accuracy_differences(run, other, partners)
    return Comparison(photographs, by_category(photographs, seed), accuracies, len(source))


def _nothing_given(run: RunFolder, other: RunFolder | None) -> str:
    if other is not None:
        return (
            f"{other.location} has no mask of a photograph of {run.location}: their bytes differ, or its masks are not "
            "made yet"
        )
    kind = run.recipe.masks.annotations.name
    return (
        f"the annotations of {run.location} ({kind}) give no masks; plan a run of the same photographs with given "
        "masks, make its masks, and name it: --against THAT_RUN"
    )


def _partners(run: RunFolder, other: RunFolder) -> dict[str, str]:
    """Return the ids of the same photographs in another run, by id; bytes that occur several times are left out."""
    ids = [_ids_by_bytes(one) for one in (other, run)]
    return {image: ids[0][sha256] for sha256, image in ids[1].items() if sha256 in ids[0]}


def _ids_by_bytes(run: RunFolder) -> dict[str, str]:
    rows = run.store.table("source", ["image_id", "sha256"]).to_pandas()
    return dict(rows[rows["sha256"] != ""].drop_duplicates("sha256", keep=False)[["sha256", "image_id"]].to_numpy())


def _annotated(run: RunFolder) -> GivenMask:
    def given_mask(row: Row) -> Mask | None:
        recipe = run.recipe
        try:
            return hint_of(row, read_photo(row, recipe.limits), recipe.masks.annotations, recipe.limits)[0].mask
        except Rejected:
            return None

    return given_mask


def _of_run(other: RunFolder, partners: Mapping[str, str]) -> GivenMask:
    batches = {
        image: batch for batch in other.plan.batches() for image in other.plan.batch(batch)["image_id"].to_pylist()
    }

    @functools.lru_cache(maxsize=4)
    def masks_of(batch: str) -> dict[str, Row]:
        masks = other.store.masks(batch)
        return {} if masks is None else {row["image_id"]: row for row in masks.to_pylist()}

    def given_mask(row: Row) -> Mask | None:
        partner = partners.get(row["image_id"])
        made = None if partner is None else masks_of(batches[partner]).get(partner)
        return decode_mask(made["mask"]["bytes"]) if made is not None and made["status"] == OK else None

    return given_mask


def _compare_batch(run: RunFolder, batch: str, given_mask: GivenMask) -> Iterator[dict[str, Any]]:
    masks = run.store.masks(batch)
    made = {} if masks is None else {row["image_id"]: row for row in masks.to_pylist()}
    rows = [row for row in run.plan.batch(batch).to_pylist() if row["image_id"] in made]
    with ThreadPoolExecutor(_READERS) as pool:
        for row, given in zip(rows, pool.map(given_mask, rows), strict=True):
            if given is not None:
                yield _compared(row, made[row["image_id"]], given)


def _compared(source: Row, made: Row, given: Mask) -> dict[str, Any]:
    row = {name: made[name] for name in ("image_id", "status", "reason")}
    row |= {"photograph": short_name(source["uri"]) or source["image_id"], "category": source["category"]}
    row["given_area"] = float(given.mean())
    if made["status"] != OK or _KEPT in made["reason"].split():
        return row
    mask = decode_mask(made["mask"]["bytes"])
    if mask.shape != given.shape:
        return row | {"reason": "mask_wrong_size"}
    return row | {"iou": iou(mask, given), "boundary_f": boundary_f(mask, given), "area": float(mask.mean())}


def by_category(photographs: pd.DataFrame, seed: int = 0, resamples: int = 2000) -> pd.DataFrame:
    """Compute the means of `Comparison.photographs` by category and of all, with percentile bootstrap intervals."""
    groups = [*photographs.groupby("category", sort=True), ("all", photographs)]
    return pd.DataFrame([{"category": name, **_means(group, seed, resamples)} for name, group in groups])


def _means(group: pd.DataFrame, seed: int, resamples: int) -> dict[str, float]:
    made = group[list(MEASURES)].dropna().to_numpy(np.float64)
    row: dict[str, float] = {"photographs": len(group), "made": len(made)}
    means, bounds = column_means(made), np.full((2, len(MEASURES)), np.nan)
    if len(made) > 1:
        drawn = Bootstrap.of_means(made, resamples, seed).interval()
        bounds = widened(drawn, means, np.full(len(MEASURES), len(made)))
    for index, name in enumerate(MEASURES):
        row[name] = float(means[index])
        row |= {f"{name}_low": float(bounds[0, index]), f"{name}_high": float(bounds[1, index])}
    return row


def accuracy_differences(run: RunFolder, other: RunFolder, partners: Mapping[str, str]) -> pd.DataFrame:
    """Compare the accuracies of pretrained models on two runs, paired by photograph.

    Only scenarios with the same settings in both runs count, and models with the same weights.

    Args:
        run: the run whose masks were made.
        other: the run with given masks.
        partners: ids of photographs in `other` by their ids in `run`.

    Returns:
        See `Comparison.accuracies`.
    """
    settings = [one.recipe_values["scenarios"] for one in (run, other)]
    common = [name for name, entry in settings[0].items() if settings[1].get(name) == entry]
    here = {there: image for image, there in partners.items()}
    ours, theirs = (_predictions(one, common) for one in (run, other))
    ours = join_shared_groups(ours, run.store.table("source", GROUPED_BY))
    theirs = theirs.assign(image_id=theirs["image_id"].map(here)).dropna(subset="image_id")
    if ours.empty or theirs.empty:
        return pd.DataFrame()
    left, right = (image_accuracies(rows, ("weights", "scenario")) for rows in (ours, theirs))
    left, right = left.align(right, join="inner")
    if left.empty:
        return pd.DataFrame()
    sides = {"accuracy": left.to_numpy(), "given_accuracy": right.to_numpy()}
    difference = sides["accuracy"] - sides["given_accuracy"]
    frame = paired_differences(sides, difference, "difference", groups_of(ours, left.index))
    names = pd.DataFrame(
        [(model, scenario) for model, _, _, scenario in columns_of(left)], columns=["model", "scenario"]
    )
    return pd.concat([names, frame], axis=1)


def _predictions(run: RunFolder, scenarios: Collection[str]) -> pd.DataFrame:
    columns = ["model", "trained_on", "weights", "scenario", "image_id", "variant", "correct"]
    rows: pd.DataFrame = run.store.table("predictions", columns).to_pandas()
    return rows[(rows["trained_on"] == PRETRAINED) & rows["scenario"].isin(scenarios)]
