from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

CODE = """
import sys
from xray.cli.main import app

sys.argv = ["xray", "plan", "recipe.yaml", "run"]
try:
    app()
finally:
    print(sorted({"ray", "timm", "torch", "transformers"} & sys.modules.keys()))
"""


def test_planning_a_folder_without_categories_or_models_imports_no_network(tmp_path: Path) -> None:
    for name in ("red fox", "cello"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "a.png")
    (tmp_path / "recipe.yaml").write_text(
        f"source: {{kind: imagefolder, root: '{tmp_path}/photos'}}\nscenarios: [original, image_grey]\n"
    )
    ended = subprocess.run([sys.executable, "-c", CODE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (tmp_path / "run" / "run.json").exists(), ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
