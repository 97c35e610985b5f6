from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray.core.errors import XrayError
from xray.runs.recipe import parse_recipe, recipe_from, recipe_values
from xray.runs.training import PRESETS, Training

HEAD = "source: {kind: shapes}\ncategories: animals\n"


def parse(text: str) -> Training:
    training = parse_recipe(f"{HEAD}training: {text}").training
    assert training is not None
    return training


def test_preset_and_overrides() -> None:
    training = parse("{models: ['timm:resnet50'], preset: ximagenet12}")
    assert {name: getattr(training, name) for name in PRESETS["ximagenet12"]} == PRESETS["ximagenet12"]
    training = parse("{models: ['timm:resnet50'], preset: ximagenet12, folds: 12, epochs: 3, validation: 0.1}")
    assert (training.folds, training.holdout, training.epochs, training.validation) == (12, None, 3, 0.1)
    assert training.batch == PRESETS["ximagenet12"]["batch"]


def test_heads_are_of_pretrained_networks_and_choose_only_among_penalties() -> None:
    training = parse("{models: ['timm:resnet50'], tune: head}")
    assert (training.pretrained, training.l2, training.chooses) == (True, (0.01,), False)
    assert parse("{models: ['timm:resnet50'], tune: head, l2: 1}").l2 == (1.0,)
    assert parse("{models: ['timm:resnet50'], tune: head, l2: [1, 0.1]}").chooses
    assert parse("{models: ['timm:resnet50'], epochs: 5}").chooses
    assert not parse("{models: ['timm:resnet50'], best: last}").chooses


@settings(max_examples=20)
@given(
    st.sampled_from([{"folds": 4}, {"holdout": 0.3}]),
    st.sampled_from(["halves", "own", "matrix"]),
    st.integers(1, 500),
    st.sampled_from([{}, {"search": {"samples": 4}}, {"tune": "head", "l2": [1.0, 0.1], "epochs": 100}]),
)
def test_round_trip(split: dict[str, object], tests: str, epochs: int, more: dict[str, object]) -> None:
    values = {"models": ["reduced:resnet"], "tests": tests, "epochs": epochs, **more, **split}
    recipe = recipe_from({"source": {"kind": "shapes"}, "categories": "animals", "training": values})
    assert recipe_from(recipe_values(recipe)) == recipe


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{models: [a:b], epoch: 3}", r"line 3: training\.epoch: .*'epoch'; did you mean 'epochs'"),
        ("{models: [a:b], folds: 1}", r"training\.folds: .*\(got 1\)"),
        ("{models: [a:b], folds: 3, holdout: 0.2}", "`folds: 3` and `holdout: 0.2`"),
        ("{models: [a:b], folds: null}", "`folds: None` and `holdout: None`"),
        ("{models: [a:b], preset: imagenet}", r"training\.preset: .*'imagenet'.*ximagenet12"),
        ("{models: []}", r"training\.models: "),
        ("{models: [a:b, c:b]}", "'b'"),
        ("{folds: 3}", r"training\.models: is missing"),
        ("{models: [a:b], search: {sample: 3}}", r"training\.search\.sample: .*'samples'"),
        ("{models: [a:b], search: {}, workers: 2}", "`search` needs `workers: 1`"),
        ("7", "training: "),
        ("{models: [a:b], tune: heads}", r"training\.tune: "),
        ("{models: [a:b], tune: head, epochs: 5, augment: flip}", "`augment: flip`, `epochs: 5`.*`tune: head`"),
        ("{models: [a:b], tune: head, repeats: 2}", "`repeats: 2`"),
        ("{models: [a:b], tune: head, preset: ximagenet12}", "`epochs: 200`"),
        ("{models: [a:b], tune: head, pretrained: false}", "`pretrained: true`"),
        ("{models: [a:b], tune: head, l2: 0}", r"training\.l2.*\(got 0\)"),
        ("{models: [a:b], tune: head, l2: []}", r"training\.l2"),
        ("{models: [a:b], l2: 0.1}", "`l2: .*`tune: all`"),
    ],
)
def test_errors_name_line_and_key(text: str, named: str) -> None:
    with pytest.raises(XrayError, match=named):
        parse(text)


def test_a_password_is_refused() -> None:
    text = "{models: ['timm:resnet50'], mlflow: 'https://WHO@tracking.example'}"
    with pytest.raises(XrayError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        parse(text.replace("WHO", "me:hush"))
    assert "hush" not in str(refused.value)
    assert parse(text.replace("WHO", "me")).mlflow == "https://me@tracking.example"
