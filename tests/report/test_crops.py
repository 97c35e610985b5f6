"""What the usual centre crop leaves of moved objects."""

import numpy as np
import pandas as pd
import pytest
from support.edited import edited_run, with_images

from xray.masks import encode_mask
from xray.report.crops import seen_by_cell, seen_share
from xray.report.data import gather

CELLS = pd.DataFrame({"scenario": ["cell-00", "cell-11"], "row": [0, 1], "column": [0, 1]})


def box(rows, columns, shape=(80, 160)):
    mask = np.zeros(shape, bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize(
    ("mask", "share"),
    [
        (box(slice(30, 50), slice(70, 90)), 1.0),
        (box(slice(30, 50), slice(0, 20)), 0.0),  # the square is columns 45 to 114
        (box(slice(30, 50), slice(40, 50)), 0.5),
        (box(slice(0, 10), slice(70, 90)), 0.5),  # and rows 5 to 74
        (box(slice(0, 0), slice(0, 0)), np.nan),
    ],
)
def test_the_square_is_central(mask, share):
    assert seen_share(mask) == pytest.approx(share, nan_ok=True)
    assert seen_share(mask.T) == pytest.approx(share, nan_ok=True)


def test_only_photographs_with_every_cell_count(make_run):
    run = with_images(edited_run(make_run), ["cell-00", "cell-11"])
    seen, cut = (encode_mask(box(slice(30, 50), slice(left, left + 20))) for left in (70, 0))

    def change(row):
        if row["scenario"] == "cell-00" and row["image_id"] == "photo-4":
            return {"status": "rejected", "image": None, "mask": None}
        inside = row["scenario"] == "cell-11" or row["image_id"] in ("photo-0", "photo-1", "photo-2")
        return {"mask": {"bytes": seen if inside else cut, "path": "x"}}

    run.edit("images", change)
    shares = seen_by_cell(gather(run), CELLS).set_index("scenario")["seen"]
    assert shares.to_dict() == {"cell-00": pytest.approx(3 / 9), "cell-11": 1.0}
    run.edit("images", lambda row: {"mask": {"bytes": b"", "path": "x"}} if row["mask"] else {})
    assert seen_by_cell(gather(run), CELLS)["seen"].isna().all()
    run.clear("images")
    assert seen_by_cell(gather(run), CELLS).empty
