from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import recipe_values, write, write_folder
from support.tiny_pools import made_files, made_here, planned
from typer.testing import CliRunner

from xray.cli.app import app
from xray.core.checksummed import sealed
from xray.core.files import paths_below
from xray.pipeline.verify.verify import Verified, clean, repair, verify
from xray.runs.receipts import GENERATE, evaluation
from xray.runs.run import Run


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("verify")
    write_folder(folder)
    run = planned(folder, recipe_values(folder), "golden")
    made_here(run)
    return run


@pytest.fixture
def run(golden: Run, tmp_path: Path) -> Run:
    """A copy to be damaged."""
    shutil.copytree(golden.uri.removeprefix("file://"), tmp_path / "run")
    return Run(str(tmp_path / "run"))


def folder_of(run: Run) -> Path:
    return Path(run.uri.removeprefix("file://"))


def kinds(found: Verified) -> list[tuple[str, str]]:
    return [(problem.kind, problem.place) for problem in found.problems]


def test_a_sound_run_is_found_sound_and_left_alone(golden: Run) -> None:
    before = paths_below(golden.uri)
    found = verify(golden)
    assert found.sound
    assert (found.receipts, found.files, found.images, found.planned) == (3, 6, 30, 30)
    assert (found.problems, found.orphans, dict(found.missing)) == ([], [], {GENERATE: 0})
    assert found.bytes == sum(path.stat().st_size for path in folder_of(golden).rglob("*-*-*.parquet"))
    assert paths_below(golden.uri) == before


@pytest.mark.parametrize("seed", range(24))
def test_one_byte_that_rots_anywhere_is_found_and_mended(golden: Run, run: Run, seed: int) -> None:
    draw = np.random.default_rng(seed)
    names = [name for name in paths_below(run.uri) if not name.startswith("leases/")]
    name = names[int(draw.integers(len(names)))]
    path = folder_of(run) / name
    data = bytearray(path.read_bytes())
    data[int(draw.integers(len(data)))] ^= 1 << int(draw.integers(8))
    path.write_bytes(data)
    found = verify(run, pictures=False)
    assert [place for _, place in kinds(found)] == [name]
    if not found.problems[0].mendable:
        assert name.startswith(("run.json", "source/", "plan/", "backgrounds"))
        return
    repair(run, found)
    made_here(Run(run.uri))
    assert verify(Run(run.uri)).sound
    assert made_files(run) == made_files(golden)


def test_every_kind_of_file_is_watched(golden: Run) -> None:
    """None of what is left of a run is outside what `verify` compares."""
    record = golden.record()["files"]
    assert sorted(record) == ["backgrounds.parquet", "plan/00-00.parquet", "recipe.yaml", "source/00.parquet"]
    receipts = [golden.receipt(GENERATE, shard) for shard in golden.shards()]
    named = {"/".join(file["path"]) for receipt in receipts for file in receipt.files.values()}
    rest = [name for name in paths_below(golden.uri) if name not in named | set(record)]
    assert rest == ["receipts/generate/00-00-00000.json", "receipts/generate/00-00-00001.json",
                    "receipts/generate/00-00-00002.json", "run.json"]  # fmt: skip


def test_only_what_is_damaged_is_made_again(run: Run) -> None:
    shards = run.shards()
    write(folder_of(run) / f"images/{shards[0]}.parquet", b"torn")
    (folder_of(run) / f"masks/{shards[1]}.parquet").unlink()
    (folder_of(run) / f"receipts/generate/{shards[2]}.json").write_bytes(b'{"shard": 1}')
    found = verify(run)
    assert kinds(found) == [
        ("changed", f"images/{shards[0]}.parquet"),
        ("missing", f"masks/{shards[1]}.parquet"),
        ("damaged", f"receipts/generate/{shards[2]}.json"),
    ]
    assert found.orphans == []
    assert repair(run, found) == {GENERATE: 3}
    assert run.done(GENERATE) == set()


def test_rows_that_the_plan_does_not_have_or_has_otherwise(run: Run) -> None:
    first, second, third = run.shards()
    receipts = {shard: run.receipt(GENERATE, shard) for shard in run.shards()}
    images = {shard: run.made(GENERATE, "images", shard) for shard in run.shards()}
    twice = pa.concat_tables([images[first].slice(0, 9), images[first].slice(8, 1)])
    run.commit(GENERATE, first, {"images": (twice, None)}, receipts[first].counts, 0)
    run.commit(GENERATE, second, {"images": (images[third], None)}, receipts[third].counts, 0)
    wrong = {"original": {"ok": 1}}
    run.commit(GENERATE, third, {"images": (images[third], None)}, wrong, 0)
    told = [problem.told for problem in verify(run).problems]
    assert told == [
        "sample_id: 1 missing, 1 twice",
        "sample_id: 10 missing, 10 not planned",
        "the receipt counts other images than there are",
    ]


