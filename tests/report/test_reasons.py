import pytest
from support.html_page import Page

from xray.core.schema import REASONS
from xray.report import build_report
from xray.report.data import gather
from xray.report.reasons import progress, reasons

KINDS = ("original", "segmented", "random_background")


def test_reasons_are_counted_in_each_table(make_run):
    rejected = ("photo_0000", "photo_0001")
    run = make_run(kinds=KINDS, reject=lambda n, s: "mask_empty" if n < 2 else "no_donor" if s == KINDS[2] else "")
    run.edit("masks", lambda row: {"status": "rejected", "reason": "mask_empty"} if row["image_id"] in rejected else {})
    table = reasons(gather(run)).set_index("code")
    assert table.loc["mask_empty", ["photographs", "masks", "images"]].tolist() == [0, 2, 6]
    assert table.loc["no_donor", ["photographs", "masks", "images"]].tolist() == [0, 0, 22]
    assert table.loc["mask_empty", "examples"] == list(rejected)
    assert len(table.loc["no_donor", "examples"]) == 3
    row = f"rejected mask_empty {REASONS['mask_empty']} 0 2 6 photo_0000<script>.jpg, photo_0001<script>.jpg"
    assert row in Page(build_report(run)).words


def test_each_reason_of_a_row_counts_and_conversions_come_last(make_run):
    run = make_run(kinds=KINDS, photographs=1, reject=lambda n, s: "no_donor" if s == KINDS[2] and n == 0 else "")
    run.edit("images", lambda row: {} if row["reason"] else {"reason": "converted_cmyk rotated_by_exif"})
    assert reasons(gather(run))[["status", "code", "images"]].to_numpy().tolist() == [
        ["rejected", "no_donor", 1],
        ["ok", "converted_cmyk", 11],
        ["ok", "rotated_by_exif", 11],
    ]


@pytest.mark.parametrize(("reason", "code"), [("from_a_plugin", "from_a_plugin"), ("", "unstated")])
def test_codes_without_a_meaning_and_failures_without_a_code_are_shown(make_run, reason, code):
    run = make_run(kinds=KINDS, photographs=1)
    failed = {"status": "failed", "reason": reason}
    run.edit("images", lambda row: failed if row["image_id"] == "photo_0000" else {})
    assert reasons(gather(run))[["status", "code", "images"]].to_numpy().tolist() == [["failed", code, 3]]
    assert f"failed {code} no meaning is recorded" in Page(build_report(run)).words


def test_what_was_seen_is_shown_with_one_photograph_of_each_reason(make_run):
    run = make_run(kinds=KINDS, photographs=2, reject=lambda n, s: "mask_wrong_size" if n == 3 else "")
    seen = {"detail": "mask 120×90, image 240×180"}
    run.edit("images", lambda row: seen if row["reason"] else {})
    table = reasons(gather(run)).set_index("code")
    assert table.loc["mask_wrong_size", "seen"] == ("photo_0003", "mask 120×90, image 240×180")
    assert "photo_0003<script>.jpg: mask 120×90, image 240×180" in Page(build_report(run)).words


def test_nothing_to_report(make_run):
    assert reasons(gather(make_run(kinds=KINDS, photographs=1))).empty


def test_progress_adds_up(make_run):
    run = make_run(models=("m",), kinds=KINDS, reject=lambda n, s: "no_donor" if s == KINDS[2] and n < 5 else "")
    table = progress(gather(run)).set_index("scenario")
    assert table.index.tolist() == list(KINDS)
    assert table.loc[KINDS[2]].to_dict() == {"planned": 24, "ok": 19, "rejected": 5, "failed": 0, "predictions": 19}
    assert (table["planned"] == table["ok"] + table["rejected"] + table["failed"]).all()
