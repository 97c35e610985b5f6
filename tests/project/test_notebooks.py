"""The notebooks, executed from the first cell to the last: 01 to 03 on one small run, 04 on a cluster with a token."""

from __future__ import annotations

import os
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from support.answers import answer
from support.drawn_photos import recipe_values, write, write_folder
from support.paths import ROOT
from support.saved_models import saved_model

import xray
from benchmarks.support.clusters import Head, head
from xray.core.images import encode
from xray.pipeline.evaluate.evaluate import evaluate
from xray.pipeline.generate.generate import generate
from xray.pipeline.plan.plan import write_plan
from xray.pipeline.plan.survey import survey
from xray.pipeline.score import score
from xray.runs.folder import RunFolder
from xray.runs.recipe import load_recipe, recipe_from

FOLDER = ROOT / "notebooks"
NAMES = ("01_masks", "02_scenarios", "03_scores_and_regression", "04_on_a_cluster")


class Table(HTMLParser):
    """The rows of a table, as texts: the first cell of a row, or of the head, is its name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip()

    def named(self) -> dict[str, dict[str, str]]:
        """Rows by the text of their first cell, with the rest by the names in the head."""
        head, *rows = self.rows
        return {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}


class Executed:
    """A notebook that was executed; its cells by their id."""

    def __init__(self, notebook: nbformat.NotebookNode) -> None:
        self.cells = {cell.id: cell for cell in notebook.cells}

    def shown(self, cell: str, kind: str = "text/html") -> list[str]:
        """What a cell displays, of one kind."""
        outputs = self.cells[cell].outputs
        return ["".join(output.data[kind]) for output in outputs if kind in output.get("data", {})]

    def page(self, cell: str) -> str:
        """The tables and bars that a cell displays."""
        return "\n".join(self.shown(cell))

    def table(self, cell: str) -> dict[str, dict[str, str]]:
        """The table that a cell displays, by the first cell of each row."""
        return Table(self.page(cell)).named()

    def pictures(self, cell: str) -> int:
        """How many pictures a cell displays."""
        return len(self.shown(cell, "image/png"))


class Desk:
    """Executes notebooks with this Python, and keeps whatever Jupyter writes in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        places = ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
        self.places = {name: str(folder / name.lower()) for name in places}

    def execute(self, name: str, environment: dict[str, str]) -> Executed:
        """Run all cells; an error in one of them is an error here."""
        notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
        with pytest.MonkeyPatch.context() as patch:
            for place, path in self.places.items():
                patch.setenv(place, path)
            client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(FOLDER)}})
            client.execute(env={**os.environ, **environment})
        if kept := os.environ.get("XRAY_KEEP_NOTEBOOKS"):  # to look at them
            nbformat.write(notebook, Path(kept) / f"{name}.ipynb")
        return Executed(notebook)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> RunFolder:
    """Twelve drawn photographs, of which two have no usable mask; a model of random weights, and another."""
    folder = tmp_path_factory.mktemp("notebooks")
    write_folder(folder, per_category=6)
    write(folder / "masks/ball/0.png", encode(np.zeros((72, 96), np.uint8), "png"))
    (folder / "masks/cup/1.png").unlink()
    random, trained = {"kind": "random_background", "variants": 2}, ["original", "random_background"]
    values = recipe_values(
        folder,
        categories={"ball": [*range(500)], "cup": [*range(500, 1000)]},  # random weights are right now and then
        scenarios=["original", "blur_background", "image_r", "transparent", "no_object", random],
        models={"vit": saved_model(folder / "models", "test_vit")},
        training={"models": {"net": "reduced:vit"}, "folds": 3, "scenarios": trained},
        bad_rows=0.5,
    )
    recipe, made = recipe_from(values), RunFolder(str(folder / "run"))
    write_plan(made, recipe, survey(recipe, made))
    generate(made)
    evaluate(made, recipe.models, actors=1, gpus=0)
    for scenario in trained:  # drawn, as if a model had been trained within it: Ray Train takes its time to start
        answer(made, "net", {"random_background": 0.4}, trained_on=scenario)
    score(made)
    return made


