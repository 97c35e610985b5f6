import json
import shutil
import subprocess

import cv2
import pytest
from support.trained_tables import SCENARIOS, train

from xray.report import build_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]

ATTACK = "<img src=x onerror=\"document.title='taken'\">"
SCRIPT = "</title><script>document.title='taken'</script>"
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
]


def chromium(folder, *arguments):
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def attack(row):
    """Put an attack into the prompt of a row."""
    if row.get("prompt"):
        return {"prompt": ATTACK}
    return {"provenance": json.dumps({"prompt": SCRIPT, "place": ATTACK})} if row.get("image") else {}


@pytest.fixture
def report(make_run, tmp_path):
    kinds = ("original", "segmented", "generated_background")
    rejected = {0: "nsfw", 1: "mask_empty"}
    run = make_run(
        categories=(ATTACK, SCRIPT),
        models=(SCRIPT,),
        kinds=kinds,
        variants=2,
        reject=lambda number, kind: rejected.get(number, "") if kind == kinds[2] else "",
    )
    for name in ("plan", "images"):
        run.edit(name, attack)
    run.recipe["name"] = SCRIPT
    run.caveats.append(ATTACK)
    path = tmp_path / "report.html"
    path.write_text(build_report(run), encoding="utf-8")
    return path


def test_nothing_in_a_name_is_executed(report, tmp_path):
    dom = chromium(tmp_path, "--dump-dom", report.as_uri())
    assert "<title>xray report: &lt;/title&gt;&lt;script&gt;" in dom
    assert not [tag for tag in ("<title>taken", "<script") if tag in dom]
    assert dom.count("<img ") == dom.count(' src="data:image/jpeg;base64,')
    assert all(f'<section id="{name}">' in dom for name in ("painted", "basis"))


def test_the_page_would_notice_a_script(report, tmp_path):
    """The check above can fail: without the policy and the escaping the same script runs."""
    open_page = tmp_path / "open.html"
    open_page.write_text(f"<title>x{SCRIPT}", encoding="utf-8")
    assert "<title>taken" in chromium(tmp_path, "--dump-dom", open_page.as_uri())


def colourful_pixels(page, tmp_path, width):
    shot = tmp_path / f"{page.stem}.png"
    chromium(tmp_path, f"--screenshot={shot}", f"--window-size={width},3200", page.as_uri())
    pixels = cv2.imread(str(shot)).astype(int)
    assert pixels.shape[1] == width
    return int(((pixels.max(axis=2) - pixels.min(axis=2)) > 60).sum())


@pytest.mark.parametrize("width", [1280, 500])
def test_images_are_drawn(report, tmp_path, width):
    without = tmp_path / "without.html"
    without.write_text(report.read_text("utf-8").replace("base64,/9j/", "base64,AAAA"), "utf-8")
    assert colourful_pixels(report, tmp_path, width) > colourful_pixels(without, tmp_path, width) + 20_000


@pytest.fixture
def trained(make_run, tmp_path):
    run = make_run(models=(), kinds=SCENARIOS, photographs=8)
    train(run, SCRIPT, failed=[("image_grey", 1, "failed", ATTACK)])
    path = tmp_path / "trained.html"
    path.write_text(build_report(run), encoding="utf-8")
    return path


def test_nothing_in_a_failure_is_executed(trained, tmp_path):
    dom = chromium(tmp_path, "--dump-dom", trained.as_uri())
    assert not [tag for tag in ("<title>taken", "<script") if tag in dom]
    assert all(text in dom for text in ('<section id="training">', "&lt;img src=x onerror"))


@pytest.mark.parametrize("width", [1280, 500])
def test_curves_and_matrices_are_drawn(trained, tmp_path, width):
    head, training = trained.read_text("utf-8").split('<section id="contact">', 1)
    _, training = training.split('<section id="training">', 1)
    alone = tmp_path / "alone.html"  # the sections before it would fill the picture
    alone.write_text(f'{head}<section id="training">{training}', "utf-8")
    without = tmp_path / "without.html"
    without.write_text(alone.read_text("utf-8").replace("</style>", "svg { visibility: hidden; }</style>", 1), "utf-8")
    assert colourful_pixels(alone, tmp_path, width) > colourful_pixels(without, tmp_path, width) + 10_000
