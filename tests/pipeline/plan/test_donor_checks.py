"""What a plan says about donors: whether there are enough, what they tell, and how they respect folds."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.planned_runs import planned

from xray.core import yaml
from xray.core.checksummed import with_checksum
from xray.core.errors import ConfigError, ResourceError
from xray.core.images import encode
from xray.pipeline.plan.plan import completed
from xray.pipeline.plan.survey import Survey, survey
from xray.pipeline.verify.verify import verify
from xray.runs.folder import RunFolder
from xray.runs.recipe import recipe_from

Row = dict[str, Any]


def scenario(**settings: object) -> Row:
    return {"kind": "random_background", **settings}


def with_training(**training: object) -> Row:
    return {"models": ["reduced:resnet"], "epochs": 1, **training}


def surveyed(folder: Path, *entries: Row, **changes: object) -> Survey:
    scenarios = ["original", *({"name": f"s{number}", **entry} for number, entry in enumerate(entries))]
    return survey(recipe_from(recipe_values(folder, scenarios=scenarios, **changes)), RunFolder(str(folder / "run")))


def said(found: Survey, *words: str) -> bool:
    return any(all(word in note for word in words) for note in found.notes)


def write_photographs(folder: Path, counts: dict[str, int]) -> dict[str, list[int]]:
    """Write so many photographs of each category; return the recipe's categories."""
    for index, (category, count) in enumerate(counts.items()):
        for number in range(count):
            image, mask = drawn(1000 * index + number)
            write(folder / f"photos/{category}/{number}.jpg", encode(image))
            write(folder / f"masks/{category}/{number}.png", encode(mask, "png"))
    return {category: [index] for index, category in enumerate(counts)}


def donors_of(run: RunFolder, name: str = "random_background") -> list[Row]:
    rows = run.store.table("plan").to_pylist()
    return [row for row in rows if row["scenario"] == name]


def test_a_category_without_a_background_is_refused(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 3})
    with pytest.raises(ConfigError, match=r"s0: for 'ball' none of 3 backgrounds .*category: any"):
        surveyed(tmp_path, scenario(category="other"), scenario(category="same"), categories=categories)


def test_a_category_with_one_photograph_has_no_donor_of_its_own(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 3, "cup": 1})
    found = surveyed(tmp_path, scenario(category="same"), categories=categories)
    assert said(found, "s0", "'cup' 1", "bad_rows: 0.25")
    assert not said(surveyed(tmp_path, scenario(category="same"), categories=categories, bad_rows=0.3), "bad_rows:")
    run = planned(tmp_path, categories=categories, scenarios=[scenario(category="same")])
    assert Counter(row["donor_id"] is None for row in donors_of(run)) == {True: 1, False: 3}


def test_one_photograph_of_each_category_has_no_donor_of_its_own(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 1, "cup": 1})
    with pytest.raises(ConfigError, match=r"'ball'.*'cup'"):
        surveyed(tmp_path, scenario(category="same"), categories=categories)


def test_few_donors_are_said(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 4, "cup": 7})
    assert said(surveyed(tmp_path, scenario(category="other"), categories=categories), "few", "'cup' 4")
    assert not said(surveyed(tmp_path, scenario(category="any"), categories=categories), "few")


@pytest.mark.parametrize(
    ("count", "entry", "share"),
    [
        (2, scenario(donor="whole"), "100%"),
        (3, scenario(donor="whole"), "50%"),
        (3, scenario(category="next"), "100%"),
        (4, scenario(donor="whole"), None),
        (2, scenario(), None),
        (2, scenario(donor="whole", category="any"), None),
        (2, scenario(category="same"), None),
    ],
)
def test_backgrounds_that_tell_the_category_are_said(tmp_path: Path, count: int, entry: Row, share: str | None) -> None:
    categories = write_photographs(tmp_path, dict.fromkeys("abcd"[:count], 2))
    found = surveyed(tmp_path, entry, categories=categories)
    assert said(found, "s0", "tells the category") == bool(share)
    assert not share or said(found, "s0", share, f"{1 / count:.0%}")


