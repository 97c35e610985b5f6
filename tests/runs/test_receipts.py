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


OWN = {"path": ["predictions", "net", "1.parquet"], "sha256": "0", "bytes": 1, "rows": 1}


def receipt(shard: str = "1", **files: dict[str, Any]) -> Receipt:
    return Receipt.of({"shard": shard, "files": files, "counts": {}, "seconds": 1.0}, "1.json")


def test_a_receipt_may_name_the_file_of_another_shard_of_its_stage() -> None:
    receipt(predictions=OWN).check_of(("evaluate", "net"), "1", "1.json")
    receipt(predictions=OWN | {"path": ["predictions", "net", "2.parquet"]}).check_of(
        ("evaluate", "net"), "1", "1.json"
    )
    weights = {"path": ["trials", "net", "grey", "0", "model.safetensors"], "sha256": "0", "bytes": 1}
    tested = OWN | {"path": ["predictions", "net", "grey", "0.parquet"]}
    receipt("0", predictions=tested, weights=weights).check_of(("train", "net", "grey"), "0", "0.json")


@pytest.mark.parametrize(
    "other",
    [
        receipt("2", predictions=OWN),
        receipt(),
        receipt(images=FILE),
        receipt(predictions=OWN | {"path": ["predictions", "other", "1.parquet"]}),
        receipt(predictions=OWN | {"path": ["predictions", "1.parquet"]}),
        receipt(predictions=OWN | {"path": ["images", "1.parquet"]}),
        receipt(predictions={key: OWN[key] for key in ("path", "sha256", "bytes")}),
    ],
)
def test_a_receipt_of_something_else_is_damaged(other: Receipt) -> None:
    with pytest.raises(DamagedError, match=r"1\.json"):
        other.check_of(("evaluate", "net"), "1", "1.json")
