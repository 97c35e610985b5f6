from pathlib import Path

import numpy as np
import pytest
from support.drawn_photos import drawn, recipe_values, write_folder
from support.html_page import Page
from support.tiny_pools import made_here, planned
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core import yaml
from xray.masks.signs import Look
from xray.pipeline.plan.look import Review, Seen
from xray.report.masks_page import PER_CATEGORY, build_masks_page, write_masks_page


def seen(number, category="cup", reason="", invert=False):
    image, mask = drawn(number)
    mask = (mask > 0) ^ invert
    name = f"{category}/{number}.jpg"
    if reason:
        return Seen(str(number), category, name, image, reason=reason)
    return Seen(str(number), category, name, image, mask, look=Look.at(name, image, mask), origin="given")


def page(*photographs, findings=()):
    return Page(build_masks_page(Review(photographs, 1000, findings, final=False), "my <run>"))


def test_each_picture_says_what_it_shows_and_nothing_is_loaded():
    shown = page(seen(1), seen(2), seen(3, "ball", reason="mask_wrong_size: mask 50×30, image 96×72"))
    pictures = shown.all("img")
    assert len(pictures) == 3
    assert all(picture["src"].startswith("data:image/jpeg;base64,") for picture in pictures)
    assert "cup/1.jpg" in pictures[0]["alt"]
    assert "mask 50×30, image 96×72" in pictures[2]["alt"]
    assert shown.mismatched == []
    assert shown.all("script") == shown.all("link") == []
    assert "my <run>" in shown.words
    assert "3 of 1,000 photographs" in shown.words


def test_rejected_and_strange_masks_come_first_and_few_of_a_category_are_shown():
    good = [seen(number) for number in range(20)]
    shown = page(*good, seen(20, invert=True), seen(21, reason="mask_empty: 0 pixels"))
    names = [picture["alt"].partition(",")[0] for picture in shown.all("img")]
    assert names[:3] == ["cup/21.jpg", "cup/20.jpg", "cup/0.jpg"]
    assert len(names) == PER_CATEGORY
    assert "cup 22 21 1 1" in shown.words  # looked at, masks, strange, rejected


def test_findings_are_at_the_top_and_names_are_escaped():
    shown = page(seen(1), findings=("masks may be wrong: <b>3</b> of 4",))
    assert "masks may be wrong: <b>3</b> of 4" in shown.words
    assert page(seen(1)).all("aside") == []


def test_photographs_without_picture_mask_or_look():
    shown = page(Seen("1", "cup", "1.jpg", reason="corrupt_image"), Seen("2", "cup", "2.jpg", drawn(2)[0]))
    assert len(shown.all("img")) == 1
    assert "no mask yet" in shown.words
    boxed = Seen("3", "cup", "3.jpg", drawn(3)[0], boxes=((1.0, 2.0, 30.0, np.inf),))
    assert "1 box" in page(boxed).words


def test_a_page_without_any_mask_says_how_to_make_them():
    without = [Seen("1", "cup", "1.jpg", drawn(1)[0]), Seen("2", "cup", "2.jpg", reason="corrupt_image")]
    assert "xray mask RUN" in page(*without).words
    refused = Seen("3", "cup", "3.jpg", drawn(3)[0], reason="mask_missing")
    for masked in (seen(1), refused):
        assert "xray mask RUN" not in page(*without, masked).words


@pytest.fixture
def recipe(tmp_path):
    write_folder(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.dump(recipe_values(tmp_path, scenarios=["original", "segmented"])))
    return path


def test_plan_writes_the_page_and_a_dry_run_does_not(recipe, tmp_path):
    run = tmp_path / "run"
    said = CliRunner().invoke(app, ["plan", str(recipe), str(run), "--dry-run"], catch_exceptions=False).output
    assert "masks.html" not in said
    assert not run.exists()
    said = CliRunner().invoke(app, ["plan", str(recipe), str(run)], catch_exceptions=False).output
    assert str(run / "masks.html") in "".join(said.split("\n"))
    assert len(Page((run / "masks.html").read_text()).all("img")) == 6


def test_mask_shows_final_masks_and_an_example_of_each_reason(tmp_path):
    write_folder(tmp_path)
    Path(tmp_path / "masks/ball/1.png").write_bytes(b"no mask")
    run = planned(tmp_path, recipe_values(tmp_path, scenarios=["segmented"], bad_rows=1.0))
    made_here(run)
    said = CliRunner().invoke(app, ["mask", run.uri], catch_exceptions=False).output
    assert "corrupt_mask" in said
    assert "ball/1.jpg" in " ".join(said.split())
    words = Page((tmp_path / "run/masks.html").read_text()).words
    assert "corrupt_mask" in words
    assert "Masks of the run" in words


def test_generate_shows_the_masks_that_a_refiner_made(tmp_path, ray_session):
    write_folder(tmp_path, 1)
    masks = {"annotations": {"kind": "png", "root": str(tmp_path / "masks")}, "refine": "grabcut"}
    run = planned(tmp_path, recipe_values(tmp_path, scenarios=["segmented"], masks=masks))
    CliRunner().invoke(app, ["generate", run.uri], catch_exceptions=False)
    assert "Masks of the run" in Page((tmp_path / "run/masks.html").read_text()).words


def test_findings_about_final_masks_are_kept_for_the_report(tmp_path):
    write_folder(tmp_path)
    run = planned(tmp_path, recipe_values(tmp_path, scenarios=["segmented"]))
    strange = Review((), 6, ("masks may be wrong: 6 of 6 cover the borders of their photographs",), final=True)
    write_masks_page(run, strange)
    assert run.store.table("mask_findings")["finding"].to_pylist() == list(strange.findings)


def test_a_plan_of_guesses_says_how_to_make_the_masks(tmp_path):
    write_folder(tmp_path)
    path, run = tmp_path / "recipe.yaml", tmp_path / "a run"
    path.write_text(yaml.dump(recipe_values(tmp_path, masks={"refine": "guess"}, scenarios=["original", "segmented"])))
    said = CliRunner().invoke(app, ["plan", str(path), str(run)], catch_exceptions=False).output
    assert f"`xray mask '{run}'`" in said
    assert f"'{run}/masks.html'" in said
