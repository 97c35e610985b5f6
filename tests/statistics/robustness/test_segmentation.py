import numpy as np
import pandas as pd

from xray.statistics import segmentation_table
from xray.statistics.robustness.proportions import wilson


def masks(overlaps, **columns):
    """Predictions of a segmenter whose overlaps have unions of 10 pixels."""
    images = [f"{k:03}" for k in range(len(overlaps))]
    rows = {"model": "m", "trained_on": "original", "scenario": "grey", "image_id": images, "union": 10}
    return pd.DataFrame({**rows, "intersection": overlaps, "pixel_accuracy": 0.5, **columns})


def test_images_that_do_not_differ_leave_the_mean_open():
    (row,) = segmentation_table(masks([0] * 20)).to_dict("records")
    assert (row["iou"], row["iou_low"]) == (0, 0)
    assert row["iou_high"] == wilson(np.array([0.0]), np.array([20]))[1].item() > 0.1
    assert row["pixel_accuracy_low"] < 0.5 < row["pixel_accuracy_high"]


def test_groups_are_resampled_together():
    rows = masks([2, 4, 6, 8, 9] * 8)
    single = segmentation_table(rows).iloc[0]
    grouped = segmentation_table(rows.assign(group=rows["intersection"].astype(str))).iloc[0]
    assert single["iou"] == grouped["iou"]
    assert grouped["iou_high"] - grouped["iou_low"] > 2 * (single["iou_high"] - single["iou_low"])
    together = segmentation_table(masks([5] * 20, group="one")).iloc[0]
    assert together["iou_high"] - together["iou_low"] > 0.8  # as of a single image
