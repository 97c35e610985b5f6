from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from support.drawn_photos import drawn, recipe_values, write, write_folder

from xray.core import schema
from xray.core.errors import XrayError
from xray.core.images import decode, encode
from xray.core.plugins import settings
from xray.masks import decode_mask
from xray.pipeline.generate.render import Rendered, Renderer, status_counts
from xray.pipeline.plan.plan import survey, write_plan
from xray.runs.recipe import recipe_from
from xray.runs.run import Run
from xray.scenarios import Photo, Picture, Scenario

Row = dict[str, Any]


def rendered(folder: Path, **changes: object) -> tuple[Run, list[Rendered], Renderer]:
    recipe = recipe_from(recipe_values(folder, **changes))
    run = Run(str(folder / "run"))
    write_plan(run, recipe, survey(recipe))
    renderer = Renderer(run.recipe_object)
    return run, [renderer.shard(run.shard(shard)) for shard in run.shards()], renderer


def rows(made: list[Rendered]) -> dict[str, Row]:
    return {row["sample_id"]: row for item in made for row in item.images.to_pylist()}


def test_every_planned_row_is_there_in_the_order_of_the_plan(tmp_path: Path) -> None:
    write_folder(tmp_path)
    run, made, renderer = rendered(tmp_path)
    for shard, item in zip(run.shards(), made, strict=True):
        assert item.images.column("sample_id").equals(run.shard(shard).plan.column("sample_id"))
        assert item.row_groups == [2] * 5
        assert item.images.schema == schema.IMAGES
        assert status_counts(item.images)["image_r"] == {"ok": 2}
    assert renderer.decoded == 6


def test_images_are_what_the_scenarios_make(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    run, made, _ = rendered(tmp_path, images={"format": "png"})
    source = {row["image_id"]: row for row in run.table("source").to_pylist()}
    plan = {row["sample_id"]: row for row in run.table("plan").to_pylist()}
    for row in rows(made).values():
        number = list(recipe_values(tmp_path)["categories"]).index(row["category"])
        image, mask = drawn(100 * number)
        photo = decode(Path(source[row["image_id"]]["uri"].removeprefix("file://")).read_bytes()).image
        donor_uri = plan[row["sample_id"]]["donor_uri"]
        donor = donor_uri and decode(Path(donor_uri.removeprefix("file://")).read_bytes()).image
        scenario = run.recipe_object.scenarios[row["scenario"]].scenario
        wanted = scenario.render(Photo(photo, mask > 0), plan[row["sample_id"]]["seed"], donor).image
        decoded = decode(row["image"]["bytes"])
        if wanted.shape[2] == 4:
            assert decoded.alpha is not None
            assert np.array_equal(decoded.alpha, wanted[..., 3])
        else:
            assert np.array_equal(decoded.image, wanted)
        assert np.array_equal(decode_mask(row["mask"]["bytes"]), mask > 0)
        told = json.loads(row["provenance"])
        assert told["mask_origin"] == "given"
        assert told["donor"] == plan[row["sample_id"]]["donor_id"]
        assert image.shape == photo.shape


def test_transparent_is_png_the_others_jpeg(tmp_path: Path) -> None:
    write_folder(tmp_path, per_category=1)
    _, made, _ = rendered(tmp_path)
    for row in rows(made).values():
        magic = b"\x89PNG" if row["scenario"] == "transparent" else b"\xff\xd8"
        assert row["image"]["bytes"].startswith(magic)


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    sink = io.BytesIO()
    image.save(sink, format, **options)
    return sink.getvalue()


IMAGE, MASK = drawn(7)
PICTURE = Image.fromarray(IMAGE)
TURNED = Image.Exif()
TURNED[0x0112] = 6
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
    "turned.jpg": (saved(PICTURE.rotate(90, expand=True), "JPEG", exif=TURNED), "ok", "rotated_by_exif"),
}  # fmt: skip

BAD_MASKS: dict[str, tuple[bytes | None, str, str]] = {
    "none": (None, "rejected", "missing_mask"),
    "empty": (encode(np.zeros_like(MASK), "png"), "rejected", "mask_empty"),
    "full": (encode(np.full_like(MASK, 255), "png"), "rejected", "mask_full"),
    "speck": (encode(np.pad(np.full((2, 2), 255, np.uint8), ((0, 70), (0, 94))), "png"), "rejected", "mask_too_small"),
    "size": (encode(MASK[:-1], "png"), "rejected", "mask_wrong_size"),
    "cut": (encode(MASK, "png")[:60], "rejected", "corrupt_mask"),
    "dots": (encode(DOTS, "png"), "rejected", "mask_too_many_parts"),
    "deep": (saved(Image.fromarray(MASK.astype(np.uint16) * 257), "PNG"), "ok", "mask_converted"),
    "rgba": (saved(Image.fromarray(np.dstack([MASK, MASK, MASK, np.full_like(MASK, 255)])), "PNG"), "ok", "mask_converted"),
}  # fmt: skip


