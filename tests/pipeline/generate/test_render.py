from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from support.drawn_photos import drawn, recipe_values, write, write_folder
from support.planned_runs import planned

from xray.core import schema
from xray.core.errors import ConfigError
from xray.core.images import decode, encode
from xray.core.plugins import settings
from xray.core.types import Region
from xray.masks import decode_mask
from xray.pipeline.generate.render import Rendered, Renderer, status_counts
from xray.runs.folder import RunFolder
from xray.scenarios import Photo, Picture, Scenario

Row = dict[str, Any]


def rendered(folder: Path, **changes: object) -> tuple[RunFolder, list[Rendered], Renderer]:
    run = planned(folder, **changes)
    renderer = Renderer(run.recipe)
    return run, [renderer.shard(run.plan.shard(shard)) for shard in run.plan.shards()], renderer


def rows(made: list[Rendered]) -> dict[str, Row]:
    return {row["sample_id"]: row for item in made for row in item.images.to_pylist()}


def test_images_has_every_planned_row_in_the_order_of_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run, made, renderer = rendered(tmp_path)
    for shard, item in zip(run.plan.shards(), made, strict=True):
        assert item.images.column("sample_id").equals(run.plan.shard(shard).plan.column("sample_id"))
        assert item.row_groups == [2] * 5
        assert item.images.schema == schema.IMAGES
        assert status_counts(item.images)["image_r"] == {"ok": 2}
    for row in rows(made).values():
        magic = b"\x89PNG" if row["scenario"] == "transparent" else b"\xff\xd8"
        assert row["image"]["bytes"].startswith(magic)
    assert renderer.decoded == 6


