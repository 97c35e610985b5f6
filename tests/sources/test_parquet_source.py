from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xray.core import files
from xray.core.errors import Rejected, XrayError
from xray.core.parts import unpack
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
    with pytest.raises(XrayError, match=r"numbers.*ClassLabel.*`names"):
        list(Parquet(uri=str(path)).candidates([CELLO]))
    candidates = list(Parquet(uri=str(path), names=("cello", "dog")).candidates([CELLO]))
    assert [files.read_bytes(one.uri) for one in candidates] == [b"y"]
    with pytest.raises(XrayError, match="label 1"):
        list(Parquet(uri=str(path), names=("cello",)).candidates([CELLO]))


def test_listing_does_not_read_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    original = pq.ParquetFile.iter_batches

    def spy(self: pq.ParquetFile, size: int, row_groups: list[int], columns: list[str]) -> Any:
        read.append(columns)
        return original(self, size, row_groups=row_groups, columns=columns)

    write(tmp_path / "a.parquet", {"image": images(b"x", b"y", b"z"), "label": ["cello"] * 3, "id": ["1", "2", "3"]})
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
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


PICTURE = {"bytes": b"x", "path": None}
NAMES = {"_type": "ClassLabel", "names": ["red fox", "cello"]}


def read(source: Parquet) -> list[tuple[str, bytes]]:
    return [(one.category, files.read_bytes(one.uri)) for one in source.candidates([FOX, CELLO])]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([b"x", b"x"], pa.large_binary()),
        pa.array([b"x", b"x"], pa.binary_view()),
        pa.array([b"x", b"x"], pa.binary(1)),
        pa.array([b"x", b"x"]).dictionary_encode(),
        pa.array([[120], [120]], pa.list_(pa.uint8())),
        pa.array([{"bytes": b"x"}] * 2),
        pa.array([[PICTURE], [PICTURE]], pa.list_(IMAGE)),
        pa.array([[b"x"], [b"x"]], pa.large_list(pa.binary())),
        pa.array(["a.png", "deep\\b.png"]),
        pa.array([["a.png"], ["./deep/b.png"]]),
        pa.array([{"bytes": None, "path": "a.png"}, {"bytes": None, "path": "deep/b.png"}], IMAGE),
        pa.array([{"bytes": b"x", "path": "absent.png"}, {"bytes": None, "path": "above.png"}], IMAGE),
    ],
)
def test_columns_of_images_of_every_type(column: pa.Array, tmp_path: Path) -> None:
    for name in ("above.png", "data/a.png", "data/deep/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write(tmp_path / "data" / "t.parquet", {"image": column, "label": ["red fox", "cello"]})
    assert read(Parquet(uri=str(tmp_path))) == [("red fox", b"x"), ("cello", b"x")]


@pytest.mark.parametrize("path", ["absent.png", "/nowhere/a.png", "../a.png", "ftp://host/a.png"])
def test_a_path_that_leads_nowhere_costs_only_its_row(path: str, tmp_path: Path) -> None:
    column = pa.array([{"bytes": None, "path": path}, PICTURE], IMAGE)
    write(tmp_path / "t.parquet", {"image": column, "label": ["red fox", "cello"]})
    bad, good = Parquet(uri=str(tmp_path)).candidates([FOX, CELLO])
    assert files.read_bytes(good.uri) == b"x"
    with pytest.raises(Rejected, match="missing_file"):
        files.read_bytes(bad.uri)


@pytest.mark.parametrize(
    ("column", "seen"),
    [
        (pa.array([1, 2]), "int64"),
        (pa.nulls(2), "null"),
        (pa.array([{"data": b"x"}] * 2), "struct<data"),
        (pa.array([[[1, 2]], [[3]]]), "list<.*list"),
        (pa.array(["https://example.org/a.png", None]), "https://example.org/a.png"),
        (pa.array([{"bytes": None, "path": "http://example.org/a.png"}] * 2, IMAGE), "http://example.org/a.png"),
        (pa.array([[PICTURE, PICTURE], [PICTURE]], pa.list_(IMAGE)), "3 in 2 rows: write `image_item: 0`"),
    ],
)
def test_columns_that_are_no_images_are_refused_from_the_schema(column: pa.Array, seen: str, tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", {"image": column, "other": images(b"x", b"y"), "label": ["red fox", "cello"]})
    with pytest.raises(XrayError, match=f"(?s)column 'image'.*{seen}"):
        read(Parquet(uri=str(tmp_path)))


def test_one_image_of_each_list(tmp_path: Path) -> None:
    column = pa.array([[b"a", b"b"], [b"c"], []], pa.list_(pa.binary()))
    write(tmp_path / "t.parquet", {"image": column, "label": ["cello"] * 3}, row_group_size=3)
    first, second, empty = Parquet(uri=str(tmp_path), image_item=0).candidates([CELLO])
    assert [files.read_bytes(one.uri) for one in (first, second)] == [b"a", b"c"]
    _, absent, _ = Parquet(uri=str(tmp_path), image_item=1).candidates([CELLO])
    for one in (empty, absent):
        with pytest.raises(Rejected, match="missing_file"):
            files.read_bytes(one.uri)


def test_masks_of_a_list_are_parts_of_one_and_rows_without_are_counted(tmp_path: Path) -> None:
    masks = pa.array([[b"a", b"b"], [b"c"], None], pa.list_(pa.binary()))
    write(tmp_path / "t.parquet", {"image": images(b"x", b"y", b"z"), "label": ["cello"] * 3, "mask": masks})
    source = Parquet(uri=str(tmp_path), mask="mask")
    read_masks = [files.read_bytes(one.mask_uri or "") for one in list(source.candidates([CELLO]))[:2]]
    assert [unpack(data) for data in read_masks] == [[b"a", b"b"], [b"c"]]
    assert any(note.startswith("1 of 3 rows") for note in source.notes([CELLO]))


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([0.0, 1.0, None]),
        pa.array([0.0, 1.0, float("nan")]),
        pa.array([Decimal("0"), Decimal("1.0"), None]),
        pa.array([False, True, None]),
        pa.array([0, 1, None], pa.uint8()),
        pa.array([0, 1, None]).dictionary_encode(),
        pa.array([[0], [1], []]),
        pa.array(["red fox", "cello", " "], pa.large_string()),
        pa.array(["red fox", "cello", None]).dictionary_encode(),
        pa.array([["red fox", "red fox"], ["cello"], None]),
    ],
)
def test_labels_of_every_type(labels: pa.Array, tmp_path: Path) -> None:
    feature = {"feature": NAMES, "_type": "Sequence"} if pa.types.is_list(labels.type) else NAMES
    write(tmp_path / "t.parquet", {"image": images(b"0", b"1", b"2"), "label": labels}, {"label": feature})
    source = Parquet(uri=str(tmp_path))
    assert read(source) == [("red fox", b"0"), ("cello", b"1")]
    assert source.notes([FOX, CELLO]) == ["1 row(s) have no label"]


