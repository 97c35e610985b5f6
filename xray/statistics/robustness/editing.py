"""What editing itself costs, and what a second object in view costs: qualifications of drops in edited scenarios."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xray.statistics.robustness.bootstrap import SERIES, columns_of, image_accuracies, paired_differences


def drops_beyond_controls(
    predictions: pd.DataFrame,
    controls: Mapping[str, str],
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compute how much more accuracy an edit costs than its control, which shows only what editing itself changes.

        drop(edit) − drop(control) = mean over photographs of (accuracy on the control − accuracy on the edit)

    over the photographs that have both; percentile bootstrap over photographs.

    Args:
        predictions: one row per (sample, model), with the columns of PREDICTIONS.
        controls: the control of each edited scenario, by name.
        resamples: number of bootstrap samples.
        seed: seed of the bootstrap.
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
    frame = paired_differences(sides_NK, control_NK - edit_NK, "beyond_control", resamples, seed, confidence)
    keys = [(*column, controls[column[2]]) for column in columns]
    return pd.concat([pd.DataFrame(keys, columns=names, dtype="str"), frame], axis=1)


def donor_answers(predictions: pd.DataFrame, recognized: pd.DataFrame | None = None) -> pd.DataFrame:
    """Count the wrong answers that name the category of the donor, the photograph that the object was put on.

    Args:
        predictions: one row per (sample, model), with `correct`, `category`, `donor_category`, `names_donor`, and, if
            `recognized` is given, `donor_id`.
        recognized: the photographs, as `image_id` by `model` and `trained_on`, that a model still recognizes without
            their object: a mask left a part of it, or the place tells the category.

    Returns:
        One row per (model, trained_on, scenario) with donors of a known other category: `n` (such predictions),
        `wrong`, `naming_donor`, and `share` = naming_donor / wrong (0 … 1; NaN without wrong answers). A model that
        knows only K categories names the donor's by chance in 1 of K − 1 wrong answers, of two categories always.
        `unrecognized_wrong`, `unrecognized_naming` and `unrecognized_share` are the same over the donors that are not
        `recognized`; NaN if that is not known.

    >>> table = pd.DataFrame({"correct": [True, False, False, False], "names_donor": [False, True, False, True]})
    >>> table = table.assign(model="m", trained_on="pretrained", scenario="other", category="a", donor_category="b")
    >>> donor_answers(table)[["n", "wrong", "naming_donor", "share"]].round(2).values.tolist()
    [[4.0, 3.0, 2.0, 0.67]]
    """
    known = predictions["donor_category"].notna() & predictions["names_donor"].notna()
    rows = predictions[known & (predictions["donor_category"] != predictions["category"])]
    wrong = ~rows["correct"].astype(bool)
    naming = wrong & rows["names_donor"].astype(bool)
    counts = rows[[*SERIES, "scenario"]].assign(n=1, wrong=wrong.astype(int), naming_donor=naming.astype(int))
    if recognized is not None:
        donors = pd.MultiIndex.from_frame(rows[[*SERIES, "donor_id"]])
        hidden = ~donors.isin(pd.MultiIndex.from_frame(recognized[[*SERIES, "image_id"]]))
        counts = counts.assign(
            unrecognized_wrong=(wrong & hidden).astype(int), unrecognized_naming=(naming & hidden).astype(int)
        )
    table = counts.groupby([*SERIES, "scenario"], observed=True).sum().reset_index()
    table = table.assign(share=_share(table["naming_donor"], table["wrong"]))
    if recognized is None:
        return table.assign(unrecognized_wrong=np.nan, unrecognized_naming=np.nan, unrecognized_share=np.nan)
    return table.assign(unrecognized_share=_share(table["unrecognized_naming"], table["unrecognized_wrong"]))


def _share(part: pd.Series, whole: pd.Series) -> pd.Series:
    return part / whole.where(whole > 0)