def test_images_are_made_by_their_scenarios(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    run, made, _ = rendered(tmp_path, images={"format": "png"})
    source = {row["image_id"]: row for row in run.store.table("source").to_pylist()}
    plan = {row["sample_id"]: row for row in run.store.table("plan").to_pylist()}
    for row in rows(made).values():
        number = list(recipe_values(tmp_path)["categories"]).index(row["category"])
        image, mask = drawn(100 * number)
        photo = decode(Path(source[row["image_id"]]["uri"].removeprefix("file://")).read_bytes()).image
        donor_uri = plan[row["sample_id"]]["donor_uri"]
        donor = donor_uri and decode(Path(donor_uri.removeprefix("file://")).read_bytes()).image
        scenario = run.recipe.scenarios[row["scenario"]].scenario
        expected = scenario.render(Photo(photo, mask > 0), plan[row["sample_id"]]["seed"], donor).image
        decoded = decode(row["image"]["bytes"])
        if expected.shape[2] == 4:
            assert decoded.alpha is not None
            assert np.array_equal(decoded.alpha, expected[..., 3])
        else:
            assert np.array_equal(decoded.image, expected)
        assert np.array_equal(decode_mask(row["mask"]["bytes"]), mask > 0)
        provenance = json.loads(row["provenance"])
        assert provenance["mask_origin"] == "given"
        assert provenance["donor"] == plan[row["sample_id"]]["donor_id"]
        assert image.shape == photo.shape


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


IMAGE, MASK = drawn(7)
PICTURE = Image.fromarray(IMAGE)
ROTATED = Image.Exif()
ROTATED[0x0112] = 6
JPEG = encode(IMAGE)
DOTS = np.tile(np.pad(np.full((4, 4), 255, np.uint8), ((0, 8), (0, 8))), (6, 8))
FLIPPED = bytearray(JPEG)
FLIPPED[len(JPEG) // 2 : len(JPEG) // 2 + 2] = b"\xff\xd9"

BAD_IMAGES: dict[str, tuple[bytes, str, str]] = {
    "truncated.jpg": (JPEG[: len(JPEG) // 2], "rejected", "corrupt_image"),
    "zero.jpg": (b"", "rejected", "empty_file"),
    "flipped.jpg": (bytes(FLIPPED), "rejected", "corrupt_image"),
    "text.jpg": (b"this is no image at all", "rejected", "unknown_format"),
    "tiny.png": (encode(IMAGE[:1, :1], "png"), "rejected", "too_small"),
    "animated.gif": (saved(PICTURE, "GIF", save_all=True, append_images=[PICTURE.rotate(9)]), "rejected", "animated_image"),
    "really_png.jpg": (encode(IMAGE, "png"), "ok", "wrong_extension"),
    "cmyk.jpg": (saved(PICTURE.convert("CMYK"), "JPEG"), "ok", "converted_cmyk"),
    "palette.png": (saved(PICTURE.convert("P"), "PNG"), "ok", "converted_palette"),
    "deep.png": (saved(Image.fromarray(IMAGE[..., 0].astype(np.uint16) * 257), "PNG"), "ok", "converted_16_bit"),
    "rgba.png": (saved(Image.fromarray(np.dstack([IMAGE, MASK])), "PNG"), "ok", "flattened_alpha"),
    "rotated.jpg": (saved(PICTURE.rotate(90, expand=True), "JPEG", exif=ROTATED), "ok", "rotated_by_exif"),
}  # fmt: skip

BAD_MASKS: dict[str, tuple[bytes | None, str, str]] = {
    "none": (None, "rejected", "missing_mask"),
    "empty": (encode(np.zeros_like(MASK), "png"), "rejected", "mask_empty"),
    "full": (encode(np.full_like(MASK, 255), "png"), "rejected", "mask_full"),
    "speck": (encode(np.pad(np.full((2, 2), 255, np.uint8), ((0, 70), (0, 94))), "png"), "rejected", "mask_too_small"),
    "size": (encode(MASK[:-1], "png"), "rejected", "mask_wrong_size"),
    "cut": (encode(MASK, "png")[:60], "rejected", "corrupt_mask"),
    "dots": (encode(DOTS, "png"), "rejected", "mask_too_many_parts"),
    "deep": (saved(Image.fromarray(MASK.astype(np.uint16) * 257), "PNG"), "ok", ""),
    "rgba": (saved(Image.fromarray(np.dstack([MASK, MASK, MASK, np.full_like(MASK, 255)])), "PNG"), "ok", ""),
}  # fmt: skip


def test_bad_files_have_a_reason_and_change_no_good_row(tmp_path: Path) -> None:
    write_folder(tmp_path / "good")
    _, good, _ = rendered(tmp_path / "good")
    write_folder(tmp_path / "bad")
    for name, (data, _, _) in BAD_IMAGES.items():
        write(tmp_path / f"bad/photos/cup/{name}", data)
        write(tmp_path / f"bad/masks/cup/{Path(name).stem}.png", encode(MASK, "png"))
    for stem, (mask, _, _) in BAD_MASKS.items():
        write(tmp_path / f"bad/photos/ball/mask_{stem}.jpg", JPEG)
        if mask is not None:
            write(tmp_path / f"bad/masks/ball/mask_{stem}.png", mask)
    run, made, _ = rendered(tmp_path / "bad", scenarios=list(recipe_values(tmp_path)["scenarios"]))
    names = {row["image_id"]: Path(row["uri"]).name for row in run.store.table("source").to_pylist()}
    expected = {name: verdict[1:] for name, verdict in BAD_IMAGES.items()}
    expected |= {f"mask_{stem}.jpg": verdict[1:] for stem, verdict in BAD_MASKS.items()}
    seen: dict[str, set[tuple[str, str]]] = {}
    for row in rows(made).values():
        if names[row["image_id"]].startswith("mask_") and row["scenario"] == "original":
            assert row["status"] == "ok"  # it needs no mask
            continue
        seen.setdefault(names[row["image_id"]], set()).add((row["status"], row["reason"]))
        assert (row["image"] is not None) == (row["status"] == "ok")
    assert {name: seen[name] for name in expected} == {name: {verdict} for name, verdict in expected.items()}
    assert {verdict[1] for verdict in expected.values()} <= {"", *schema.REASONS}
    # A usable new photograph may become the background of others; the next test covers those that may not.
    unchanged = {key: row for key, row in rows(good).items() if row["scenario"] != "random_background"}
    after = rows(made)
    assert all(after[key]["image"] == row["image"] for key, row in unchanged.items())


def test_unusable_files_change_no_image(tmp_path: Path) -> None:
    """Not even as a background: they are no donors."""
    write_folder(tmp_path / "good")
    _, good, _ = rendered(tmp_path / "good", scenarios=["original", {"kind": "random_background", "variants": 5}])
    write_folder(tmp_path / "bad")
    for name, (data, status, _) in BAD_IMAGES.items():
        if status == "rejected":
            write(tmp_path / f"bad/photos/cup/{name}", data)
            write(tmp_path / f"bad/photos/ball/{name}", data)
    _, made, _ = rendered(tmp_path / "bad", scenarios=["original", {"kind": "random_background", "variants": 5}])
    after = rows(made)
    assert all(after[key]["image"] == row["image"] for key, row in rows(good).items())
    assert len(after) > len(rows(good))


def test_a_photograph_rotated_by_exif_keeps_its_object(tmp_path: Path) -> None:
    """Image and mask still match: the object's pixels in the image are those under the upright mask."""
    write_folder(tmp_path)
    data, _, _ = BAD_IMAGES["rotated.jpg"]
    write(tmp_path / "photos/cup/rotated.jpg", data)
    write(tmp_path / "masks/cup/rotated.png", encode(MASK, "png"))
    _, made, _ = rendered(tmp_path, scenarios=["segmented"], images={"format": "png"})
    (row,) = [row for row in rows(made).values() if row["image_id"].startswith("rotated-")]
    image = decode(row["image"]["bytes"]).image
    assert image.shape == IMAGE.shape
    assert np.abs(image[MASK > 0].astype(int) - IMAGE[MASK > 0]).mean() < 12
    assert image[MASK == 0].max() == 0


def test_files_that_changed_or_vanished_after_the_plan_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run = planned(tmp_path)
    write(tmp_path / "photos/ball/0.jpg", encode(drawn(55)[0]))
    (tmp_path / "photos/ball/1.jpg").unlink()
    made = rows([Renderer(run.recipe).shard(run.plan.shard(run.plan.shards()[0]))]).values()
    verdicts = {(row["status"], row["reason"]) for row in made if row["scenario"] != "random_background"}
    assert verdicts == {("rejected", "source_changed"), ("failed", "missing_file")}


def test_a_single_category_is_put_on_drawn_landscapes(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run, made, _ = rendered(tmp_path, categories={"ball": [430]}, scenarios=["original", "random_background"])
    verdicts = {(row["scenario"], row["status"], row["reason"]) for row in rows(made).values()}
    assert verdicts == {("original", "ok", ""), ("random_background", "ok", "")}
    assert run.recipe_values["backgrounds"]["kind"] == "drawn"


def test_photographs_without_a_mask_are_in_the_scenarios_that_need_none(tmp_path: Path) -> None:
    write_folder(tmp_path)
    masks = sorted((tmp_path / "masks").rglob("*.png"))
    masks[0].unlink()
    kinds = ["original", {"kind": "image_r", "region": "image"}, "image_grey", "image_g", "segmented"]
    run, made, _ = rendered(tmp_path, scenarios=kinds)
    masked = {row["image_id"]: row["status"] for item in made for row in item.masks.to_pylist()}
    (lost,) = (image for image, status in masked.items() if status == "rejected")
    of_lost = {row["scenario"]: row for row in rows(made).values() if row["image_id"] == lost}
    assert {name: row["status"] for name, row in of_lost.items()} == {
        "original": "ok", "image_r": "ok", "image_grey": "ok", "image_g": "rejected", "segmented": "rejected"
    }  # fmt: skip
    assert of_lost["segmented"]["reason"] == "missing_mask"
    assert of_lost["original"]["mask"] is None
    assert all(row["mask"] for row in rows(made).values() if row["status"] == "ok" and row["image_id"] != lost)
    assert any("left out of image_g, segmented" in note for note in run.plan.record()["remarks"])


@settings
class Changing(Scenario):
    """A faulty scenario that promises to keep the object, and changes a pixel of it."""

    name: ClassVar[str] = "changing"
    summary: ClassVar[str] = "breaks its promise"

    @property
    def keeps(self) -> Any:
        return "object"

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        image = photo.image.copy()
        y, x = np.argwhere(photo.mask)[0]
        image[y, x, 2] ^= 1
        return Picture(image, photo.mask)


def test_a_scenario_that_changes_what_it_promises_to_keep_stops_the_run(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(ConfigError, match=r"'faulty'.*object"):
        rendered(tmp_path, scenarios=[{"kind": f"{__name__}:Changing", "name": "faulty"}])


@settings
class Shifted(Scenario):
    """The object one pixel further to the right, on black."""

    name: ClassVar[str] = "shifted"
    summary: ClassVar[str] = "moves the object"
    keeps: ClassVar[Region] = "object"

    faulty: bool = False

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        image, mask = (np.roll(pixels, 1, axis=1) for pixels in (photo.image, photo.mask))
        shown = np.where(mask[:, :, None], image, np.uint8(0))
        if self.faulty:
            shown[mask] ^= 1
        return Picture(shown, mask, notes=("object_cut",), placed=Photo(image, mask))


def test_a_moved_object_is_compared_where_it_is_and_notes_are_recorded(tmp_path: Path) -> None:
    write_folder(tmp_path)
    scenario = {"kind": f"{__name__}:Shifted", "name": "shifted"}
    _, made, _ = rendered(tmp_path, scenarios=[scenario])
    for row in rows(made).values():
        assert (row["status"], row["reason"], row["donor_category"]) == ("ok", "object_cut", None)
    with pytest.raises(ConfigError, match=r"'shifted'.*object"):
        rendered(tmp_path, name="faulty", scenarios=[{**scenario, "faulty": True}])


@settings
class Breaking(Scenario):
    """A scenario with a mistake that shows in photographs with an even seed."""

    name: ClassVar[str] = "breaking"
    summary: ClassVar[str] = "breaks"
    keeps: ClassVar[Region] = "object"

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        return Picture(photo.image if seed % 2 else {}["zero"], photo.mask)


def test_an_unexpected_error_costs_its_image_and_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path)
    scenarios = ["original", {"kind": f"{__name__}:Breaking", "name": "breaking"}]
    run, made, _ = rendered(tmp_path, scenarios=scenarios)
    seeds = {row["sample_id"]: row["seed"] for row in run.store.table("plan").to_pylist()}
    expected = {
        sample: ("failed", "error", "KeyError: 'zero'")
        if row["scenario"] == "breaking" and seeds[sample] % 2 == 0
        else ("ok", "", None)
        for sample, row in rows(made).items()
    }
    assert {sample: (row["status"], row["reason"], row["detail"]) for sample, row in rows(made).items()} == expected
    assert len({*expected.values()}) == 2
