from __future__ import annotations

from pathlib import Path

import pytest

from xray.core.errors import XrayError
from xray.core.yaml import dump
from xray.models.registry import model_name
from xray.runs.recipe import default_scenarios, load_recipe, parse_recipe, recipe_from, recipe_values

SOURCE = "source: {kind: imagefolder, root: photos}\n"


def test_defaults_are_all_classical_scenarios() -> None:
    recipe = parse_recipe(SOURCE)
    assert tuple(recipe.scenarios) == default_scenarios()
    assert next(iter(recipe.scenarios)) == "original"
    assert {"blur_background", "image_r", "segmented", "transparent", "random_background"} <= recipe.scenarios.keys()
    assert (recipe.shard_size, recipe.bad_rows, recipe.images.quality) == (32, 0.01, 95)


def test_every_default_is_spelled_out_and_read_back() -> None:
    recipe = parse_recipe(
        SOURCE + "scenarios:\n- original\n- {kind: blur_background, name: soft, sigma: 1.5, variants: 2}\n"
        "categories: {fox: [277], cat: {indices: [281, 282], wnids: [n02123045]}}\nmodels: ['timm:resnet50', 'lite:efficientnet-lite0']\n"
    )
    values = recipe_values(recipe)
    assert values["scenarios"]["soft"] == {
        "kind": "blur_background",
        "kernel": 15,
        "sigma": 1.5,
        "bleed": False,
        "variants": 2,
    }
    assert values["models"] == {"resnet50": "timm:resnet50", "efficientnet-lite0": "lite:efficientnet-lite0"}
    assert values["masks"]["annotations"]["kind"] == "source"
    assert parse_recipe(dump(values)) == recipe
    assert recipe_from(values) == recipe


