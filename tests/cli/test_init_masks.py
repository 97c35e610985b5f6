from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
    assert masks_block(photos, None, ["ball"]).bad_rows > masks_block(photos, photos, ["ball"]).bad_rows
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


def test_images_in_folders_of_masks_are_not_counted_as_photographs(photos: Path, here: dict[str, Any]) -> None:
    flat = photos.parent / "set"
    for name in ("JPEGImages/1.jpg", "SegmentationClass/1.png", "SegmentationObject/1.png"):
        write(flat / name, encode(drawn(0)[1], "png") if name.endswith("png") else encode(drawn(0)[0]))
    (said,) = masks_block(flat, None, ()).messages
    assert "1 photographs" in said


@pytest.mark.parametrize(("weights", "refine"), [(set(), "grabcut"), ({"sam2.1-hiera-large"}, "sam")])
def test_boxes_become_masks_by_what_is_here(photos: Path, here: dict[str, Any], weights: set[str], refine: str) -> None:
    here["weights"] = weights
    box = "<bndbox><xmin>9</xmin><ymin>9</ymin><xmax>60</xmax><ymax>60</ymax></bndbox>"
    xml = f"<annotation><filename>1.jpg</filename><object><name>ball</name>{box}</object></annotation>"
    write(photos.parent / "Annotations/ball/1.xml", xml.encode())
    masks, _ = block(photos)
    assert masks["annotations"]["kind"] == "voc"
    assert (masks["refine"] if isinstance(masks["refine"], str) else masks["refine"]["kind"]) == refine


class _NoHeads(BaseHTTPRequestHandler):
    """Answers every question with 501."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _NoHeads) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("online")
def test_the_hub_is_asked_unless_the_environment_is_offline(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server)
    assert hub_answers()
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    assert not hub_answers()
    monkeypatch.setenv("http_proxy", server)
    assert hub_answers()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not hub_answers()


@pytest.mark.usefixtures("online")
def test_a_hub_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init_masks, "_HUB_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        assert not hub_answers()
        assert time.monotonic() - started < 3
