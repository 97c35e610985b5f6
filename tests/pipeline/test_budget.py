from types import SimpleNamespace

import pytest

from xray.core import schema
from xray.core.errors import ConfigError
from xray.pipeline.budget import Budget
from xray.runs.counts import RowCounts, count_outcomes


def run_of(planned):
    store = SimpleNamespace(receipts=lambda stage: [])
    recipe = SimpleNamespace(filter=SimpleNamespace(min_keep_rate=0.05))
    return SimpleNamespace(plan=SimpleNamespace(planned_rows=lambda: planned), recipe=recipe, store=store)


def refused(reason, n):
    counts = count_outcomes([{"status": schema.REJECTED, "reason": reason}] * n)
    return RowCounts({"size": dict(counts)}, 0, 0.0, 1)


@pytest.mark.parametrize("reason", ["object_does_not_fit", "object_leaves_frame"])
def test_objects_that_do_not_fit_are_no_bad_rows(reason):
    budget = Budget(run_of(10), 0.1)
    budget.spend(refused(reason, 9))
    assert budget.bad.total() == 0


def test_other_refusals_are():
    budget = Budget(run_of(10), 0.1)
    budget.spend(refused("background_too_small", 1))
    with pytest.raises(ConfigError, match="background_too_small"):
        budget.spend(refused("background_too_small", 1))