def test_pictures_that_do_not_decode_do_not_fit_or_are_others(run: Run) -> None:
    shard = run.shards()[0]
    receipt, rows = run.receipt(GENERATE, shard), run.made(GENERATE, "images", shard).to_pylist()
    rows[0]["image"]["bytes"] = rows[0]["image"]["bytes"][:300]
    rows[1]["image"]["bytes"] = rows[2]["image"]["bytes"]
    rows[3]["mask"]["bytes"] = b"no mask"
    rows[4]["mask"] = None
    table = pa.Table.from_pylist(rows, schema=run.made(GENERATE, "images", shard).schema)
    run.commit(GENERATE, shard, {"images": (table, None)}, receipt.counts, 0)
    found = verify(run)
    names = [row["sample_id"] for row in rows]
    assert [problem.told for problem in found.problems] == [
        f"{names[0]}: the image is not the one that its row has the hash of",
        f"{names[1]}: the image is not the one that its row has the hash of",
        f"{names[3]}: corrupt_mask: no PNG",
        f"{names[4]}: it has no mask",
    ]
    assert {problem.kind for problem in found.problems} == {"picture"}
    assert verify(run, pictures=False).problems == []


def test_predictions_of_other_images(run: Run) -> None:
    shard = run.shards()[0]
    images = run.made(GENERATE, "images", shard).to_pylist()
    from xray.core.schema import PREDICTIONS

    same = ("sample_id", "image_id", "category", "scenario", "variant")
    told = {"model": "m", "weights": "w", "trained_on": "pretrained", "fold": -1, "top1": 0, "top5": [0], "p_true": 1.0,
            "correct": True}  # fmt: skip
    rows = [{**{name: row[name] for name in same}, **told} for row in images]
    table = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    counts = {"original": {"ok": len(rows)}}
    run.commit(evaluation("m"), shard, {"predictions": (table, None)}, counts, 0)
    found = verify(run)
    assert (found.problems, dict(found.missing)) == ([], {GENERATE: 0, evaluation("m"): 2})
    assert not found.sound  # it is not complete
    run.commit(evaluation("m"), shard, {"predictions": (table.slice(1), None)}, counts, 0)
    assert [problem.told for problem in verify(run).problems] == ["sample_id: 1 missing"]


def test_what_nothing_names_is_listed_and_removed_and_nothing_else(run: Run) -> None:
    folder = folder_of(run)
    left = [
        "images/.00-00-00000.parquet.0123.partial",
        "images/00-00-00099.parquet",
        "plan/07-00.parquet",
        "receipts/elsewhere.txt",
    ]
    kept = ["report.html", "scores.parquet", "tune/000/log.json", "trials/net/original/0/last.safetensors", "notes.txt"]
    for name in (*left, *kept):
        write(folder / name, b"x")
    found = verify(run)
    assert (list(found.orphans), found.problems) == (left, [])
    assert found.sound
    assert clean(run, found) == 4
    assert verify(run).orphans == []
    assert all((folder / name).exists() for name in kept)


def test_a_receipt_of_a_shard_that_no_plan_has(run: Run) -> None:
    shard = run.shards()[0]
    receipt = replace(run.receipt(GENERATE, shard), shard="05-00-00000")
    write(folder_of(run) / "receipts/generate/05-00-00000.json", sealed(vars(receipt)))
    (problem,) = verify(run).problems
    assert (problem.kind, problem.place) == ("unplanned", "receipts/generate/05-00-00000.json")


def test_a_damaged_plan_is_said_and_nothing_is_made_of_it(run: Run) -> None:
    path = folder_of(run) / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    found = verify(run)
    assert kinds(found) == [("damaged", "run.json")]
    assert not found.problems[0].mendable
    said = CliRunner().invoke(app, ["verify", run.uri])
    assert said.exit_code == 1
    assert "put the file back from a copy" in said.output


def test_an_object_store_is_looked_at_as_a_disk_is(golden: Run, bucket: str) -> None:
    from xray.core.files import write_bytes

    there = Run(bucket.format("verified"))
    for name in paths_below(golden.uri):
        write_bytes(there.path(*name.split("/")), (folder_of(golden) / name).read_bytes())
    assert paths_below(there.uri) == paths_below(golden.uri)
    assert verify(there) == verify(golden)
    write_bytes(there.path("images", f"{there.shards()[0]}.parquet"), b"torn")
    write_bytes(there.path("images", "00-00-00099.parquet"), b"left")
    found = verify(there)
    assert (kinds(found), found.orphans) == (
        [("changed", f"images/{there.shards()[0]}.parquet")],
        ["images/00-00-00099.parquet"],
    )
    assert (clean(there, found), repair(there, found)) == (1, {GENERATE: 1})
    made_here(Run(there.uri))
    assert verify(there).sound


def test_the_command_says_what_to_do_next(run: Run) -> None:
    shard = run.shards()[1]
    (folder_of(run) / f"images/{shard}.parquet").write_bytes(b"torn")
    invoke = CliRunner().invoke
    said = invoke(app, ["verify", run.uri])
    assert (said.exit_code, "1 problem: " in said.output, f"images/{shard}.parquet" in said.output) == (1, True, True)
    said = invoke(app, ["verify", run.uri, "--repair", "--clean"])
    assert said.exit_code == 1
    assert f"took back 1 of generate: xray generate {run.uri} makes them again" in said.output
    said = invoke(app, ["verify", run.uri, "--quick"])
    assert (said.exit_code, "generate is missing of 1 shard" in said.output) == (1, True)
    made_here(Run(run.uri))
    said = invoke(app, ["verify", run.uri])
    assert (said.exit_code, "sound and complete" in said.output) == (0, True)


def test_what_is_at_work_is_not_cleaned(run: Run) -> None:
    with run.lease("images"):
        said = CliRunner().invoke(app, ["verify", run.uri, "--clean"])
        assert "is at work on the images" in str(said.exception)
        assert CliRunner().invoke(app, ["verify", run.uri]).exit_code == 0