def test_backgrounds_of_another_place_tell_no_category(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 2, "cup": 2})
    found = surveyed(tmp_path, scenario(donor="whole"), categories=categories, backgrounds="drawn")
    assert not said(found, "tells the category")


def test_one_category_is_put_on_drawn_landscapes_unless_its_own_are_wanted(tmp_path: Path) -> None:
    categories = write_photographs(tmp_path, {"ball": 3})
    changes = {"categories": categories, "scenarios": ["original", "random_background"]}
    run = planned(tmp_path, **changes)
    assert run.recipe_values["backgrounds"]["kind"] == "drawn"
    assert run.recipe_values["remover"] is None
    assert any("landscapes" in note for note in run.plan.record()["remarks"])
    again = planned(tmp_path, **{**changes, "scenarios": ["original", "random_background", "segmented"]})
    assert again.recipe_values["backgrounds"]["kind"] == "drawn"
    own = planned(tmp_path, "own", categories=categories, scenarios=[scenario(category="same")])
    assert own.recipe_values["backgrounds"]["kind"] == "sources"


class TestRemoval:
    def test_the_plan_decides_the_remover_and_says_what_it_leaves(self, tmp_path: Path) -> None:
        write_folder(tmp_path)
        run = planned(tmp_path, scenarios=["original", scenario()])
        remover = run.recipe.remover
        assert remover is not None
        assert remover.name in ("patchmatch", "telea")
        assert not remover.caveat or remover.caveat in run.plan.record()["remarks"]
        assert planned(tmp_path, scenarios=["original", "random_background"]).recipe.remover == remover

    def test_without_the_better_remover_the_one_that_is_always_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_folder(tmp_path)
        monkeypatch.setattr("xray.pipeline.plan.removal._DEFAULTS", ("not_installed", "telea"))
        found = surveyed(tmp_path, scenario())
        assert found.remover is not None
        assert found.remover.name == "telea"

    def test_a_remover_that_is_not_installed_is_refused_with_one_that_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_folder(tmp_path)
        monkeypatch.setitem(sys.modules, "patchmatch", None)
        with pytest.raises(ResourceError, match=r"remover: patchmatch`.*pip install .*`remover: telea`"):
            surveyed(tmp_path, scenario(), remover="patchmatch")

    def test_another_remover_is_refused_only_where_objects_are_removed(self, tmp_path: Path) -> None:
        write_folder(tmp_path)
        planned(tmp_path, "whole", scenarios=["original", scenario(donor="whole")])
        assert planned(tmp_path, "whole", scenarios=["original"], remover="telea")
        scenarios = ["original", scenario()]
        planned(tmp_path, "removed", scenarios=scenarios, remover="telea")
        with pytest.raises(ConfigError, match="remover"):
            planned(tmp_path, "removed", scenarios=scenarios, remover={"kind": "telea", "dilate": 9})

    def test_photographs_without_an_annotation_are_no_donors(self, tmp_path: Path) -> None:
        write_folder(tmp_path, per_category=4)
        (tmp_path / "masks/ball/0.png").unlink()
        run = planned(tmp_path, scenarios=["original", scenario(variants=20), scenario(name="whole", donor="whole")])
        without = (
            run.store.table("source").filter(run.store.table("source")["mask_uri"].is_null())["image_id"][0].as_py()
        )
        removed = donors_of(run)
        assert without not in {row["donor_id"] for row in removed}
        assert without not in {spare["donor_id"] for row in removed for spare in row["donor_spares"]}
        assert {len(row["donor_spares"]) for row in removed} == {2}
        assert {row["donor_spares"] for row in donors_of(run, "whole")} == {None}

    def test_donors_of_another_bank_have_no_spares(self, tmp_path: Path) -> None:
        write_folder(tmp_path)
        run = planned(tmp_path, scenarios=["original", scenario()], backgrounds="drawn")
        assert {row["donor_spares"] for row in donors_of(run)} == {None}
        assert (run.recipe.remover, run.recipe.needs_removed) == (None, False)