def test_preset_for_all_scenarios_that_have_it() -> None:
    recipe = parse_recipe(
        SOURCE
        + "preset: ximagenet12\nscenarios: [original, blur_background, {kind: random_background, compose: alpha}]\n"
    )
    values = recipe_values(recipe)["scenarios"]
    assert values["blur_background"]["bleed"] is True
    assert values["random_background"]["compose"] == "alpha"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SOURCE + "seeed: 3\n", "r.yaml, line 2: seeed: unknown key 'seeed'; did you mean 'seed'?"),
        (SOURCE + "masks:\n  gats: {}\n", "r.yaml, line 3: masks.gats: unknown key 'gats'; did you mean 'gates'?"),
        (SOURCE + "masks:\n  gates:\n    min_arae: 1\n", "line 4: masks.gates.min_arae: unknown key 'min_arae'; did you mean 'min_area'?"),
        ("source:\n  kind: imagefoldr\n", "line 1: source: unknown source 'imagefoldr'; did you mean 'imagefolder'?"),
        ("source:\n  kind: imagefolder\n  rot: x\n", "line 3: source.rot: unknown setting of source 'imagefolder' 'rot'; did you mean 'root'?"),
        ("source:\n  root: x\n", "a source needs `kind`"),
        ("name: x\n", "line 1: source: is missing"),
        (SOURCE + "scenarios:\n- original\n- blur_backgrond\n", "line 4: scenarios.1: unknown scenario 'blur_backgrond'; did you mean 'blur_background'?"),
        (SOURCE + "scenarios:\n- kind: blur_background\n  sigm: 3\n", "line 4: scenarios.0.sigm: unknown setting"),
        (SOURCE + "scenarios:\n- kind: blur_background\n  sigma: -3\n", "line 4: scenarios.0.sigma: Input should be greater than or equal to 0.1 (got -3)"),
        (SOURCE + "scenarios: [original, original]\n", "line 2: scenarios.1: "),
        (SOURCE + "scenarios: []\n", "line 2: scenarios: "),
        (SOURCE + "scenarios:\n- {kind: original, variants: 0}\n", "line 3: scenarios.0"),
        (SOURCE + "shard_size: 0\n", "line 2: shard_size: Input should be greater than or equal to 1 (got 0)"),
        (SOURCE + "bad_rows: 2\n", "line 2: bad_rows"),
        (SOURCE + "images: {format: gif}\n", "line 2: images.format"),
        (SOURCE + "categories: animal\n", "did you mean 'animals'?"),
        (SOURCE + "categories: {fox: [1000]}\n", "line 2: categories"),
        (SOURCE + "models: ['timm:resnet50', 'torchvision:resnet50']\n", "line 2: models: "),
        (SOURCE + "models: ['tim:resnet50']\n", "r.yaml, line 2: unknown model family 'tim'; did you mean 'timm'?"),
        (SOURCE + "training:\n  models: [resnet50]\n", "line 2: unknown model family 'resnet50'"),
        (SOURCE + "scenarios: {}\n", "line 2: scenarios: "),
        (SOURCE + "scenarios: 5\n", "line 2: scenarios: "),
        (SOURCE + "preset: ximagenet13\n", "r.yaml, line 2: unknown preset 'ximagenet13'; did you mean 'ximagenet12'?"),
        (SOURCE + "preset: ximagenet12\nscenarios: [blur_backgrond]\n", "line 3: scenarios.0: unknown scenario"),
        (SOURCE + "limits: {max_pixels: -1}\n", "line 2: limits.max_pixels"),
        (SOURCE + "preset: [ximagenet12]\n", "r.yaml, line 2: unknown preset \"['ximagenet12']\""),
        (SOURCE + "scenarios: [{kind: edit, preset: [imagenet_e]}]\n", "line 2: scenarios.0.preset: unknown preset"),
        (SOURCE + "scenarios: [{kind: {edit: 1}}]\n", "line 2: scenarios.0: `kind` is the name of a scenario"),
        (SOURCE + "scenarios: [{kind: edit, world: {kind: [donor]}}]\n", "scenarios.0.world: `kind` is the name of a world"),
        (SOURCE + "scenarios: [{kind: edit, size: {rat: 1}}]\n", "scenarios.0.size.rat: unknown key 'rat'; did you mean 'rate'?"),
        (SOURCE + "scenarios: [{kind: edit, size: 0}]\n", "line 2: scenarios.0.size.rate: the size is a share"),
        (SOURCE + "scenarios: [{kind: edit, world: {kind: colour, colour: [300, 0, 0]}}]\n", "world.colour: Input should be 'black', 'white', 'grey' or 'mean'; or Input should be less than or equal to 255 (got [300, 0, 0])"),
        (SOURCE + "limits: {max_pixel: 1}\n", "did you mean 'max_pixels'?"),
        (SOURCE + "models: 5\n", "line 2: models: "),
        (SOURCE + "transparent_on: [0, 0, 300]\n", "line 2: transparent_on"),
        (SOURCE + "seed: 0x_\n", "line 2: '0x_'"),
        ("- a\n", "r.yaml, line 1: "),
        ("source: {kind: 'os:system'}\n", "is not a subclass of xray.sources.base.Source"),
        ("source: {kind: 'no.such:Thing'}\n", "cannot import source 'no.such:Thing'"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_line(text: str, message: str) -> None:
    with pytest.raises(XrayError) as caught:
        parse_recipe(text, "r.yaml")
    assert message in str(caught.value)


def test_names_of_models() -> None:
    assert model_name("timm:resnet50@/x/y.safetensors") == "resnet50"
    assert model_name("hf:google/vit-base-patch16-224") == "vit-base-patch16-224"
    assert model_name("/models/my_net/") == "my_net"


@pytest.mark.parametrize("name", ["animals", "shapes", "ximagenet12", "ximagenet12_worlds", "smoke", "imagenet1k"])
def test_shipped_recipes_are_valid(name: str) -> None:
    assert load_recipe(f"jobs/recipes/{name}.yaml").name == name


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_recipes_of_windows_are_read_or_refused_by_their_encoding(encoding: str, tmp_path: Path) -> None:
    text = Path("jobs/recipes/smoke.yaml").read_text("utf-8") + "# Größe\n"
    (tmp_path / "recipe.yaml").write_bytes(text.encode(encoding, "replace"))
    if encoding == "cp1252":
        with pytest.raises(XrayError, match=r"recipe\.yaml: not UTF-8 text: line .*cp1252 reads '.*Größe'"):
            load_recipe(str(tmp_path / "recipe.yaml"))
    else:
        assert load_recipe(str(tmp_path / "recipe.yaml")).name == "smoke"


def test_a_recipe_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(XrayError, match=r"'.*nowhere\.yaml'.*xray init"):
        load_recipe(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(XrayError, match=tmp_path.name):
        load_recipe(str(tmp_path))
