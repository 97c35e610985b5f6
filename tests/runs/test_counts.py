from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from support.tiny_pools import made_here, planned, pooled_folder, pooled_values

from xray.core.errors import XrayError
from xray.pipeline.budget import Budget
from xray.pipeline.generate.retry import images_to_remake
from xray.pipeline.generate.worklist import Worklist
from xray.runs.counts import RowCounts
from xray.runs.folder import RunFolder
from xray.runs.receipts import GENERATE


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = pooled_folder(tmp_path_factory.mktemp("tally"))
    return planned(folder, pooled_values(folder))


def painted(**counts: int) -> RowCounts:
    return RowCounts({"worlds": Counter({key.replace("_reason_", " "): n for key, n in counts.items()})}, 0, 0, 1)


def test_what_the_filter_refuses_is_no_bad_row(run: RunFolder) -> None:
    budget = Budget(run, 0.0)
    budget.spend(painted(ok=10, rejected_reason_nsfw=90))
    assert budget.bad.total() == 0


def test_a_painter_that_fails_everywhere_ends_the_run(run: RunFolder) -> None:
    budget = Budget(run, 0.0)
    budget.spend(painted(ok=2, rejected_reason_blank_picture=97))
    with pytest.raises(XrayError, match=r"'worlds': .* 4 of 199 .*195 blank_picture"):
        budget.spend(painted(ok=1, ok_reason_given_kept=1, rejected_reason_blank_picture=98))


def test_one_that_fails_at_first_may_go_on(run: RunFolder) -> None:
    budget = Budget(run, 0.0)
    budget.spend(painted(rejected_reason_blank_picture=99))
    budget.spend(painted(ok=90))
    assert budget.verdicts["worlds"] == {"ok": 90, "blank_picture": 99}


def test_what_was_made_stays_until_a_missing_file_is_back(tmp_path: Path) -> None:
    folder = pooled_folder(tmp_path)
    run = planned(folder, pooled_values(folder))
    photograph = next(folder.glob("photos/*/*.jpg"))
    away = shutil.move(photograph, tmp_path / "away.jpg")
    made_here(run)
    failed = [receipt.shard for receipt in run.store.receipts(GENERATE) if "failed missing_file" in str(receipt.counts)]
    assert failed
    assert images_to_remake(run) == []
    assert Worklist.of(run).units == []
    before = run.store.table("images", ["sample_id", "sha256", "status"]).to_pylist()
    shutil.move(away, photograph)
    assert sorted(images_to_remake(run)) == sorted(failed)
    Worklist.of(run)
    assert run.store.table("images", ["sample_id", "sha256", "status"]).to_pylist() == before
    made_here(run)
    after = run.store.table("images", ["sample_id", "sha256", "status"]).to_pylist()
    assert {row["status"] for row in after} == {"ok"}
    kept = {row["sample_id"]: row["sha256"] for row in before if row["status"] == "ok"}
    assert kept.items() <= {row["sample_id"]: row["sha256"] for row in after}.items()
