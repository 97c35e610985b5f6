import pyarrow as pa

from xray.core.schema import REASONS
from xray.report.data import gather
from xray.report.reasons import progress, reasons

KINDS = ("original", "segmented", "random_background")


def edit(run, name, change):
    rows = run.tables[name].to_pylist()
    for row in rows:
        row.update(change(row))
    run.tables[name] = pa.Table.from_pylist(rows, schema=run.tables[name].schema)


def test_every_reason_is_counted_in_its_table(make_run):
    run = make_run(kinds=KINDS, reject=lambda n, s: "mask_empty" if n < 2 else "no_donor" if s == KINDS[2] else "")
    edit(
        run,
        "masks",
        lambda row: (
            {"status": "rejected", "reason": "mask_empty"} if row["image_id"] in ("photo_0000", "photo_0001") else {}
        ),
    )
    found = {reason.code: reason for reason in reasons(gather(run))}
    assert set(found) == {"mask_empty", "no_donor"}
    assert (found["mask_empty"].photographs, found["mask_empty"].masks, found["mask_empty"].images) == (0, 2, 6)
    assert found["no_donor"].images == 22
    assert found["mask_empty"].meaning == REASONS["mask_empty"]
    assert found["mask_empty"].examples == ("photo_0000<script>.jpg", "photo_0001<script>.jpg")
    assert len(found["no_donor"].examples) == 3


def test_several_reasons_of_a_row_count_each_and_conversions_come_last(make_run):
    run = make_run(kinds=KINDS, photographs=1, reject=lambda n, s: "no_donor" if s == KINDS[2] and n == 0 else "")
    edit(run, "images", lambda row: {} if row["reason"] else {"reason": "converted_cmyk rotated_by_exif"})
    found = reasons(gather(run))
    assert [(reason.status, reason.code, reason.images) for reason in found] == [
        ("rejected", "no_donor", 1),
        ("ok", "converted_cmyk", 11),
        ("ok", "rotated_by_exif", 11),
    ]


def test_a_code_without_a_meaning_is_shown_all_the_same(make_run):
    run = make_run(kinds=KINDS, photographs=1, reject=lambda n, s: "from_a_plugin" if n == 0 else "")
    assert reasons(gather(run))[0].meaning == "no meaning is recorded for this code"


def test_a_refusal_without_a_reason_is_not_lost(make_run):
    run = make_run(kinds=KINDS, photographs=1)
    edit(run, "images", lambda row: {"status": "failed", "reason": ""} if row["image_id"] == "photo_0000" else {})
    assert [(reason.status, reason.code, reason.images) for reason in reasons(gather(run))] == [
        ("failed", "unstated", 3)
    ]


def test_nothing_to_say(make_run):
    assert reasons(gather(make_run(kinds=KINDS))) == []


def test_progress_adds_up(make_run):
    run = make_run(models=("m",), kinds=KINDS, reject=lambda n, s: "no_donor" if s == KINDS[2] and n < 5 else "")
    rows = progress(gather(run))
    assert [row["scenario"] for row in rows] == list(KINDS)
    assert all(row["planned"] == row["ok"] + row["rejected"] + row["failed"] == 24 for row in rows)
    assert rows[2] == {
        "scenario": KINDS[2],
        "planned": 24,
        "ok": 19,
        "rejected": 5,
        "failed": 0,
        "predictions": 19,
    }