@pytest.fixture(scope="module")
def environment(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment variables that the notebooks read."""
    return {"XRAY_RUN": run.uri, "XRAY_REFERENCE": "vit", "XRAY_FIGURES": str(tmp_path_factory.mktemp("figures"))}


@pytest.mark.parametrize("name", NAMES)
def test_it_is_committed_without_outputs(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.metadata == {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    assert notebook.cells[0].cell_type == "markdown"
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_a_run_by_uri(name: str) -> None:
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert 'run = xray.open(os.environ.get("XRAY_RUN", "../runs/' in code[0]


def test_there_are_no_others() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.slow
def test_masks_with_their_origins_and_reasons(desk: Desk, environment: dict[str, str]) -> None:
    seen = desk.execute("01_masks", environment)
    for cell in ("photographs", "areas", "refused-pictures"):
        assert seen.pictures(cell) == 1, cell
    origins = seen.page("origins")
    for word in ("given", "mask_empty", "missing_mask", "the mask marks no pixel"):
        assert word in origins
    assert "gates.min_area" in seen.page("gates")
    assert "2 of 12 refused" in seen.page("refused")


@pytest.mark.slow
def test_scenarios_in_which_the_object_is_exact(desk: Desk, environment: dict[str, str]) -> None:
    seen = desk.execute("02_scenarios", environment)
    for cell in ("scenarios", "variants", "exact", "donor"):
        assert seen.pictures(cell) == 1, cell
    exact = seen.table("stored")
    assert sorted(exact) == ["blur_background", "image_r", "random_background", "transparent"]
    for name, row in exact.items():
        assert (row["largest before encoding"], row["same bytes"]) == ("0", "True"), name
        assert (row["largest in the file"] == "0") == (name == "transparent")  # the others are JPEG
    counts = seen.table("status")["random_background"]
    assert counts == {"planned": "24", "done": "24", "ok": "20", "rejected": "4", "failed": "0"}


@pytest.mark.slow
def test_scores_a_regression_and_the_figure_for_the_paper(desk: Desk, environment: dict[str, str]) -> None:
    seen = desk.execute("03_scores_and_regression", environment)
    assert "photographs have no annotation" in seen.shown("open", "text/markdown")[0]
    for cell in ("accuracy", "drops", "robustness", "paper"):
        assert seen.pictures(cell) == 1, cell
    robustness = seen.table("robustness")
    assert 0 <= float(robustness["net"]["s_robust"]) <= 1
    assert robustness["vit"]["s_robust"] == "–"
    assert "not trained within scenarios" in robustness["vit"]["missing"]
    regression = seen.page("regression")
    assert "compared with model vit" in regression
    assert "scenario[random_background]" in regression
    figures = Path(environment["XRAY_FIGURES"])
    assert (figures / "scenarios.svg").read_text().count("random_background") >= 2
    assert (figures / "scenarios.pdf").read_bytes().startswith(b"%PDF")
    assert seen.page("images").count(" bytes") == 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Head]:
    with head("--num-cpus=2") as started:
        yield started


@pytest.mark.slow
def test_a_job_is_submitted_and_followed_to_its_end(desk: Desk, cluster: Head, tmp_path: Path) -> None:
    recipe, run = load_recipe(str(ROOT / "jobs/recipes/smoke.yaml")), RunFolder(str(tmp_path / "smoke"))
    write_plan(run, recipe, survey(recipe, run))
    where = {"XRAY_RUN": run.uri, "RAY_API_SERVER_ADDRESS": cluster.dashboard, "RAY_ADDRESS": cluster.gcs}
    seen = desk.execute("04_on_a_cluster", {**cluster.environment, **where})
    assert [(node["alive"], node["CPU"]) for node in seen.table("nodes").values()] == [("True", "2")]
    assert "112 of 112 images" in seen.page("follow")
    assert "succeeded" in seen.page("follow")
    summary = {name: row["value"] for name, row in seen.table("ended").items()}
    assert (summary["exit"], summary["done"], summary["ok"]) == ("0", "112", "112")
    assert seen.pictures("images") == 1
    assert len(xray.open(run.uri).images("random_background")) == 8
