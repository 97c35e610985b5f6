from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.filter_inputs import BrightPixels, make_input

from xray.backgrounds.filtering.judge import MEASURES, rejection_reason
from xray.backgrounds.filtering.settings import Filter
from xray.core.errors import XrayError
from xray.core.plugins import settings_of
from xray.core.schema import FILTERED, REASONS
from xray.masks.given import Given
from xray.masks.grabcut import GrabCut
from xray.masks.sam.refiner import Sam


def test_without_models_it_needs_no_torch() -> None:
    code = (
        "from xray.backgrounds.filtering.settings import Filter; Filter().load('cpu').judge([]); "
        "import sys; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


MEASURED = st.fixed_dictionaries(
    {"contrast": st.floats(0, 128)},
    optional={
        "nsfw": st.sampled_from([0.0, 1.0]),
        "growth": st.floats(0, 3),
        "repeated": st.floats(0, 1),
        "repeated_before": st.floats(0, 1),
        "category_similarity": st.floats(-1, 1),
        "prompt_similarity": st.floats(-1, 1),
    },
)


@given(MEASURED)
def test_reason_is_the_first_violated_threshold(measures: dict[str, float]) -> None:
    thresholds = Filter(clip="c", min_prompt_similarity=0.2, min_category_similarity=0.1)
    violated = {
        "nsfw": measures.get("nsfw") == 1,
        "blank_picture": measures["contrast"] < 4,
        "object_extended": measures.get("growth", 0) > 0.5,
        "object_repeated": measures.get("repeated", 0) - measures.get("repeated_before", 0) > 0.5,
        "category_missed": measures.get("category_similarity", 1) < 0.1,
        "prompt_missed": measures.get("prompt_similarity", 1) < 0.2,
    }
    assert violated.keys() == FILTERED <= REASONS.keys()
    assert rejection_reason(measures, thresholds) == next((name for name, is_so in violated.items() if is_so), "")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"min_prompt_similarity": 0.2}, r"min_prompt_similarity.*0\.2.*clip"),
        ({"min_category_similarity": 0.2}, "min_category_similarity"),
        ({"clip": "/nowhere"}, "nowhere"),
        ({"classifier": "timm:test_eficientnet"}, "test_eficientnet"),
        ({"classifier": "timm:test_efficientnet@/nowhere.safetensors"}, r"nowhere\.safetensors"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any], named: str) -> None:
    for use in (Filter(**settings).check, lambda: Filter(**settings).load("cpu")):
        with pytest.raises(XrayError, match=named):
            use()


def test_refine_needs_a_refiner_with_weights() -> None:
    for refiner in (None, Given(), GrabCut()):
        with pytest.raises(XrayError, match="refine"):
            Filter(refine=True).check({}, refiner)
        assert Filter().check({}, refiner) == []
    with pytest.raises(XrayError, match="refine"):
        Filter(refine=True).load("cpu", None)
    assert Filter(refine=True).check({}, Sam()) == []


def test_classifier_that_is_also_evaluated_is_warned_of(classifier: str) -> None:
    settings = Filter(classifier=classifier)
    assert settings.check() == []
    (warning,) = settings.check({"other": "timm:test_vit", "mine": classifier, "elsewhere": "/nowhere/model"})
    assert classifier in warning
    assert "'mine'" in warning
    path = classifier.partition("@")[2]
    assert len(Filter(classifier="torchvision:vgg16").check({"a": "torchvision:vgg16.DEFAULT"})) == 1
    assert Filter(classifier="timm:test_efficientnet").check({"a": f"timm:test_efficientnet@{path}"}) == []
    assert Filter().check({"mine": classifier}) == []


def test_weights_by_role(classifier: str, tmp_path: Path) -> None:
    path = classifier.partition("@")[2]
    chosen = Filter(clip="a", safety="b", max_growth=1.0, names={"ox": "a cow"})
    assert chosen.weights() == {"clip": "a", "safety": "b"}
    assert Filter(**settings_of(chosen)) == chosen
    assert Filter(classifier=classifier, clip="c").weights() == {"clip": "c", "classifier": path}
    assert Filter(classifier=f"timm:test_efficientnet@{Path(path).as_uri()}").weights() == {"classifier": path}
    assert Filter(classifier="timm:test_efficientnet").weights() == {}
    for config in ({"architecture": "test_efficientnet"}, {"architectures": ["ViTForImageClassification"]}):
        (tmp_path / "config.json").write_text(json.dumps(config))
        assert Filter(classifier=str(tmp_path)).weights() == {"classifier": str(tmp_path)}


def test_checks_are_listed(classifier: str, clip_folder: Path) -> None:
    assert Filter().checks() == ["contrast"]
    assert Filter(safety="s").checks() == ["contrast", "nsfw"]
    loaded = Filter(clip=str(clip_folder), classifier=classifier, refine=True).load("cpu", BrightPixels())
    assert loaded.facts["checks"] == [measure for measure in MEASURES if measure != "nsfw"]
    (verdict,) = loaded.judge([make_input(0)])
    assert verdict.measures.keys() == {*loaded.facts["checks"], "repeated_before"}