def test_complexity_is_measured_where_a_rule_asks(tmp_path: Path) -> None:
    """`support.complex_donors` has a scenario with such a rule."""
    categories = write_photographs(tmp_path, {"ball": 5, "cup": 5})
    kind = "support.complex_donors:SimpleBackground"
    run = planned(tmp_path, categories=categories, scenarios=["original", {"kind": kind, "name": "low"}])
    pool = {row["donor_id"]: row["complexity"] for row in run.store.table("backgrounds").to_pylist()}
    simplest = sorted(pool, key=lambda name: pool[name])[:2]
    assert {row["donor_id"] for row in donors_of(run, "low")} == set(simplest)
    again = planned(
        tmp_path, categories=categories, scenarios=["original", {"kind": kind, "name": "low", "variants": 1}]
    )
    assert {row["donor_id"]: row["complexity"] for row in again.store.table("backgrounds").to_pylist()} == pool
    assert planned(tmp_path, "other", categories=categories).store.table("backgrounds")["complexity"].null_count == 10


class TestFolds:
    @pytest.mark.parametrize("donor", ["removed", "whole"])
    @pytest.mark.parametrize("split", [{"folds": 4}, {"holdout": 0.25}])
    def test_no_image_shows_a_photograph_of_another_fold(self, tmp_path: Path, donor: str, split: Row) -> None:
        """2 × 40 photographs, 3 variants: without folds about 3 in 4 do."""
        categories = write_photographs(tmp_path, {"ball": 40, "cup": 40})
        entry = scenario(donor=donor, variants=3)
        run = planned(tmp_path, categories=categories, scenarios=["original", entry], training=with_training(**split))
        folds = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
        rows = donors_of(run)
        shown = [(row["image_id"], row["donor_id"]) for row in rows]
        shown += [(row["image_id"], spare["donor_id"]) for row in rows for spare in row["donor_spares"] or ()]
        assert len(rows) == 240
        assert all(folds[image] == folds[donor] for image, donor in shown)
        tested = {image for image, fold in folds.items() if fold == 0}
        assert len(tested) == 20
        assert not tested & {donor for image, donor in shown if image not in tested}
        assert len({donor for _, donor in shown}) > 70

    def test_backgrounds_of_another_bank_have_no_folds(self, tmp_path: Path) -> None:
        categories = write_photographs(tmp_path, {"ball": 4, "cup": 4})
        scenarios = ["original", scenario(variants=3)]
        plans = [
            planned(tmp_path, name, categories=categories, scenarios=scenarios, backgrounds="drawn", training=training)
            for name, training in (("with", with_training(folds=4)), ("without", None))
        ]
        assert donors_of(plans[0]) == donors_of(plans[1])

    def test_new_photographs_get_donors_of_their_folds(self, tmp_path: Path) -> None:
        categories = write_photographs(tmp_path, {"ball": 8, "cup": 8})
        changes = {"scenarios": ["original", scenario()], "training": with_training(folds=2)}
        planned(tmp_path, categories=categories, **changes)
        write_photographs(tmp_path, {"ball": 14, "cup": 12})
        run = planned(tmp_path, categories=categories, **changes)
        folds = {row["image_id"]: row["fold"] for row in run.store.table("folds").to_pylist()}
        assert len(folds) == 26
        assert all(folds[row["image_id"]] == folds[row["donor_id"]] for row in donors_of(run))

    def test_a_training_of_a_run_whose_donors_ignore_it_is_refused(self, tmp_path: Path) -> None:
        categories = write_photographs(tmp_path, {"ball": 8, "cup": 8})
        changes = {"categories": categories, "scenarios": ["original", scenario()]}
        planned(tmp_path, **changes)
        with pytest.raises(ConfigError, match="--replan"):
            planned(tmp_path, **changes, training=with_training(folds=4))
        assert planned(tmp_path, "drawn", **changes, backgrounds="drawn")
        assert planned(tmp_path, "drawn", **changes, backgrounds="drawn", training=with_training(folds=4))

    def test_an_earlier_version_ignored_folds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        categories = write_photographs(tmp_path, {"ball": 8, "cup": 8})
        changes = {"categories": categories, "training": with_training(folds=4)}
        with monkeypatch.context() as patch:
            patch.setattr("xray.pipeline.plan.rings.Pool.fold_of", lambda self, image: -3)
            planned(tmp_path, **changes, scenarios=["original", scenario()])
        run = planned(tmp_path, **changes, scenarios=["original", scenario(), "image_r"])
        assert any("another fold" in note for note in run.plan.record()["remarks"])

    def test_few_photographs_of_a_fold_are_few_donors(self, tmp_path: Path) -> None:
        categories = write_photographs(tmp_path, {"ball": 8, "cup": 8})
        found = surveyed(tmp_path, scenario(), categories=categories, training=with_training(folds=4))
        assert said(found, "few", "'ball' 3")
        lonely = surveyed(tmp_path, scenario(category="same"), categories=categories, training=with_training(folds=6))
        assert said(lonely, "'ball' 4", "same fold", "bad_rows")