@pytest.mark.parametrize(
    "labels",
    [
        pa.array([{"a": 1}]),
        pa.array([b"cello"]),
        pa.array([date(2020, 1, 1)]),
        pa.array([0.5]),
        pa.array([float("inf")]),
        pa.array([7]),
    ],
)
def test_labels_that_are_not_understood_are_refused(labels: pa.Array, tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", {"image": images(b"x"), "label": labels}, {"label": NAMES})
    with pytest.raises(XrayError, match="column 'label'"):
        read(Parquet(uri=str(tmp_path)))


def test_rows_of_several_categories_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = pa.array([["red fox", "cello"], ["cello", "dog"]])
    write(tmp_path / "t.parquet", {"image": images(b"x", b"y"), "label": labels})
    source = Parquet(uri=str(tmp_path))
    assert read(source) == [("cello", b"y")]
    assert any(note.startswith("1 row(s) have labels of several categories") for note in source.notes([FOX, CELLO]))


def test_metadata_that_is_no_metadata_counts_as_none(tmp_path: Path) -> None:
    for metadata in (b"[]", b"{", b'{"info": {"features": {"label": {"names": 3}}}}'):
        table = pa.table({"image": images(b"x"), "label": ["cello"]}).replace_schema_metadata(
            {b"huggingface": metadata}
        )
        pq.write_table(table, tmp_path / "t.parquet")
        assert read(Parquet(uri=str(tmp_path))) == [("cello", b"x")]


def objects(*rows: list[tuple[int, list[float]]]) -> pa.Array:
    kind = pa.struct([("bbox", pa.list_(pa.list_(pa.float32(), 4))), ("category", pa.list_(pa.int64()))])
    return pa.array(
        [{"bbox": [box for _, box in row], "category": [label for label, _ in row]} for row in rows], kind
    )  # fmt: skip


OBJECTS = [
    [(0, [10, 10, 20, 20]), (1, [0, 0, 50, 40]), (0, [5, 5, 0, 3])],
    [(0, [1, 2, 3, 4])],
    [],
]


@pytest.mark.parametrize("as_structs", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_boxes_of_the_category_are_hints(as_structs: bool, wrapped: bool, tmp_path: Path) -> None:
    column = objects(*OBJECTS)
    if as_structs:
        kind = pa.list_(pa.struct([("bbox", pa.list_(pa.float64())), ("category", pa.int64())]))
        column = pa.array([[{"bbox": box, "category": label} for label, box in row] for row in OBJECTS], kind)
    feature: Any = {"bbox": {}, "category": NAMES if wrapped else {"feature": NAMES, "_type": "List"}}
    features = {"objects": {"feature": feature, "_type": "Sequence"} if wrapped else feature}
    columns = {"image": images(b"x", b"y", b"z"), "objects": column, "label": ["red fox", "red fox", "cello"],
               "width": [64] * 3, "height": [48] * 3}  # fmt: skip
    write(tmp_path / "t.parquet", columns, features)
    first, second, third = Parquet(uri=str(tmp_path), objects="objects").candidates([FOX, CELLO])
    assert first.boxes == ((10, 10, 30, 30),)
    assert second.boxes == ((1, 2, 4, 6),)
    assert (third.boxes, third.drawn_on) == ((), (64, 48))
    source = Parquet(uri=str(tmp_path), objects="objects", category=None)
    largest, only = source.candidates([FOX, CELLO])
    assert (largest.category, largest.boxes) == ("cello", ((0, 0, 50, 40),))
    assert (only.category, only.boxes) == ("red fox", ((1, 2, 4, 6),))
    assert [note[:9] for note in source.notes([FOX, CELLO])] == ["1 row(s) ", "1 row(s) "]


@pytest.mark.parametrize(
    ("box", "seen"),
    [([30, 20, 60, 40], "boxes: xyxy"), ([0.1, 0.2, 0.3, 0.4], "shares of the image")],
)
def test_boxes_in_another_format_are_refused(box: list[float], seen: str, tmp_path: Path) -> None:
    columns = {"image": images(b"x"), "objects": objects([(0, box)]), "width": [64], "height": [48], "label": [0]}
    write(tmp_path / "t.parquet", columns)
    source = Parquet(uri=str(tmp_path), objects="objects", names=("red fox",))
    with pytest.raises(XrayError, match=seen):
        read(source)
    if "xyxy" in seen:
        assert list(Parquet(uri=str(tmp_path), objects="objects", names=("red fox",), boxes="xyxy").candidates([FOX]))


def test_what_objects_lack_is_named(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", {"image": images(b"x"), "objects": objects([(0, [1, 2, 3, 4])]), "tags": ["a"]})
    with pytest.raises(XrayError, match="`category: null`"):
        read(Parquet(uri=str(tmp_path), objects="objects"))
    with pytest.raises(XrayError, match=r"'objects\.category'.*`names"):
        read(Parquet(uri=str(tmp_path), objects="objects", category=None))
    with pytest.raises(XrayError, match=r"'tags'.*bbox"):
        read(Parquet(uri=str(tmp_path), objects="tags", category=None))
    with pytest.raises(ValueError, match="objects"):
        Parquet(uri=str(tmp_path), category=None)


def test_files_of_several_splits_are_said_and_one_can_be_read(tmp_path: Path) -> None:
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        write(tmp_path / "data" / f"{name}.parquet", {"image": images(b"x"), "label": ["cello"]})
    (note,) = Parquet(uri=str(tmp_path)).notes([CELLO])
    assert "test (1 file), train (2 files)" in note
    source = Parquet(uri=str(tmp_path), files="train-*")
    assert (len(read(source)), source.notes([CELLO])) == (2, [])
    assert len(read(Parquet(uri=str(tmp_path), files="data/test*"))) == 1
    with pytest.raises(XrayError, match=r"val-\*.*3 \.parquet"):
        read(Parquet(uri=str(tmp_path), files="val-*"))


def test_data_sets_saved_as_arrow_files_are_refused_with_their_conversion(tmp_path: Path) -> None:
    for name in ("data-00000-of-00001.arrow", "dataset_info.json", "state.json"):
        (tmp_path / name).write_bytes(b"x")
    for uri in (tmp_path, tmp_path / "data-00000-of-00001.arrow"):
        with pytest.raises(XrayError, match=r"load_from_disk\('[^']*'\)\.to_parquet"):
            read(Parquet(uri=str(uri)))
