from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support.drawn_photos import recipe_values, write, write_folder
from support.small_disks import disk, full
from support.tiny_pools import made_files, made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.checksummed import with_checksum
from xray.core.errors import ConfigError, DamagedError, XrayError
from xray.core.files import paths_below, write_bytes
from xray.core.parquet import to_parquet
from xray.core.schema import PREDICTIONS
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.verify.verify import VerifyReport, verify
from xray.runs.folder import RunFolder
from xray.runs.receipts import DERIVED, GENERATE, evaluation, file_facts


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("verify")
    write_folder(folder)
    run = planned(folder, recipe_values(folder), "golden")
    made_here(run)
    return run


@pytest.fixture
def run(golden: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy to be damaged."""
    shutil.copytree(golden.uri.removeprefix("file://"), tmp_path / "run")
    return RunFolder(str(tmp_path / "run"))


def folder_of(run: RunFolder) -> Path:
    return Path(run.uri.removeprefix("file://"))


def problems(report: VerifyReport) -> list[tuple[str, str]]:
    return [(problem.kind, problem.path) for problem in report.problems]


def test_a_sound_run_is_left_unchanged(golden: RunFolder) -> None:
    before = paths_below(golden.uri)
    report = verify(golden)
    assert report.sound
    assert (report.receipts, report.files, report.images, report.planned) == (3, 6, 30, 30)
    assert (report.problems, report.orphans, dict(report.missing)) == ([], [], {GENERATE: 0})
    assert report.bytes == sum(path.stat().st_size for path in folder_of(golden).rglob("*-*-*.parquet"))
    assert paths_below(golden.uri) == before


def test_a_flipped_bit_in_any_file_is_found_and_repaired(golden: RunFolder, run: RunFolder) -> None:
    generator = np.random.default_rng(0)
    names = [name for name in paths_below(run.uri) if not name.startswith("leases/")]
    assert len(names) == 1 + 4 + 3 + 6  # record, files of the plan, receipts, files of the shards
    repaired = 0
    for name in names:
        path = folder_of(run) / name
        before = path.read_bytes()
        data = bytearray(before)
        data[int(generator.integers(len(data)))] ^= 1 << int(generator.integers(8))
        path.write_bytes(data)
        report = verify(RunFolder(run.uri), pictures=False, repair=True)
        assert {problem.path for problem in report.problems} == {name}
        repaired += report.problems[0].repairable
        if report.problems[0].repairable:
            made_here(RunFolder(run.uri))
        else:
            assert name.startswith(("run.json", "source/", "plan/", "backgrounds"))
            path.write_bytes(before)
    assert repaired == 1 + 3 + 6  # recipe.yaml, receipts, files of the shards
    assert verify(RunFolder(run.uri)).sound
    assert made_files(run) == made_files(golden)


def test_only_damaged_shards_are_revoked(run: RunFolder) -> None:
    first, second, third, *_ = shards = run.plan.shards()
    write(folder_of(run) / f"images/{first}.parquet", b"torn")
    report = verify(run, repair=True)
    assert (problems(report), dict(report.revoked)) == ([("changed", f"images/{first}.parquet")], {GENERATE: 1})
    assert run.store.done(GENERATE) == set(shards) - {first}
    masks, receipt = f"masks/{second}.parquet", f"receipts/generate/{third}.json"
    (folder_of(run) / masks).unlink()
    (folder_of(run) / receipt).write_bytes(b'{"shard": 1}')
    report = verify(run)
    assert problems(report) == [("missing", masks), ("damaged", receipt)]
    assert report.orphans == [f"images/{first}.parquet", f"masks/{first}.parquet"]


def test_tables_of_results_are_compared_with_their_facts(run: RunFolder) -> None:
    for name in ("drops", "scores", "robustness"):
        run.store.write_table(name, pa.table({"model": ["net"]}))
    assert verify(run).orphans == []
    table, facts = folder_of(run) / "drops.parquet", folder_of(run) / "receipts/derived/scores.json"
    table.write_bytes(table.read_bytes()[:-1])
    facts.write_bytes(facts.read_bytes().replace(b"rows", b"rowz"))
    (folder_of(run) / "robustness.parquet").unlink()
    for name in ("drops", "scores", "robustness"):
        with pytest.raises(DamagedError, match=f"{name}.*xray score"):
            run.store.table(name)
    report = verify(run, repair=True)
    assert problems(report) == [
        ("changed", "drops.parquet"),
        ("missing", "robustness.parquet"),
        ("damaged", "receipts/derived/scores.json"),
    ]
    assert dict(report.revoked) == {DERIVED: 3}
    assert verify(run).sound
    with pytest.raises(ConfigError, match="no table 'drops'"):
        run.store.table("drops")
    assert len(run.store.table("scores")) == 0


def test_rows_that_differ_from_the_plan(run: RunFolder) -> None:
    first, second, third = run.plan.shards()
    receipts = {shard: run.store.receipt(GENERATE, shard) for shard in run.plan.shards()}
    images = {shard: run.store.shard_table(GENERATE, "images", shard) for shard in run.plan.shards()}
    repeated = pa.concat_tables([images[first].slice(0, 9), images[first].slice(8, 1)])
    run.store.commit(GENERATE, first, {"images": (repeated, None)}, receipts[first].counts, 0)
    run.store.commit(GENERATE, second, {"images": (images[third], None)}, receipts[third].counts, 0)
    run.store.commit(GENERATE, third, {"images": (images[third], None)}, {"original": {"ok": 1}}, 0)
    report = verify(run)
    assert [problem.kind for problem in report.problems] == ["rows"] * 3
    details = [problem.detail for problem in report.problems]
    assert details[:2] == ["sample_id: 1 missing, 1 twice", "sample_id: 10 missing, 10 not planned"]


def test_images_that_differ_from_their_rows(run: RunFolder) -> None:
    shard = run.plan.shards()[0]
    receipt, table = run.store.receipt(GENERATE, shard), run.store.shard_table(GENERATE, "images", shard)
    rows = table.to_pylist()
    rows[0]["image"]["bytes"] = rows[0]["image"]["bytes"][:300]
    rows[1]["image"]["bytes"] = rows[2]["image"]["bytes"]
    rows[3]["mask"]["bytes"] = b"no mask"
    rows[4]["mask"] = None
    table = pa.Table.from_pylist(rows, schema=table.schema)
    run.store.commit(GENERATE, shard, {"images": (table, None)}, receipt.counts, 0)
    report = verify(run)
    assert {problem.kind for problem in report.problems} == {"picture"}
    names, details = zip(*(problem.detail.split(": ")[:2] for problem in report.problems), strict=True)
    assert list(names) == [rows[index]["sample_id"] for index in (0, 1, 3, 4)]
    assert ["hash" in detail for detail in details] == [True, True, False, False]
    assert details[2:] == ("corrupt_mask", "it has no mask")
    assert verify(run, pictures=False).problems == []


def test_predictions_of_other_images(run: RunFolder) -> None:
    shard = run.plan.shards()[0]
    images = run.store.shard_table(GENERATE, "images", shard).to_pylist()
    shared = ("sample_id", "image_id", "category", "scenario", "variant")
    constant = {"model": "m", "weights": "w", "trained_on": "pretrained", "fold": -1, "top1": 0, "top5": [0],
                "p_true": 1.0, "correct": True}  # fmt: skip
    table = pa.Table.from_pylist([{**{key: row[key] for key in shared}, **constant} for row in images], PREDICTIONS)
    counts = {"original": {"ok": len(images)}}
    run.store.commit(evaluation("m"), shard, {"predictions": (table, None)}, counts, 0)
    report = verify(run)
    assert (report.problems, dict(report.missing)) == ([], {GENERATE: 0, evaluation("m"): 2})
    assert not report.sound  # it is not complete
    run.store.commit(evaluation("m"), shard, {"predictions": (table.slice(1), None)}, counts, 0)
    assert [problem.detail for problem in verify(run).problems] == ["sample_id: 1 missing"]


def _reseal(run: RunFolder, shard: str, data: bytes) -> None:
    """Write other bytes as the images of a shard, and let its receipt vouch for them."""
    receipt = run.store.receipt(GENERATE, shard)
    entry = {key: receipt.files["images"][key] for key in ("path", "rows")}
    write_bytes(run.store.path(*entry["path"]), data)
    run.store.receipt_files.write(GENERATE, replace(receipt, files={"images": entry | file_facts(data)}))


@pytest.mark.parametrize("change", ["lacks a column", "other types", "no Parquet"])
def test_tables_of_another_form_are_named(run: RunFolder, change: str) -> None:
    shard = run.plan.shards()[0]
    table = run.store.shard_table(GENERATE, "images", shard)
    other = {
        "lacks a column": table.drop_columns(["sample_id"]),
        "other types": pa.table({name: list(range(len(table))) for name in table.column_names}),
    }.get(change)
    _reseal(run, shard, b"PAR1 no" if other is None else to_parquet(other))
    assert ("changed", f"images/{shard}.parquet") in problems(verify(run))


@pytest.mark.parametrize("form", ["folder", "pipe", "dangling link", "loop"])
def test_a_receipt_that_is_no_file_is_no_traceback(run: RunFolder, form: str) -> None:
    shard = run.plan.shards()[0]
    path = folder_of(run) / "receipts/generate" / f"{shard}.json"
    path.unlink()
    if form == "folder":
        path.mkdir()
    elif form == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if form == "loop" else "/nowhere")
    with pytest.raises(DamagedError, match=shard):
        run.store.receipt(GENERATE, shard)
    verify(run)


def test_only_orphans_are_cleaned(run: RunFolder) -> None:
    folder = folder_of(run)
    orphans = ["images/.00-00-00000.parquet.0123.partial", "images/00-00-00099.parquet", "plan/07-00.parquet"]
    orphans += ["receipts/elsewhere.txt"]
    others = ["report.html", "scores.parquet", "tune/000/log.json", "trials/net/original/0/last.safetensors"]
    for name in (*orphans, *others):
        write(folder / name, b"x")
    report = verify(run, clean=True)
    assert (list(report.orphans), report.removed, report.problems) == (orphans, 4, [])
    assert report.sound
    assert verify(run).orphans == []
    assert all((folder / name).exists() for name in others)


def test_a_receipt_of_an_unplanned_shard(run: RunFolder) -> None:
    receipt = replace(run.store.receipt(GENERATE, run.plan.shards()[0]), shard="05-00-00000")
    write(folder_of(run) / "receipts/generate/05-00-00000.json", with_checksum(vars(receipt)))
    assert problems(verify(run)) == [("unplanned", "receipts/generate/05-00-00000.json")]


def test_a_damaged_plan_is_reported_alone(run: RunFolder) -> None:
    path = folder_of(run) / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    report = verify(run)
    assert problems(report) == [("damaged", "run.json")]
    assert not report.problems[0].repairable
    result = CliRunner().invoke(app, ["verify", run.uri])
    assert (result.exit_code, "run.json" in result.output, "from a copy" in result.output) == (1, True, True)


def test_a_receipt_of_a_file_outside_of_the_run_is_named_and_all_else_is_looked_at(run: RunFolder) -> None:
    first, second, third = run.plan.shards()
    receipt = run.store.receipt(GENERATE, first)
    outside = {"images": {**receipt.files["images"], "path": ["..", "elsewhere.parquet"]}}
    run.store.receipt_files.write(GENERATE, replace(receipt, files=outside))
    (folder_of(run) / f"images/{third}.parquet").unlink()
    report = verify(run)
    assert problems(report) == [("damaged", f"receipts/generate/{first}.json"), ("missing", f"images/{third}.parquet")]
    assert "'..'" in report.problems[0].detail
    assert verify(run, repair=True, clean=True).revoked == {GENERATE: 2}
    made_here(RunFolder(run.uri))
    assert verify(run).sound
    assert run.store.done(GENERATE) == {first, second, third}


@pytest.mark.parametrize("room", ["reserved", "half written", "none"])
def test_a_full_disk_is_cleaned(golden: RunFolder, tmp_path: Path, room: str) -> None:
    with disk(tmp_path / "run", "size=2m") as mounted:
        shutil.copytree(folder_of(golden), mounted, dirs_exist_ok=True, ignore=shutil.ignore_patterns("leases"))
        run, orphan = RunFolder(str(mounted)), mounted / "images/00-00-00099.parquet"
        write(orphan, b"x" * 100_000)
        if room == "reserved":  # as by every command that has worked on the run
            with run.locked("images"):
                pass
        if room == "half written":
            partial = mounted / "images/.00-00-00099.parquet.0123.partial"
            write(partial, b"x" * 50_000)
            os.utime(partial, (0, 0))
        with full(mounted, 0):
            if room == "none":
                with pytest.raises(XrayError, match="no space"):
                    verify(run, clean=True)
                return
            assert verify(run, clean=True, repair=True).removed == 1
            assert not orphan.exists()
            assert verify(run).sound
        with run.locked("images"):
            pass
        assert len([*mounted.glob("leases/.reserve*")]) == 8


def test_an_object_store_is_verified_like_a_disk(golden: RunFolder, bucket: str) -> None:
    remote = RunFolder(bucket.format("verified"))
    for name in paths_below(golden.uri):
        write_bytes(remote.store.path(*name.split("/")), (folder_of(golden) / name).read_bytes())
    assert verify(remote) == verify(golden)
    shard = remote.plan.shards()[0]
    write_bytes(remote.store.path("images", f"{shard}.parquet"), b"torn")
    write_bytes(remote.store.path("images", "00-00-00099.parquet"), b"left")
    report = verify(remote, clean=True, repair=True)
    assert problems(report) == [("changed", f"images/{shard}.parquet")]
    assert (report.orphans, report.removed, report.revoked) == (["images/00-00-00099.parquet"], 1, {GENERATE: 1})
    made_here(RunFolder(remote.uri))
    assert verify(remote).sound


def test_command(run: RunFolder) -> None:
    shard = run.plan.shards()[1]
    (folder_of(run) / f"images/{shard}.parquet").write_bytes(b"torn")

    def invoke(*options: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["verify", run.uri, *options])
        return result.exit_code, result.output

    code, output = invoke()
    assert (code, "1 problem" in output, f"images/{shard}.parquet" in output) == (1, True, True)
    code, output = invoke("--repair", "--clean")
    assert (code, f"1 of generate: xray generate {run.uri}" in output) == (1, True)
    code, output = invoke("--quick")
    assert (code, "generate: 1 shard missing" in output) == (1, True)
    made_here(RunFolder(run.uri))
    assert invoke()[0] == 0


def test_what_mends_a_file_is_named_and_no_path_is_cut(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    shard = run.plan.shards()[0]
    for name in ("recipe.yaml", "backgrounds.parquet", f"images/{shard}.parquet"):
        (folder_of(run) / name).write_bytes(b"torn")
    output = CliRunner().invoke(app, ["verify", run.uri]).output
    assert f"images/{shard}.parquet: " in output
    assert "backgrounds.parquet: `xray plan`" in output
    assert "--repair" in output
    output = CliRunner().invoke(app, ["verify", run.uri, "--repair"]).output
    assert "wrote recipe.yaml again" in output
    write_plan(run, run.recipe, survey(run.recipe, run))
    made_here(RunFolder(run.uri))
    assert verify(run).sound


def test_a_run_whose_models_have_not_answered_is_sound_but_not_complete(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path, models={"net": "lite:efficientnet-lite0"}))
    made_here(run)
    result = CliRunner().invoke(app, ["verify", run.uri])
    assert result.exit_code == 0
    assert "net has seen 0 of 30 images" in result.output
    assert "sound and complete" not in result.output


@pytest.mark.parametrize("option", ["--clean", "--repair"])
def test_a_locked_run_is_verified_but_not_changed(run: RunFolder, option: str) -> None:
    with run.locked("images"):
        result = CliRunner().invoke(app, ["verify", run.uri, option])
        assert isinstance(result.exception, XrayError)
        assert "images" in str(result.exception)
        assert CliRunner().invoke(app, ["verify", run.uri]).exit_code == 0
