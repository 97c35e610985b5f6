from __future__ import annotations

from typing import Any

import pytest

from xray.core.errors import DamagedError
from xray.runs.receipts import Receipt

FILE = {"path": ["images", "1.parquet"], "sha256": "0", "bytes": 1, "rows": 1}
VALUES: dict[str, Any] = {"shard": "1", "files": {"images": FILE}, "counts": {}, "seconds": 1.0}


def test_a_receipt_is_what_its_values_say() -> None:
    assert Receipt.of(VALUES, "1.json").files["images"] == FILE


@pytest.mark.parametrize(
    "change",
    [{"rows": "many"}, {"rows": -1}, {"bytes": True}, {"bytes": 2**63}, {"sha256": None}, {"path": []}, {"path": "ab"},
     {"path": ["a\ud800"]}, {"extends": 5}],
)  # fmt: skip
def test_a_file_of_other_types_is_no_receipt(change: dict[str, Any]) -> None:
    with pytest.raises(DamagedError):
        Receipt.of(VALUES | {"files": {"images": FILE | change}}, "1.json")


@pytest.mark.parametrize("change", [{"seconds": "x"}, {"facts": [1]}])
def test_values_of_other_types_are_no_receipt(change: dict[str, Any]) -> None:
    with pytest.raises(DamagedError):
        Receipt.of(VALUES | change, "1.json")
