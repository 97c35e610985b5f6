from __future__ import annotations

import copy
from typing import Any

import pytest

from xray.core.errors import DamagedError
from xray.runs.record import check_record

RECORD: dict[str, Any] = {
    "parts": ["00-00", "01-00"],
    "replaced": [],
    "recipe": {
        "scenarios": {"original": {"kind": "original", "variants": 1}},
        "categories": {"fox": {"indices": [277]}},
        "source": {"kind": "imagefolder", "root": "photos"},
        "models": {"net": "timm:net"},
        "training": None,
        "seed": 7,
    },
    "environment": {"python": "3.11"},
    "remarks": ["a note"],
    "files": {"source/00.parquet": "0" * 64},
    "sha256": "0",
}


def changed(*keys: str, to: Any) -> dict[str, Any]:
    record = copy.deepcopy(RECORD)
    inner = record
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    return record


def test_records_with_and_without_what_came_later() -> None:
    for record in (RECORD, {**RECORD, "first": 2, "revoked": ["original"], "weights": {"a": "b"}, "new": {"x": [1]}}):
        check_record(record, "run.json")
    check_record(changed("recipe", "training", to={"models": {"a": "b"}, "scenarios": ["original"]}), "run.json")


@pytest.mark.parametrize("key", ["parts", "replaced", "recipe", "environment", "remarks", "files"])
def test_what_readers_need_must_be_there(key: str) -> None:
    with pytest.raises(DamagedError, match=key):
        check_record({name: value for name, value in RECORD.items() if name != key}, "run.json")


@pytest.mark.parametrize(
    "record",
    [
        changed("parts", to=["../../x"]),
        changed("parts", to=5),
        changed("files", to={"source/00.parquet": 5}),
        changed("files", to=[]),
        changed("remarks", to=[{"a": 1}]),
        changed("environment", to=[1]),
        changed("first", to="x"),
        changed("revoked", to=1),
        changed("recipe", "scenarios", to={}),
        changed("recipe", "scenarios", to={"original": 5}),
        changed("recipe", "scenarios", to={"original": {}}),
        changed("recipe", "categories", to=5),
        changed("recipe", "models", to=7),
        changed("recipe", "training", to=5),
        {},
    ],
)
def test_what_is_of_another_type_is_refused_in_one_line(record: dict[str, Any]) -> None:
    with pytest.raises(DamagedError) as refused:
        check_record(record, "run.json")
    assert len(str(refused.value).splitlines()) == 1
