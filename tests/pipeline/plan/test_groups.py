from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import pytest
from support.drawn_photos import WHOLE_DONORS, recipe_values, write_folder
from support.tiny_pools import planned

from xray.core.checksummed import with_checksum
from xray.core.errors import ConfigError
from xray.core.tabular import read_table
from xray.pipeline.plan.near_duplicates import FILE
from xray.pipeline.plan.plan import compare_plans, replan, write_plan
from xray.pipeline.plan.survey import Survey, survey
from xray.runs.folder import RunFolder
from xray.runs.groups import members, photo_groups
from xray.runs.recipe import recipe_from
from xray.runs.store import Store

Values = Mapping[str, Any]
LISTED = [f"{category}/{number}.jpg" for category in ("ball", "cup") for number in range(10)]
SAME = {**WHOLE_DONORS, "category": "same"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photographs of each category: 0 is there twice, 1 also smaller, 2 and 3 are a burst, 4 alone."""
    write_folder(tmp_path, per_category=10)
    rows = ["image,group"]
    for category in ("ball", "cup"):
        photos, masks = tmp_path / "photos" / category, tmp_path / "masks" / category
        for name, suffix in ((photos, "jpg"), (masks, "png")):
            shutil.copy(name / f"0.{suffix}", name / f"copy.{suffix}")
            image = cv2.imread(str(name / f"1.{suffix}"), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(name / f"small.{suffix}"), cv2.resize(image, (72, 54), interpolation=cv2.INTER_NEAREST))
        rows += [f"{category}/2.jpg,{category} burst", f"{category}/3.jpg,{category} burst", f"{category}/4.jpg,"]
    (tmp_path / "groups.csv").write_text("\n".join(rows))
    return tmp_path


def values(folder: Path, **changes: object) -> Values:
    training = {"models": {"net": "reduced:vit"}, "folds": 4}
    return recipe_values(folder, **{"scenarios": ["original", WHOLE_DONORS], "training": training, **changes})


def with_groups(folder: Path, file: str = "groups.csv", **changes: object) -> Values:
    return values(folder, groups=str(folder / file), **changes)


def replanned(run: RunFolder, recipe: Values) -> Survey:
    inputs = survey(recipe_from(recipe))
    replan(run, recipe_from(recipe), inputs)
    return inputs


def folds_by_group(run: RunFolder) -> list[tuple[int, set[int]]]:
    """Return the number of photographs of each group of several, and their folds."""
    folds = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
    together = members(photo_groups(run.store.table("source"))).values()
    return [(len(images), {folds[image] for image in images}) for images in together]


def test_groups_are_in_the_plan_and_share_a_fold(folder: Path) -> None:
    run = planned(folder, with_groups(folder))
    source = run.store.table("source")
    assert sorted(filter(None, source["group"].to_pylist())) == ["ball burst"] * 2 + ["cup burst"] * 2
    together = folds_by_group(run)
    assert [size for size, _ in together] == [2] * 4
    assert all(len(folds) == 1 for _, folds in together)


def test_copies_share_a_fold_without_being_named(folder: Path) -> None:
    inputs = survey(recipe_from(values(folder)))
    assert sum("byte-equal" in note for note in inputs.notes) == 1
    assert all(len(folds) == 1 for _, folds in folds_by_group(planned(folder, values(folder))))


def test_donors_are_of_other_groups(folder: Path) -> None:
    names = [f"{name},{number % 2 if number < 10 else number}" for number, name in enumerate(LISTED)]
    (folder / "halves.csv").write_text("\n".join(["image,group", *names]))
    scenarios = {"same": {**SAME, "variants": 20}, "original": {"kind": "original"}}
    recipe = {**with_groups(folder, "halves.csv"), "scenarios": scenarios}
    recipe.pop("training")
    run = planned(folder, recipe)
    groups = photo_groups(run.store.table("source"))
    rows = run.store.table("plan").to_pylist()
    drawn = [row for row in rows if row["donor_id"] is not None]
    assert len(drawn) == 20 * 24
    assert all(groups[row["image_id"]] != groups[row["donor_id"]] for row in drawn)


def test_photographs_whose_donors_are_all_of_their_group_are_noted(folder: Path) -> None:
    for number in range(1, 10):  # ball: 0, its copy and the smaller 1 are left, and all belong together
        (folder / f"photos/ball/{number}.jpg").unlink()
    (folder / "trio.csv").write_text("image,group\nball/0.jpg,a\nball/small.jpg,a\n")
    recipe = {**with_groups(folder, "trio.csv"), "scenarios": {"same": SAME, "original": {"kind": "original"}}}
    recipe.pop("training")
    notes = survey(recipe_from(recipe)).notes
    assert any("no background for 3 photographs ('ball' 3)" in note for note in notes)
    rows = planned(folder, recipe).store.table("plan").to_pylist()
    assert sum(row["scenario"] == "same" and row["donor_id"] is None for row in rows) == 3


def test_near_duplicates_are_listed_and_can_be_given_back(folder: Path) -> None:
    run = planned(folder, values(folder))
    listed = read_table(str(folder / "run" / FILE), ["image_id", "group", "photograph", "category"], ["bits"])
    assert sorted(listed["photograph"]) == ["ball/1.jpg", "ball/small.jpg", "cup/1.jpg", "cup/small.jpg"]
    assert listed["bits"].between(0, 60).all()
    shutil.copy(folder / "run" / FILE, folder / "mine.csv")
    inputs = replanned(run, with_groups(folder, "mine.csv"))
    assert not any("near-duplicates" in note for note in inputs.notes)
    assert [size for size, _ in folds_by_group(run)] == [2] * 4
    replanned(run, with_groups(folder, f"run/{FILE}"))
    assert (folder / "run" / FILE).read_text() == (folder / "mine.csv").read_text()


def test_near_duplicates_are_added_to_a_table_of_groups(folder: Path) -> None:
    recipe = with_groups(folder)
    rows = (folder / "groups.csv").read_text().rstrip("\n") + "\nball/1.jpg,mine\n"
    (folder / "groups.csv").write_text(rows)
    inputs = survey(recipe_from(recipe))
    assert any("add its rows to" in note and "groups.csv" in note for note in inputs.notes)
    assert inputs.near_duplicates is not None
    of = {row["photograph"]: row for row in inputs.near_duplicates.to_pylist()}
    assert of["ball/1.jpg"]["group"] == of["ball/small.jpg"]["group"] == "mine"
    assert of["cup/1.jpg"]["group"] in {of["cup/1.jpg"]["image_id"], of["cup/small.jpg"]["image_id"]}
    added = [f"{row['image_id']},{row['group']}\n" for row in of.values()]
    (folder / "groups.csv").write_text(rows + "".join(added))
    assert not any("near-duplicates" in note for note in survey(recipe_from(recipe)).notes)


def test_photographs_added_later_are_compared_with_those_of_the_plan(folder: Path) -> None:
    run = planned(folder, values(folder))
    for name, suffix in (("photos", "jpg"), ("masks", "png")):
        image = cv2.imread(str(folder / name / f"cup/5.{suffix}"), cv2.IMREAD_UNCHANGED)
        smaller = cv2.resize(image, (72, 54), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / name / f"cup/new.{suffix}"), smaller)
        shutil.copy(folder / name / f"ball/6.{suffix}", folder / name / f"ball/again.{suffix}")
    before = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
    recipe = recipe_from(values(folder))
    inputs = survey(recipe, run)
    assert any("cup/new.jpg" in note for note in inputs.notes)
    write_plan(run, recipe, inputs)
    after = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
    assert {image: after[image] for image in before} == before
    assert all(len(folds) == 1 for _, folds in folds_by_group(run))


def test_groups_are_changed_by_a_new_plan_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = planned(folder, with_groups(folder))
    text = (folder / "groups.csv").read_text()
    (folder / "groups.csv").write_text(f"{text}\nball/5.jpg,ball burst")
    recipe = recipe_from(with_groups(folder))
    with pytest.raises(ConfigError, match="--replan"):
        survey(recipe, run)
    alone = recipe_from(values(folder))
    inputs = survey(alone, run)
    with pytest.raises(ConfigError, match="groups"):
        write_plan(run, alone, inputs)
    replanned(run, with_groups(folder))
    assert run.store.table("source")["group"].to_pylist().count("ball burst") == 3
    assert max(size for size, _ in folds_by_group(run)) == 3
    assert all(len(folds) == 1 for _, folds in folds_by_group(run))
    monkeypatch.setattr(Store, "trained", lambda store: {("net", "original"): [0]})
    (folder / "groups.csv").write_text(text)
    back = recipe_from(with_groups(folder))
    for verb in (replan, compare_plans):
        with pytest.raises(ConfigError, match="trained with other groups"):
            verb(run, back, survey(back))


def test_folds_of_a_run_that_knew_no_copies(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("xray.pipeline.plan.survey.shared_groups", lambda source: {})
        patch.setattr("xray.pipeline.plan.survey.check_groups", lambda *of: [])
        patch.setattr("xray.pipeline.plan.survey.near_duplicate_notes", lambda *of: [])
        run = planned(folder, values(folder, training={"models": {"net": "reduced:vit"}, "folds": 12}))
    assert any(len(folds) == 2 for _, folds in folds_by_group(run))
    recipe = recipe_from({**values(folder, training={"models": {"net": "reduced:vit"}, "folds": 12})})
    with monkeypatch.context() as patch:
        patch.setattr(Store, "trained", lambda store: {("net", "original"): [0]})
        write_plan(run, recipe, survey(recipe, run))
        assert any(len(folds) == 2 for _, folds in folds_by_group(run))  # as models were trained
        assert any("different folds" in note for note in run.plan.record()["remarks"])
    write_plan(run, recipe, survey(recipe, run))
    assert all(len(folds) == 1 for _, folds in folds_by_group(run))


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([*(f"{name},all" for name in LISTED), "cup/small.jpg,all", "ball/small.jpg,all"], "22 of 24"),
        ([f"{name},{name.partition('/')[0]}" for name in LISTED], "are the categories"),
        (["other.jpg,a"], "names no photograph"),
    ],
)
def test_groups_that_make_no_sense_are_refused(folder: Path, rows: list[str], seen: str) -> None:
    (folder / "bad.csv").write_text("\n".join(["image,group", *rows]))
    with pytest.raises(ConfigError, match=seen):
        survey(recipe_from(with_groups(folder, "bad.csv")))


def test_a_group_of_several_categories_is_noted(folder: Path) -> None:
    (folder / "scene.csv").write_text("image,group\nball/5.jpg,table\ncup/5.jpg,table\n")
    inputs = survey(recipe_from(with_groups(folder, "scene.csv")))
    assert any("ball/5.jpg (ball) and cup/5.jpg (cup)" in note for note in inputs.notes)
    run = planned(folder, with_groups(folder, "scene.csv"))
    assert all(len(folds) == 1 for _, folds in folds_by_group(run))


def test_donors_of_runs_of_an_earlier_version_stay(folder: Path) -> None:
    run = planned(folder, values(folder))
    assert run.plan.record()["uniform_donors"]
    record = run.plan.record()
    del record["uniform_donors"]
    (folder / "run/run.json").write_bytes(with_checksum(record))
    earlier = RunFolder(run.uri)
    assert not earlier.plan.uniform_donors
    replanned(earlier, values(folder, seed=1))
    assert not RunFolder(run.uri).plan.uniform_donors
