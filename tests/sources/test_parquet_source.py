from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray.core import files
from xray.core.errors import Rejected, XrayError
from xray.core.schema import IMAGE
from xray.sources.categories import Category
from xray.sources.parquet import Parquet

FOX = Category(name="red fox", indices=(277,), wnids=("n02119022",))
CELLO = Category(name="cello", indices=(486,))


def write(path: Path, columns: dict[str, Any], features: dict[str, Any] | None = None, row_group_size: int = 2) -> None:
    table = pa.table(columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=row_group_size)


def images(*names: bytes | None) -> pa.Array:
    return pa.array([{"bytes": name, "path": None} for name in names], IMAGE)


def test_hugging_face_schema(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    names = {"_type": "ClassLabel", "names": ["cello", "n02119022", "dog"]}
    labels = pa.array([0, 1, 2, 1, -1, None, 0])
    write(path, {"image": images(*(b"%d" % i for i in range(7))), "label": labels}, {"label": names})
    source = Parquet(uri=str(path), split="val", licence="CC0")
    candidates = list(source.candidates([FOX, CELLO]))
    assert [(one.key, one.category) for one in candidates] == [
        ("train.parquet:0", "cello"),
        ("train.parquet:1", "red fox"),
        ("train.parquet:3", "red fox"),
        ("train.parquet:6", "cello"),
    ]
    assert [files.read_bytes(one.uri) for one in candidates] == [b"0", b"1", b"3", b"6"]
    assert {(one.split, one.licence, one.mask_uri) for one in candidates} == {("val", "CC0", None)}
    unmatched, unlabelled = source.notes([FOX, CELLO])
    assert unmatched.endswith(": dog (1)")
    assert unlabelled.startswith("2 ")


def test_folder_of_files_with_text_labels_ids_and_masks(tmp_path: Path) -> None:
    for number in (1, 0):
        write(
            tmp_path / "deep" / f"{number}.parquet",
            {
                "picture": pa.array([b"p%d" % number, b"q%d" % number]),
                "mask": images(b"m%d" % number, None),
                "what": ["Red_Fox", "cello"],
                "id": [10 + number, 99],
            },
        )
    (tmp_path / "notes.txt").write_text("no table")
    source = Parquet(uri=str(tmp_path), image="picture", category="what", id="id", mask="mask")
    candidates = list(source.candidates([FOX, CELLO]))
    assert [(one.key, one.category, one.problem) for one in candidates] == [
        ("10", "red fox", ""),
        ("99", "cello", ""),
        ("11", "red fox", ""),
        ("99", "cello", "duplicate_id"),
    ]
    assert [files.read_bytes(one.uri) for one in candidates] == [b"p0", b"q0", b"p1", b"q1"]
    assert files.read_bytes(candidates[0].mask_uri or "") == b"m0"
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(candidates[1].mask_uri or "")


def test_without_ids_keys_are_file_and_row(tmp_path: Path) -> None:
    for name in ("a.parquet", "b/a.parquet"):
        write(tmp_path / name, {"image": images(b"x", b"y", b"z"), "label": ["cello"] * 3})
    keys = [one.key for one in Parquet(uri=str(tmp_path)).candidates([CELLO])]
    assert keys == [f"{file}:{row}" for file in ("a.parquet", "b/a.parquet") for row in range(3)]
    with pytest.raises(XrayError, match="no row"):
        list(Parquet(uri=str(tmp_path)).candidates([FOX]))


def test_categories_from_labels(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": images(b"x", b"y"), "label": ["n02119022", "violoncello"]})
    assert [one.indices for one in Parquet(uri=str(tmp_path)).categories()] == [(277,), (486,)]
    write(tmp_path / "b.parquet", {"image": images(b"x"), "label": ["spoonish"]})
    with pytest.raises(XrayError, match="'spoonish' in column 'label'"):
        Parquet(uri=str(tmp_path)).categories()


def test_integers_need_names(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write(path, {"image": images(b"x", b"y"), "label": [1, 0]})
    with pytest.raises(XrayError, match=r"integers.*ClassLabel"):
        list(Parquet(uri=str(path)).candidates([CELLO]))
    candidates = list(Parquet(uri=str(path), names=("cello", "dog")).candidates([CELLO]))
    assert [files.read_bytes(one.uri) for one in candidates] == [b"y"]
    with pytest.raises(XrayError, match="label 1"):
        list(Parquet(uri=str(path), names=("cello",)).candidates([CELLO]))


def test_listing_does_not_read_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    original = pq.ParquetFile.read_row_group

    def spy(self: pq.ParquetFile, group: int, columns: list[str] | None = None) -> pa.Table:
        read.append(columns)
        return original(self, group, columns=columns)

    write(tmp_path / "a.parquet", {"image": images(b"x", b"y", b"z"), "label": ["cello"] * 3, "id": ["1", "2", "3"]})
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spy)
    assert len(list(Parquet(uri=str(tmp_path), id="id").candidates([CELLO]))) == 3
    assert read == [["label", "id"]] * 2


@pytest.mark.parametrize("setting", ["image", "category", "id", "mask"])
def test_missing_columns_are_named(tmp_path: Path, setting: str) -> None:
    write(tmp_path / "a.parquet", {"image": images(b"x"), "label": ["cello"]})
    with pytest.raises(XrayError, match="'absent'"):
        list(Parquet(uri=str(tmp_path), **{setting: "absent"}).candidates([CELLO]))


def test_files_that_are_no_tables_are_named(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match="no file"):
        list(Parquet(uri=str(tmp_path / "missing.parquet")).candidates([CELLO]))
    with pytest.raises(XrayError, match=r"no \.parquet files"):
        list(Parquet(uri=str(tmp_path)).candidates([CELLO]))
    (tmp_path / "a.parquet").write_bytes(b"text")
    with pytest.raises(XrayError, match=r"a\.parquet"):
        list(Parquet(uri=str(tmp_path)).candidates([CELLO]))


def test_object_store(bucket: str, tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": images(b"x", b"y", b"z"), "label": ["cello", "dog", "cello"]})
    uri = bucket.format("tables/a.parquet")
    files.write_bytes(uri, (tmp_path / "a.parquet").read_bytes())
    for location in (uri, bucket.format("tables")):
        candidates = list(Parquet(uri=location).candidates([CELLO]))
        assert [one.key for one in candidates] == ["a.parquet:0", "a.parquet:2"]
        assert [files.read_bytes(one.uri) for one in candidates] == [b"x", b"z"]
