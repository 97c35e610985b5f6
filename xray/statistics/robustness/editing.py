"""What editing itself costs, and what a second object in view costs: qualifications of drops in edited scenarios."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xray.statistics.regression.validation import validate_confidence
from xray.statistics.robustness.bootstrap import SERIES, columns_of, groups_of, image_accuracies
from xray.statistics.robustness.differences import paired_differences

_MODEL = list(SERIES)
_KEYS = [*SERIES, "scenario"]


def drops_beyond_controls(
    predictions: pd.DataFrame,
    controls: Mapping[str, str],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute how much more accuracy an edit costs than its control, which shows only what editing itself changes.

        drop(edit) − drop(control) = mean over photographs of (accuracy on the control − accuracy on the edit)

    over the photographs that have both, with the interval of `drops`.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        controls: the control of each edited scenario, by name.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, scenario) that has its control: `control`, `control_accuracy` and `accuracy`
        (both over the paired photographs), `beyond_control`, `ci_low`, `ci_high` (−1 … 1) and `n_images`.

    >>> rows = [("pasted", k, k < 7) for k in range(8)] + [("small", k, k < 5) for k in range(8)]
    >>> predictions = pd.DataFrame(rows, columns=["scenario", "image_id", "correct"])
    >>> table = drops_beyond_controls(predictions.assign(model="m", trained_on="pretrained"), {"small": "pasted"})
    >>> table[["scenario", "control", "beyond_control", "n_images"]].values.tolist()
    [['small', 'pasted', 0.25, 8]]
    """
    names = [*SERIES, "scenario", "control"]
    shown = predictions[predictions["scenario"].isin([*controls, *controls.values()])]
    if shown.empty:
        return pd.DataFrame(
            columns=[*names, "control_accuracy", "accuracy", "beyond_control", "ci_low", "ci_high", "n_images"]
        )
    wide = image_accuracies(shown)
    columns = [column for column in columns_of(wide) if (*column[:2], controls.get(column[2], "")) in wide.columns]
    edit_NK = wide[columns].to_numpy()
    control_NK = wide[[(model, trained_on, controls[scenario]) for model, trained_on, scenario in columns]].to_numpy()
    sides_NK = {"control_accuracy": control_NK, "accuracy": edit_NK}
    group_N = groups_of(shown, wide.index)
    frame = paired_differences(sides_NK, control_NK - edit_NK, "beyond_control", group_N, confidence)
    keys = [(*column, controls[column[2]]) for column in columns]
    return pd.concat([pd.DataFrame(keys, columns=names, dtype="str"), frame], axis=1)