class TestEarlierVersions:
    @pytest.fixture
    def run(self, tmp_path: Path) -> RunFolder:
        """A run as planned before donors could be without their objects."""
        write_folder(tmp_path)
        run = planned(tmp_path, scenarios=["original", scenario(donor="whole")])
        record = json.loads((tmp_path / "run/run.json").read_text())
        for key in ("donor", "category"):
            del record["recipe"]["scenarios"]["random_background"][key]
        del record["recipe"]["remover"]
        del record["sha256"]
        text = yaml.dump(record["recipe"]).encode()
        (tmp_path / "run/recipe.yaml").write_bytes(text)
        record["files"]["recipe.yaml"] = hashlib.sha256(text).hexdigest()
        (tmp_path / "run/run.json").write_bytes(with_checksum(record))
        return RunFolder(run.uri)

    def test_its_donors_are_whole(self, run: RunFolder) -> None:
        before = run.plan.record()
        assert run.recipe.scenarios["random_background"].scenario.donor == "whole"  # type: ignore[attr-defined]
        assert run.recipe_values["scenarios"]["random_background"]["donor"] == "whole"
        assert not run.recipe.needs_removed
        assert run.plan.record() == before
        assert any("may be visible" in note for note in run_notes(run))

    def test_its_recipe_is_mended_as_it_was(self, run: RunFolder, tmp_path: Path) -> None:
        before = (tmp_path / "run/recipe.yaml").read_bytes()
        (tmp_path / "run/recipe.yaml").write_bytes(b"seed: 1")
        verify(run, repair=True)
        assert (tmp_path / "run/recipe.yaml").read_bytes() == before

    def test_scenarios_can_be_added(self, run: RunFolder, tmp_path: Path) -> None:
        before = donors_of(run)
        again = planned(tmp_path, scenarios=["original", "segmented"])
        assert donors_of(again) == before
        assert list(again.recipe.scenarios) == ["original", "random_background", "segmented"]

    def test_its_recipe_by_hand_conflicts_and_says_what_to_write(self, run: RunFolder, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"`donor: whole`"):
            planned(tmp_path, scenarios=["original", "random_background"])
        planned(tmp_path, scenarios=["original", scenario(donor="whole")])

    def test_its_images_are_reused(self, run: RunFolder, tmp_path: Path) -> None:
        from xray.pipeline.plan.replan import Fingerprints

        recipe = recipe_from(recipe_values(tmp_path, scenarios=["original", scenario(donor="whole")]))
        rows, source = run.store.table("plan").to_pylist(), run.store.table("source")
        by_id = {row["image_id"]: row for row in source.to_pylist()}
        found = completed(recipe, survey(recipe, run))
        old, new = (Fingerprints(one, {}, source) for one in (run.recipe, found))
        assert all(
            old.image({**row, "settings": "{}"}, by_id[row["image_id"]]) == new.image(row, by_id[row["image_id"]])
            for row in rows
        )


def run_notes(run: RunFolder) -> list[str]:
    from xray.runs.tables import RunTables

    return RunTables(run).notes()


def test_only_whole_donors_may_show_their_objects(tmp_path: Path) -> None:
    write_folder(tmp_path)
    assert not any(
        "may be visible" in note for note in run_notes(planned(tmp_path, scenarios=["original", scenario()]))
    )
    both = planned(tmp_path, "both", scenarios=["original", scenario(), scenario(name="whole", donor="whole")])
    assert any("may be visible" in note for note in run_notes(both))
