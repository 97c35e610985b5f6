from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray.core.errors import ConfigError
from xray.sources.parquet.proposal import propose_columns

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
OBJECTS = pa.struct([("bbox", pa.list_(pa.list_(pa.float32()))), ("category", pa.list_(pa.string()))])
NAMES = {"_type": "ClassLabel", "names": ["red fox", "cello"]}


def proposed(folder: Path, columns: dict[str, pa.DataType], **features: Any) -> dict[str, str | None]:
    schema = pa.schema(list(columns.items()), {"huggingface": json.dumps({"info": {"features": features}})})
    folder.mkdir(exist_ok=True)
    pq.write_table(schema.empty_table(), folder / "t.parquet")
    found = propose_columns(str(folder))
    assert found.pop("uri") == str(folder)
    return found


@pytest.mark.parametrize(
    ("columns", "features", "expected"),
    [
        ({"image": IMAGE, "mask": IMAGE, "label": pa.int64()}, {"label": NAMES}, ("image", "label", "mask", None)),
        ({"mask": IMAGE, "img": IMAGE, "cls": pa.int8()}, {"cls": NAMES}, ("img", "cls", "mask", None)),
        ({"photo_id": pa.string(), "jpg": pa.binary(), "species": pa.string()}, {}, ("jpg", "species", None, None)),
        ({"image_path": pa.string(), "category": pa.string()}, {}, ("image_path", "category", None, None)),
        ({"image": pa.list_(IMAGE), "labels": pa.list_(pa.int64())}, {"labels": [NAMES]}, ("image", "labels", None, None)),
        ({"image": IMAGE, "objects": OBJECTS, "id": pa.int64()}, {}, ("image", None, None, "objects")),
        ({"image": IMAGE, "objects": OBJECTS, "label": pa.string()}, {}, ("image", "label", None, "objects")),
        ({"image": IMAGE, "mask": IMAGE, "objects": OBJECTS, "label": pa.string()}, {}, ("image", "label", "mask", None)),
    ],
)  # fmt: skip
def test_columns(
    columns: dict[str, pa.DataType], features: dict[str, Any], expected: tuple[str | None, ...], tmp_path: Path
) -> None:
    found = proposed(tmp_path / "set", columns, **features)
    assert tuple(map(found.get, ("image", "category", "mask", "objects"))) == expected


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"image": IMAGE, "label": pa.int64()}, "label"),
        ({"image": IMAGE, "caption": pa.string()}, "caption"),
        ({"left": IMAGE, "right": IMAGE, "label": pa.string()}, "right"),
        ({"text": pa.string(), "label": pa.string()}, "text"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_columns(
    columns: dict[str, pa.DataType], named: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=rf"\b{named} \("):
        proposed(tmp_path / "set", columns)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"not parquet")
    with pytest.raises(ConfigError, match=r"t\.parquet"):
        propose_columns(str(tmp_path))