def test_bad_input_has_a_reason_and_costs_no_good_row(tmp_path: Path) -> None:
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
    names = {row["image_id"]: Path(row["uri"]).name for row in run.table("source").to_pylist()}
    wanted = {name: verdict[1:] for name, verdict in BAD_IMAGES.items()}
    wanted |= {f"mask_{stem}.jpg": verdict[1:] for stem, verdict in BAD_MASKS.items()}
    seen: dict[str, set[tuple[str, str]]] = {}
    for row in rows(made).values():
        seen.setdefault(names[row["image_id"]], set()).add((row["status"], row["reason"]))
        assert (row["image"] is not None) == (row["status"] == "ok")
    assert {name: seen[name] for name in wanted} == {name: {verdict} for name, verdict in wanted.items()}
    assert {verdict[1] for verdict in wanted.values()} <= schema.REASONS.keys()
    # A new usable photograph may become the background of others: the next test is about those that may not.
    unchanged = {key: row for key, row in rows(good).items() if row["scenario"] != "random_background"}
    after = rows(made)
    assert all(after[key]["image"] == row["image"] for key, row in unchanged.items())


def test_files_that_are_no_photographs_change_no_image(tmp_path: Path) -> None:
    """Not even one that could have been their background."""
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


def test_a_turned_photograph_keeps_its_object(tmp_path: Path) -> None:
    """Image and mask still fit: the object's pixels in the made image are those under the upright mask."""
    write_folder(tmp_path)
    data, _, _ = BAD_IMAGES["turned.jpg"]
    write(tmp_path / "photos/cup/turned.jpg", data)
    write(tmp_path / "masks/cup/turned.png", encode(MASK, "png"))
    run, made, _ = rendered(tmp_path, scenarios=["segmented"], images={"format": "png"})
    (turned,) = [row["image_id"] for row in run.table("source").to_pylist() if row["uri"].endswith("turned.jpg")]
    (row,) = [row for row in rows(made).values() if row["image_id"] == turned]
    image = decode(row["image"]["bytes"]).image
    assert image.shape == IMAGE.shape
    assert np.abs(image[MASK > 0].astype(int) - IMAGE[MASK > 0]).mean() < 12
    assert image[MASK == 0].max() == 0


def test_a_file_that_changed_after_the_plan_is_noticed(tmp_path: Path) -> None:
    write_folder(tmp_path)
    recipe = recipe_from(recipe_values(tmp_path))
    run = Run(str(tmp_path / "run"))
    write_plan(run, recipe, survey(recipe))
    write(tmp_path / "photos/ball/0.jpg", encode(drawn(55)[0]))
    (tmp_path / "photos/ball/1.jpg").unlink()
    made = rows([Renderer(recipe).shard(run.shard(run.shards()[0]))]).values()
    verdicts = {(row["status"], row["reason"]) for row in made if row["scenario"] != "random_background"}
    assert verdicts == {("rejected", "source_changed"), ("failed", "missing_file")}


def test_all_photographs_of_one_category_leave_no_donor(tmp_path: Path) -> None:
    write_folder(tmp_path)
    _, made, _ = rendered(tmp_path, categories={"ball": [430]}, scenarios=["original", "random_background"])
    verdicts = {(row["scenario"], row["status"], row["reason"]) for row in rows(made).values()}
    assert verdicts == {("original", "ok", ""), ("random_background", "rejected", "no_donor")}


@settings
class Liar(Scenario):
    """Promises to keep the object, and does not."""

    name: ClassVar[str] = "liar"
    summary: ClassVar[str] = "breaks its promise"

    @property
    def keeps(self) -> Any:
        return "object"

    def render(self, photo: Photo, seed: int, donor: Any = None) -> Picture:
        image = photo.image.copy()
        y, x = np.argwhere(photo.mask)[0]
        image[y, x, 2] ^= 1
        return Picture(image, photo.mask)


def test_a_broken_promise_stops_the_run(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(
        XrayError, match=r"scenario .lie. changed pixels of the object of [^ ]+, which it promises to keep"
    ):
        rendered(tmp_path, scenarios=[{"kind": "test_render:Liar", "name": "lie"}])
