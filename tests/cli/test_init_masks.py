from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.drawn_photos import drawn, write

from xray.cli import init_masks
from xray.cli.init_masks import hub_answers, masks_block
from xray.core.images import encode
from xray.runs.recipe import parse_recipe


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write(tmp_path / "photos/ball/1.jpg", encode(drawn(0)[0]))
    return tmp_path / "photos"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What this machine has: weights by name, and a hub that answers."""
    state: dict[str, Any] = {"weights": set(), "hub": False}
    monkeypatch.setattr(init_masks, "_missing", lambda *names: [one for one in names if one not in state["weights"]])
    monkeypatch.setattr(init_masks, "hub_answers", lambda: state["hub"])
    return state


def block(photos: Path, masks: Path | None = None) -> tuple[Mapping[str, Any], str]:
    """Return the settings in the block, which a recipe accepts, and all that is said."""
    made = masks_block(photos, masks, ["ball"])
    parse_recipe(f"source: {{kind: imagefolder, root: {photos}}}\n{made.text}\n")
    return yaml.safe_load(made.text)["masks"], made.text + "\n".join(made.messages)


def test_without_weights_and_hub_it_is_a_guess(photos: Path, here: dict[str, Any]) -> None:
    masks, said = block(photos)
    assert masks == {"refine": "guess"}
    assert "guess" in said
    assert "xray weights pull grounding-dino-tiny sam2.1-hiera-large" in said


@pytest.mark.parametrize("hub", [True, False])
def test_words_come_before_the_guess(photos: Path, here: dict[str, Any], hub: bool) -> None:
    here |= {"hub": hub, "weights": set() if hub else {"grounding-dino-tiny", "sam2.1-hiera-large"}}
    masks, said = block(photos)
    assert masks == {"annotations": {"kind": "text"}, "refine": {"kind": "sam", "model": "sam2.1-hiera-large"}}
    assert ("xray weights pull" in said) == hub


def test_masks_beside_the_folder_come_first(photos: Path, here: dict[str, Any]) -> None:
    here["hub"] = True
    write(photos.parent / "masks/ball/1.png", encode(drawn(0)[1], "png"))
    masks, said = block(photos)
    assert masks == {"annotations": {"kind": "png", "root": str(photos.parent / "masks")}}
    assert "1 photographs" in said
    assert block(photos, photos.parent / "masks")[0] == masks


@pytest.mark.parametrize(("weights", "refine"), [(set(), "grabcut"), ({"sam2.1-hiera-large"}, "sam")])
def test_boxes_become_masks_by_what_is_here(photos: Path, here: dict[str, Any], weights: set[str], refine: str) -> None:
    here["weights"] = weights
    box = "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>60</xmax><ymax>60</ymax></bndbox>"
    xml = f"<annotation><filename>1.jpg</filename><object><name>ball</name>{box}</object></annotation>"
    write(photos.parent / "Annotations/ball/1.xml", xml.encode())
    masks, _ = block(photos)
    assert masks["annotations"]["kind"] == "voc"
    assert (masks["refine"] if isinstance(masks["refine"], str) else masks["refine"]["kind"]) == refine


def test_the_hub_is_asked_unless_the_environment_is_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert hub_answers()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        assert not hub_answers()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    started = time.monotonic()
    assert not hub_answers()
    assert time.monotonic() - started < 4
