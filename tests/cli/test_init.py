from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support.drawn_photos import drawn, write
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.errors import ConfigError
from xray.core.images import encode
from xray.runs.recipe import load_recipe


def output_of(*arguments: str | Path) -> str:
    """Run a command and return what it prints; raise its errors."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def write_photos(folder: Path, *names: str) -> None:
    """Write a drawn photograph with its mask for each category."""
    for seed, name in enumerate(names):
        image, mask = drawn(seed)
        write(folder / f"photos/{name}/1.jpg", encode(image))
        write(folder / f"masks/{name}/1.png", encode(mask, "png"))


def init(folder: Path) -> str:
    return output_of("init", folder / "photos", "--masks", folder / "masks", "-o", folder / "r.yaml")


def categories(recipe: Path) -> dict[str, tuple[int, ...]]:
    return {one.name: one.indices for one in load_recipe(str(recipe)).categories or ()}


def test_the_recipe_works(tmp_path: Path) -> None:
    write_photos(tmp_path, "red fox", "n02992211", "Dogs", "277", "Cardigan", "cardigan", "cat")
    output = init(tmp_path)
    assert "118 classes: 151 Chihuahua" in output
    assert categories(tmp_path / "r.yaml") == {
        "277": (277,),
        "Cardigan": (264,),
        "Dogs": tuple(range(151, 269)),
        "cardigan": (474,),
        "cat": tuple(range(281, 294)),
        "cello": (486,),
        "red fox": (277,),
    }
    planned = output_of("plan", tmp_path / "r.yaml", tmp_path / "run", "--dry-run")
    assert "7 new photographs of 7 categories" in planned
    with pytest.raises(ConfigError, match=r"r\.yaml"):
        init(tmp_path)


def test_folders_of_one_category_are_one_line_and_parts_of_data_sets_none(tmp_path: Path) -> None:
    write_photos(tmp_path, "red fox", "n02119022", "masks", ".cache")
    output = init(tmp_path)
    assert "masks" in output.splitlines()[0]
    assert categories(tmp_path / "r.yaml") == {"red fox": (277,)}
    (row,) = [line for line in output.splitlines() if "n02119022" in line]
    assert " 2 " in row


def test_open_lines_are_marked_and_refused_with_choices(tmp_path: Path) -> None:
    write_photos(tmp_path, "crane", "my fox", "cello")
    assert "2 open line(s)" in init(tmp_path)
    marked = [line for line in (tmp_path / "r.yaml").read_text().splitlines() if "<- check" in line]
    assert [line.split(":")[0].strip() for line in marked] == ['"crane"', '"my fox"']
    with pytest.raises(ConfigError, match=r"(?s)r\.yaml, line \d+: .*'crane'.*n02012849.*'my fox'.*n02118333"):
        output_of("plan", tmp_path / "r.yaml", tmp_path / "run", "--dry-run")


def test_what_imagenet_lacks_is_a_category_of_ones_own(tmp_path: Path) -> None:
    write_photos(tmp_path, "widget", "cello", 'a "quoted"\nname')
    assert "of your own" in init(tmp_path)
    assert categories(tmp_path / "r.yaml") == {'a "quoted"\nname': (), "cello": (486,), "widget": ()}
    assert load_recipe(str(tmp_path / "r.yaml")).models == {}
    output_of("plan", tmp_path / "r.yaml", tmp_path / "run", "--dry-run")


def test_categories_of_a_flat_folder_are_read_from_the_file_beside_it(tmp_path: Path) -> None:
    for number in (1, 2):
        write(tmp_path / f"photos/{number}.jpg", encode(drawn(number)[0]))
    labels = {
        "images": [{"id": number, "file_name": f"{number}.jpg", "width": 96, "height": 72} for number in (1, 2)],
        "annotations": [{"id": n, "image_id": n, "category_id": n, "bbox": [1, 1, 9, 9], "area": 81} for n in (1, 2)],
        "categories": [{"id": 1, "name": "red fox"}, {"id": 2, "name": "dog"}],
    }
    with pytest.raises(ConfigError, match="labels"):
        output_of("init", tmp_path / "photos", "-o", tmp_path / "r.yaml")
    (tmp_path / "instances.json").write_text(json.dumps(labels))
    for photos in (tmp_path / "photos", tmp_path):
        recipe = tmp_path / f"{photos.name}.yaml"
        assert "instances.json" in output_of("init", photos, "-o", recipe)
        assert {name: len(indices) for name, indices in categories(recipe).items()} == {"red fox": 1, "dog": 118}
    shutil.copy(tmp_path / "instances.json", tmp_path / "other.json")
    with pytest.raises(ConfigError, match=r"other\.json"):
        output_of("init", tmp_path / "photos", "-o", tmp_path / "s.yaml")
    output_of("init", tmp_path / "photos", "--labels", tmp_path / "other.json", "-o", tmp_path / "s.yaml")
    assert categories(tmp_path / "s.yaml")["red fox"] == (277,)


def write_table(path: Path, **columns: Any) -> None:
    """Write a Parquet file with a drawn photograph in each row, labels as Hugging Face writes them, and more columns."""
    features = {"label": {"_type": "ClassLabel", "names": ["red fox", "cello"]}}
    photographs = [{"bytes": encode(drawn(seed)[0]), "path": None} for seed in range(3)]
    table = pa.table({"image": photographs, "label": [0, 1, 1], **columns})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), path)


@pytest.mark.parametrize("photos", ["set", "set/data/train-0.parquet"])
def test_columns_of_parquet_files_become_the_source(photos: str, tmp_path: Path) -> None:
    write_table(tmp_path / "set/data/train-0.parquet", mask=[encode(drawn(seed)[1], "png") for seed in range(3)])
    output = output_of("init", tmp_path / photos, "-o", tmp_path / "r.yaml")
    assert "column 'mask'" in output
    recipe = yaml.safe_load((tmp_path / "r.yaml").read_text())
    assert {key: recipe["source"][key] for key in ("kind", "uri", "image", "category", "mask")} == {
        "kind": "parquet",
        "uri": str(tmp_path / photos),
        "image": "image",
        "category": "label",
        "mask": "mask",
    }
    assert recipe["masks"] == {"annotations": {"kind": "source"}}
    assert categories(tmp_path / "r.yaml") == {"red fox": (277,), "cello": (486,)}
    planned = output_of("plan", tmp_path / "r.yaml", tmp_path / "run", "--dry-run")
    assert "3 new photographs of 2 categories" in planned


def test_parquet_files_without_masks_get_what_works_here(tmp_path: Path) -> None:
    write_table(tmp_path / "set/train.parquet")
    output_of("init", tmp_path / "set", "-o", tmp_path / "r.yaml")
    recipe = yaml.safe_load((tmp_path / "r.yaml").read_text())
    assert "mask" not in recipe["source"]
    assert recipe["masks"].get("refine")
    assert recipe["masks"].get("annotations") != {"kind": "source"}
    assert recipe["bad_rows"] == 0.25


def test_the_commands_to_run_next_can_be_copied(tmp_path: Path) -> None:
    write(tmp_path / "my photos/red fox/1.jpg", encode(drawn(0)[0]))
    output = output_of("init", tmp_path / "my photos", "-o", tmp_path / "a recipe.yaml")
    commands = [shlex.split(line) for line in output.splitlines() if line.startswith("  xray ")]
    begin = ["xray", "pipeline", str(tmp_path / "a recipe.yaml"), "runs/my photos"]
    assert commands == [[*begin, "--first", "2"], begin]


def test_folders_without_photographs_are_named_and_no_categories(tmp_path: Path) -> None:
    write_photos(tmp_path, "red fox")
    (tmp_path / "photos/runs/photos").mkdir(parents=True)
    assert "runs" in init(tmp_path).splitlines()[0]
    assert categories(tmp_path / "r.yaml") == {"red fox": (277,)}


def test_the_folder_above_the_photographs_is_refused_with_the_right_one(tmp_path: Path) -> None:
    write_photos(tmp_path, "red fox")
    (tmp_path / "runs").mkdir()
    with pytest.raises(ConfigError, match=rf"xray init {tmp_path}/photos\b.*1 photograph"):
        output_of("init", tmp_path, "-o", tmp_path / "r.yaml")
    assert not (tmp_path / "r.yaml").exists()


@pytest.mark.parametrize("masks", ["nowhere", "empty", "photos/cello/1.jpg"])
def test_masks_that_are_no_folder_of_images_are_refused(tmp_path: Path, masks: str) -> None:
    write_photos(tmp_path, "cello")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=masks):
        output_of("init", tmp_path / "photos", "--masks", tmp_path / masks, "-o", tmp_path / "r.yaml")
    assert not (tmp_path / "r.yaml").exists()


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_folder_without_photographs_is_refused(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=folder):
        output_of("init", tmp_path / folder, "-o", tmp_path / "r.yaml")


def test_a_folder_of_real_photographs(photos12: Path, tmp_path: Path) -> None:
    output = output_of("init", photos12 / "images", "--masks", photos12 / "masks", "-o", tmp_path / "r.yaml")
    assert "4 open line(s)" in output
    decided = {"instrument": "n03800933", "road_vehicle": "vehicle"}
    decided |= {"vessel_aircraft": "[n04530566, aircraft]", "fruit_vegetable": "[fruit, vegetable]"}
    lines = (tmp_path / "r.yaml").read_text().splitlines()
    for name, value in decided.items():
        lines = [f'  "{name}": {value}' if line.startswith(f'  "{name}"') else line for line in lines]
    (tmp_path / "r.yaml").write_text("\n".join(lines))
    sizes = {name: len(indices) for name, indices in categories(tmp_path / "r.yaml").items()}
    assert (sizes["dog"], sizes["bird"], sizes["instrument"], sizes["fruit_vegetable"]) == (118, 59, 26, 29)


def test_a_data_set_with_a_label_file_per_split(tmp_path: Path) -> None:
    categories = [{"id": 0, "name": "red fox"}, {"id": 1, "name": "cello"}]
    for number, split in enumerate(("train", "valid")):
        folder = tmp_path / "set" / split
        write(folder / "1_jpg.rf.00ff.jpg", encode(drawn(number)[0]))
        image = {"id": 0, "file_name": "1_jpg.rf.00ff.jpg", "width": 200, "height": 200}
        polygon = {"id": 0, "image_id": 0, "category_id": number, "segmentation": [[1, 1, 90, 1, 90, 90]]}
        content = {"images": [image], "annotations": [polygon], "categories": categories}
        write(folder / "_annotations.coco.json", json.dumps(content).encode())
    output_of("init", tmp_path / "set", "-o", tmp_path / "r.yaml")
    recipe = load_recipe(str(tmp_path / "r.yaml"))
    pattern = str(tmp_path / "set/*/_annotations.coco.json")
    assert {one.name for one in recipe.categories or ()} == {"red fox", "cello"}
    assert recipe.source.labels.file == pattern
    assert recipe.masks.annotations.file == pattern