def donor_answers(
    predictions: pd.DataFrame,
    recognized: pd.DataFrame | None = None,
    named: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Count the wrong answers that name the category of the donor, the photograph that the object was put on.

    Args:
        predictions: one row per (sample, model), with `correct`, `category`, `donor_category`, `names_donor`; if
            `recognized` is given also `donor_id`, if `named` is given also `top1`.
        recognized: the photographs, as `image_id` by `model` and `trained_on`, that a model still recognizes without
            their object: a mask left a part of it, or the place tells the category.
        named: the categories that each answer names, as `donor_category` by `model`, `trained_on` and `top1`.
        confidence: confidence level, inside (0, 1).

    Returns:
        One row per (model, trained_on, scenario) with donors of a known other category: `n` (such predictions),
        `wrong`, `naming_donor`, and `share` = naming_donor / wrong (0 … 1; NaN without wrong answers) with its Wilson
        interval `share_low`, `share_high`, which assumes independent rows. `unrecognized_wrong`,
        `unrecognized_naming` and `unrecognized_share` are the same over the donors that are not `recognized`.
        `chance_share` and `unrecognized_chance` are the shares to expect if answers did not depend on donors, see
        `_share_by_chance`. NaN where `recognized` or `named` do not tell it.

    >>> table = pd.DataFrame({"correct": [True, False, False, False], "names_donor": [False, True, False, True]})
    >>> table = table.assign(model="m", trained_on="pretrained", scenario="other", category="a", donor_category="b")
    >>> donor_answers(table)[["n", "wrong", "naming_donor", "share"]].round(2).values.tolist()
    [[4.0, 3.0, 2.0, 0.67]]
    """
    from statsmodels.stats.proportion import proportion_confint  # slow import (scipy)

    known = predictions["donor_category"].notna() & predictions["names_donor"].notna()
    rows = predictions[known & (predictions["donor_category"] != predictions["category"])]
    wrong = ~rows["correct"].astype(bool)
    naming = wrong & rows["names_donor"].astype(bool)
    counts = rows[_KEYS].assign(n=1, wrong=wrong.astype(int), naming_donor=naming.astype(int))
    hidden = pd.Series(False, rows.index)
    if recognized is not None:
        donors = pd.MultiIndex.from_frame(rows[[*SERIES, "donor_id"]])
        hidden |= ~donors.isin(pd.MultiIndex.from_frame(recognized[[*SERIES, "image_id"]]))
        counts = counts.assign(
            unrecognized_wrong=(wrong & hidden).astype(int), unrecognized_naming=(naming & hidden).astype(int)
        )
    table = counts.groupby(_KEYS, observed=True).sum().reset_index()
    wrong_or_nan = table["wrong"].where(table["wrong"] > 0)
    low, high = proportion_confint(table["naming_donor"], wrong_or_nan, 1 - validate_confidence(confidence), "wilson")
    table = table.assign(share=_share(table["naming_donor"], table["wrong"]), share_low=low, share_high=high)
    if recognized is None:
        table = table.assign(unrecognized_wrong=np.nan, unrecognized_naming=np.nan, unrecognized_share=np.nan)
    else:
        table["unrecognized_share"] = _share(table["unrecognized_naming"], table["unrecognized_wrong"])
    for column, counted in (("chance_share", wrong), ("unrecognized_chance", hidden & wrong)):
        chance = _share_by_chance(rows[counted], named) if named is not None else table[_KEYS].assign(share=np.nan)
        table = table.merge(chance.rename(columns={"share": column}), how="left", on=_KEYS)
    return table


def _share_by_chance(wrong: pd.DataFrame, named: pd.DataFrame) -> pd.DataFrame:
    """Compute the share of wrong answers that name the donor's category if the donors are dealt to them again.

    Each wrong answer is paired with the donor of every wrong answer of the same model and scenario, its own included,
    whose category is not the object's: the mean over these donors, then over answers. What is left are answers that
    a model often gives, and donors that are often in view; not that the one depends on the other.

    Returns:
        `share` (0 … 1) per (model, trained_on, scenario) that has wrong answers, of the models in `named`.
    """
    wrong = wrong.merge(named[_MODEL].drop_duplicates(), on=_MODEL)
    answers = wrong.groupby([*_KEYS, "category", "top1"], observed=True).size().reset_index(name="answers")
    donors = wrong.groupby([*_KEYS, "donor_category"], observed=True).size().reset_index(name="donors")
    total = wrong.groupby(_KEYS, observed=True).size().reset_index(name="total")
    own = donors.rename(columns={"donor_category": "category", "donors": "own"})
    hits = answers.merge(named, on=[*SERIES, "top1"]).merge(donors, on=[*_KEYS, "donor_category"])
    hits = hits[hits["category"] != hits["donor_category"]]
    hits = hits.merge(total, on=_KEYS).merge(own, how="left", on=[*_KEYS, "category"])
    hits["expected"] = hits["answers"] * hits["donors"] / (hits["total"] - hits["own"].fillna(0))
    expected = hits.groupby(_KEYS, observed=True)["expected"].sum().reset_index()
    table = total.merge(expected, how="left", on=_KEYS)
    return table.assign(share=table["expected"].fillna(0) / table["total"])[[*_KEYS, "share"]]


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)
