from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.runs.recipe import parse_recipe, recipe_from, recipe_values
from xray.runs.training import PRESETS, Training

HEAD = "source: {kind: shapes}\ncategories: stamps12\n"


def test_the_preset_is_the_published_protocol() -> None:
    training = parse_recipe(HEAD + "training: {models: ['timm:resnet50'], preset: ximagenet12}").training
    assert training is not None
    assert (training.epochs, training.batch, training.optimizer, training.learning_rate) == (200, 128, "adam", 1e-3)
    assert (training.holdout, training.folds, training.side, training.schedule) == (0.2, None, 224, "constant")


def test_what_is_said_goes_before_the_preset() -> None:
    text = "training: {models: ['timm:resnet50'], preset: ximagenet12, folds: 12, epochs: 3, validation: 0.1}"
    training = parse_recipe(HEAD + text).training
    assert training is not None
    assert (training.folds, training.holdout, training.epochs, training.validation) == (12, None, 3, 0.1)
    assert training.batch == PRESETS["ximagenet12"]["batch"]


@given(
    st.sampled_from([{"folds": 4}, {"holdout": 0.3}]),
    st.sampled_from(["halves", "own", "matrix"]),
    st.integers(1, 500),
    st.sampled_from([None, {"samples": 4}]),
)
def test_a_written_recipe_is_read_back(split: dict[str, object], tests: str, epochs: int, search: object) -> None:
    values = {"models": ["reduced:resnet"], "tests": tests, "epochs": epochs, "search": search, **split}
    recipe = recipe_from({"source": {"kind": "shapes"}, "categories": "stamps12", "training": values})
    assert recipe_from(recipe_values(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{models: [a:b], epoch: 3}", r"line 3: training\.epoch: unknown key 'epoch'; did you mean 'epochs'\?"),
        ("{models: [a:b], folds: 1}", r"training\.folds: .*greater than or equal to 2 \(got 1\)"),
        ("{models: [a:b], folds: 3, holdout: 0.2}", "`folds: 3` and `holdout: 0.2`: one of them"),
        ("{models: [a:b], folds: null}", "`folds: None` and `holdout: None`: one of them"),
        (
            "{models: [a:b], preset: imagenet}",
            r"training\.preset: unknown preset 'imagenet'; did you mean 'ximagenet12'\? \(choices: ximagenet12\)",
        ),
        ("{models: []}", r"training\.models: .*at least 1 item"),
        ("{models: [a:b, c:b]}", "two models are called 'b'"),
        ("{folds: 3}", r"training\.models: is missing"),
        ("{models: [a:b], validation: 1.0}", "less than 1"),
        ("{models: [a:b], batch: 1}", "greater than or equal to 2"),
        ("{models: [a:b], learning_rate: 0}", "greater than 0"),
        ("{models: [a:b], search: {sample: 3}}", r"training\.search\.sample: unknown key .*did you mean 'samples'"),
        ("7", "training: Input should be a dictionary"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(XrayError, match=said):
        parse_recipe(HEAD + f"training: {text}")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Training(models=["a:b"]).epochs = 3  # type: ignore[misc]


def test_a_password_is_not_kept_in_a_run() -> None:
    text = HEAD + "training: {models: ['timm:resnet50'], mlflow: 'https://WHO@tracking.example'}"
    with pytest.raises(XrayError, match="MLFLOW_TRACKING_PASSWORD in the environment") as refused:
        parse_recipe(text.replace("WHO", "me:hush"))
    assert "hush" not in str(refused.value)
    training = parse_recipe(text.replace("WHO", "me")).training
    assert training is not None
    assert training.mlflow == "https://me@tracking.example"
