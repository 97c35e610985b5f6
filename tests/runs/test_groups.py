from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.drawn_photos import recipe_values, write_folder
from support.earlier_runs import record_files_as_they_are
from support.tiny_pools import planned

import xray
from xray.core.schema import SOURCE
from xray.runs.folder import RunFolder
from xray.runs.groups import GROUPED_BY, join_shared_groups, members, photo_groups, shared_groups, together

NAMED = st.lists(
    st.tuples(st.sampled_from([None, "", "x", "y", "z"]), st.sampled_from(["", "00", "11", "22"])), max_size=9
)


def source(rows: list[tuple[str | None, str]]) -> pa.Table:
    values = [{"image_id": f"i{n}", "group": group, "sha256": sha256} for n, (group, sha256) in enumerate(rows)]
    return pa.Table.from_pylist(values, SOURCE)


@given(NAMED)
def test_groups_are_what_names_and_bytes_connect(rows: list[tuple[str | None, str]]) -> None:
    groups = photo_groups(source(rows))
    reached = [{n} for n in range(len(rows))]
    for _ in rows:  # the closure, slowly
        for a, b in combinations(range(len(rows)), 2):
            if any(one and one == other for one, other in zip(rows[a], rows[b], strict=True)):
                reached[a] |= reached[b]
                reached[b] |= reached[a]
    for n, connected in enumerate(reached):
        for other in connected:
            reached[other] |= connected
        assert groups[f"i{n}"] == min(f"i{one}" for one in reached[n])
    assert {image for images in members(groups).values() for image in images} == shared_groups(source(rows)).keys()


def test_a_group_may_be_named_by_a_photograph_that_is_left_out() -> None:
    groups = {"b": "a", "c": "a", "d": "d"}
    assert members(groups) == {"a": ["b", "c"]}
    assert together(["d", "c", "e", "b"], groups) == [("d",), ("c", "b"), ("e",)]


def test_predictions_carry_the_group(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path))
    tables = xray.open(run.uri)
    predictions = tables.source()[["image_id"]]
    table = tables.table("source", GROUPED_BY)
    assert "group" not in join_shared_groups(predictions, table)
    copied = table.set_column(2, "sha256", pa.array(["00"] * 2 + table["sha256"].to_pylist()[2:]))
    joined = join_shared_groups(predictions, copied)
    assert joined["group"].nunique() == len(joined) - 1
    assert "group" in tables.predictions()


def test_runs_of_earlier_versions_have_no_groups(tmp_path: Path) -> None:
    write_folder(tmp_path)
    planned(tmp_path, recipe_values(tmp_path))
    path = tmp_path / "run/source/00.parquet"
    earlier = pq.read_table(path).drop_columns(["group", "perceptual_hash"])
    pq.write_table(earlier, path)
    record_files_as_they_are(tmp_path / "run")
    run = RunFolder(str(tmp_path / "run"))
    read = run.store.table("source")
    assert read["group"].null_count == read["perceptual_hash"].null_count == len(read)
    assert not shared_groups(read)
    with pytest.raises(KeyError):
        run.plan.batch(run.plan.batches()[0])["group"]


def test_groups_are_the_same_of_names_and_of_categories() -> None:
    predictions = pd.DataFrame({"image_id": ["i2", "i0", "i1", "i0"]})
    table = source([("x", ""), (None, ""), ("x", "")])
    names = join_shared_groups(predictions, table)["group"].tolist()
    assert (
        join_shared_groups(predictions.astype("category"), table)["group"].tolist() == names == ["i0", "i0", "i1", "i0"]
    )
