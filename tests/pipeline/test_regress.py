from __future__ import annotations

import itertools
import json
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from support import published_tables as published
from support.paths import ROOT
from typer.testing import CliRunner

from xray.cli.main import app
from xray.core.errors import XrayError
from xray.pipeline.regress import parse_references
from xray.report.regression import MADE_BY, write
from xray.statistics import regression
from xray.statistics.regression.glm import binomial
from xray.statistics.regression.marginal_means import contrasts
from xray.statistics.regression.mixed_model import mixed
from xray.statistics.regression.tables_text import prism_table

RUNNER = CliRunner()
DOCS = ROOT / "docs"
FIG9 = ["--response", "accuracy", "--factors", "model", "scenario", "class"]
FIG9 += ["--reference", *(f"{factor}={level}" for factor, level in published.FIG9_REFERENCE.items())]
TABLES = ("parameters", "anova", "marginal_means", "contrasts", "power", "residuals")
FILES = {
    *(f"{name}.csv" for name in TABLES),
    *("fit.json", "diagnostics.json", "table.md", "table.tex", "reading.md"),
    *("figures/effects.svg", "figures/diagnostics.svg", "figures/means_1_model.svg"),
    *("figures/means_2_scenario.svg", "figures/means_3_class.svg"),
}


def said(*arguments: str | Path) -> str:
    """What the command prints; its errors are raised."""
    result = RUNNER.invoke(app, ["regress", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def fig9(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fig9") / "fig9.csv"
    published.fig9_table().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def regressed(fig9: Path) -> tuple[str, Path]:
    printed = said(fig9, *FIG9, "--out", fig9.parent / "out")
    return printed, fig9.parent / "out"


def test_the_published_table_comes_out_as_printed(regressed: tuple[str, Path]) -> None:
    printed, folder = regressed
    rows = published.printed("fig9")
    lines = {line.split("  ")[0]: line for line in printed.splitlines() if line}
    markdown = (folder / "table.md").read_text().replace("\\", "")
    parameters = pd.read_csv(folder / "parameters.csv")
    assert len(parameters) == len(rows) == 24
    for row in rows.to_dict("records"):
        term = f"{row['factor']}[{row['level']}]" if row["factor"] else "Intercept"
        interval = f"{row['ci_low']} to {row['ci_high']}"
        cells = [row["estimate"], row["std_error"], interval, row["abs_t"], row["p"], row["p_summary"]]
        assert re.split(r"\s{2,}", lines[term].strip()) == [term, *cells]
        assert "| " + " | ".join([term, *cells]) + " |" in markdown
    assert "n 540, 24 parameters, 516 degrees of freedom" in printed
    assert f"{len(FILES)} files in {folder}" in printed
    points = re.findall(r"(\d+\.\d) points of accuracy (lower|higher) than (\w+)", printed)
    assert points == [("70.8", "lower", "Original"), ("30.1", "lower", "Original"), ("16.5", "higher", "0")]


def test_the_page_shows_what_the_command_prints(fig9: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fig9.parent)
    page = (DOCS / "statistics.md").read_text(encoding="utf-8")
    command = re.search(r"```sh\nxray regress (fig9\.csv.*?)\n```", page, re.DOTALL)
    assert command
    assert f"```\n{said(*command[1].replace(chr(92), '').split())}```\n" in page


def test_the_example_of_the_page_is_computed() -> None:
    made = runpy.run_path(str(DOCS / "readings.py"))
    page = made["PAGE"].read_text(encoding="utf-8")
    assert made["page"](page) == page, "run: python docs/readings.py"
    table = made["table"]().set_index("model")
    assert table["μ, std"].astype(float).idxmin() == "better elsewhere"
    assert (table.filter(regex=",|and").map(lambda cell: float(cell.split()[0])).idxmax() == "guessing").all()


def test_all_files_are_there_and_say_the_same(regressed: tuple[str, Path]) -> None:
    printed, folder = regressed
    assert names_in(folder) == FILES
    tables = {name: pd.read_csv(folder / f"{name}.csv", dtype={"class": str, "level": str}) for name in TABLES}
    record = json.loads((folder / "fit.json").read_text())
    assert set(record["files"]) == FILES
    terms = [f"{f['name']}[{level}]" for f in record["factors"] for level in f["levels"][1:]]
    assert set(tables["parameters"]["term"]) == {"Intercept", *terms}
    assert {f["name"]: f["reference"] for f in record["factors"]} == published.FIG9_REFERENCE
    assert list(tables["parameters"]) == ["term", "estimate", "std_error", "ci_low", "ci_high", "t", "p", "p_summary"]
    goodness = record["goodness"]
    residual = tables["anova"].set_index("term").loc["Residual"]
    assert (goodness["n"], goodness["df"]) == (540, 516) == (len(tables["residuals"]), residual["df"])
    assert (tables["residuals"]["residual"] ** 2).sum() == pytest.approx(goodness["sum_of_squares"])
    assert residual["sum_of_squares"] == pytest.approx(goodness["sum_of_squares"])
    assert tables["power"]["term"].tolist() == tables["parameters"]["term"].tolist()
    assert len(tables["contrasts"]) == sum(k * (k - 1) // 2 for k in (5, 9, 12))
    means = tables["marginal_means"].set_index(["factor", "level"])["mean"]
    effect = tables["parameters"].set_index("term").loc["scenario[image_g]", "estimate"]
    assert means["scenario", "image_g"] - means["scenario", "Original"] == pytest.approx(effect)
    diagnostics = json.loads((folder / "diagnostics.json").read_text())
    assert len(diagnostics["multicollinearity"]) == 23
    assert set(record["environment"]["libraries"]) >= {"numpy", "scipy", "statsmodels", "pandas"}
    for sentence in (folder / "reading.md").read_text().replace("\\", "").splitlines():
        assert sentence.removeprefix("- ") in printed.replace("note: ", "")


def test_figures_are_svg_and_the_same_each_time(regressed: tuple[str, Path], fig9: Path) -> None:
    _, folder = regressed
    for path in (folder / "figures").iterdir():
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    before = {name: (folder / name).read_bytes() for name in FILES}
    said(fig9, *FIG9, "--out", folder)
    assert {name: (folder / name).read_bytes() for name in FILES} == before


def test_options_one_at_a_time_and_another_reference(fig9: Path, tmp_path: Path) -> None:
    said(fig9, "--factors", "model", "--factors", "scenario", "--factors=class", "--out", tmp_path / "out",
         "--reference", "model=ResNet50 Best Weight", "--reference", "scenario=Original", "--confidence", "0.9")  # fmt: skip
    made = pd.read_csv(tmp_path / "out/parameters.csv")
    reference = {"model": "ResNet50 Best Weight", "scenario": "Original"}
    table, factors = published.fig9_table(), ["model", "scenario", "class"]
    wanted = regression(table, factors=factors, reference=reference, confidence=0.9)
    np.testing.assert_allclose(made["ci_low"], wanted.parameters["ci_low"], rtol=1e-9, atol=1e-12)


def counted(folder: Path) -> Path:
    """Right answers by model, scenario and photograph's group."""
    cells = itertools.product("ab", ["original", "grey"], range(12))
    rows = pd.DataFrame(cells, columns=["model", "scenario", "group"])
    chance = 0.8 - 0.3 * (rows["scenario"] == "grey") - 0.1 * (rows["model"] == "b")
    rows["n"] = 40
    rows["correct"] = np.random.Generator(np.random.PCG64(5)).binomial(40, chance)
    rows["accuracy"] = rows["correct"] / rows["n"]
    rows.to_csv(folder / "counts.csv", index=False)
    return folder / "counts.csv"


def test_everything_beside_it(tmp_path: Path) -> None:
    path, out = counted(tmp_path), tmp_path / "out"
    printed = said(path, "--factors", "model", "scenario", "--cluster", "group", "--glm", "--interactions",
                "model:scenario", "--reference", "scenario=original", "--weights", "n", "--out", out)  # fmt: skip
    assert "errors: clustered by group (12 clusters" in printed
    table = pd.read_csv(path)
    options = {"factors": ["model", "scenario"], "reference": {"scenario": "original"}}
    wanted = regression(table, **options, cluster="group", weights="n", interactions=[("model", "scenario")])
    made = pd.read_csv(out / "parameters_clustered.csv")
    np.testing.assert_allclose(made["std_error"], wanted.clustered.parameters["std_error"], rtol=1e-9)
    assert made["term"].tolist()[-1] == "model[b]:scenario[grey]"
    record = json.loads((out / "fit.json").read_text())
    assert (record["cluster"], record["weights"], record["interactions"]) == ("group", "n", [["model", "scenario"]])
    assert record["binomial"]["aic"] > 0
    assert "clustered by group (12 clusters" in record["binomial"]["errors"]
    odds = pd.read_csv(out / "odds_ratios.csv").set_index("term")["ratio"]
    sums = table.groupby(["model", "scenario"])["correct"].sum() / 480
    ratio = sums["a", "grey"] / (1 - sums["a", "grey"]) / (sums["a", "original"] / (1 - sums["a", "original"]))
    assert odds["scenario[grey]"] == pytest.approx(ratio)
    estimate = pd.read_csv(out / "binomial.csv").set_index("term").loc["scenario[grey]", "estimate"]
    assert np.exp(estimate) == pytest.approx(ratio)
    by_counts = binomial(table, **options, n="n", cluster="group", interactions=[("model", "scenario")])
    clustered = pd.read_csv(out / "binomial_clustered.csv")
    np.testing.assert_allclose(clustered["std_error"], by_counts.clustered.parameters["std_error"], rtol=1e-9)
    made = pd.read_csv(out / "contrasts.csv").query("factor == 'scenario'")["std_error"]
    np.testing.assert_allclose(made, contrasts(wanted.clustered, "scenario")["std_error"])


def test_a_mixed_model_beside_it(tmp_path: Path) -> None:
    path, out = counted(tmp_path), tmp_path / "out"
    printed = said(path, "--factors", "model", "scenario", "--mixed", "group", "--out", out)
    wanted = mixed(pd.read_csv(path), factors=["model", "scenario"], group="group")
    made = pd.read_csv(out / "mixed.csv")
    np.testing.assert_allclose(made["std_error"], wanted.parameters["std_error"], rtol=1e-9)
    record = json.loads((out / "fit.json").read_text())["mixed"]
    assert (record["group"], record["groups"], record["converged"]) == ("group", 12, True)
    assert record["icc"] == pytest.approx(wanted.icc)
    assert "between the 12 values of group" in printed
    assert "between the 12 values of group" in (out / "reading.md").read_text()


def test_single_answers_are_regressed_binomially(tmp_path: Path) -> None:
    table = pd.read_csv(counted(tmp_path))
    rows = table.loc[table.index.repeat(table["n"])]
    rows = rows.assign(correct=(rows.groupby(level=0).cumcount() < rows["correct"]).astype(int))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["--response", "correct", "--factors", "model", "scenario", "--glm", "--out"]
    said(tmp_path / "rows.csv", *words, tmp_path / "rows", "--n", "1", "--cluster", "group")
    said(tmp_path / "counts.csv", *words, tmp_path / "counts", "--unit", "any", "--cluster", "group")
    single, counts = (pd.read_csv(tmp_path / name / "odds_ratios.csv") for name in ("rows", "counts"))
    np.testing.assert_allclose(single["ratio"], counts["ratio"], rtol=1e-8)


RECORD = {"made_by": MADE_BY, "files": ["a.csv", "figures/b.svg", "fit.json"]}


def test_a_later_regression_leaves_nothing_stale_and_nothing_of_others_harmed(tmp_path: Path) -> None:
    write({"a.csv": b"1", "figures/b.svg": b"1", "fit.json": json.dumps(RECORD).encode()}, str(tmp_path))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "figures/mine.svg").write_text("mine")
    write({"a.csv": b"2", "figures/c.svg": b"2", "fit.json": b"{}"}, str(tmp_path))
    assert names_in(tmp_path) == {"a.csv", "figures/c.svg", "fit.json", "notes.txt", "figures/mine.svg"}
    assert (tmp_path / "a.csv").read_bytes() == b"2"


def test_files_of_others_are_replaced_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    for record in ("[1", "[]", '{"files": ["a.csv"]}'):
        with pytest.raises(XrayError, match=r"has a\.csv, which is not of `xray regress`.*--force"):
            write({"a.csv": b"2"}, str(tmp_path))
        (tmp_path / "fit.json").write_text(record)
    write({"a.csv": b"2"}, str(tmp_path), force=True)
    assert (tmp_path / "a.csv").read_bytes() == b"2"
    with pytest.raises(XrayError, match="is a file"):
        write({"a.csv": b"2"}, str(tmp_path / "a.csv"))


def test_a_record_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/fit.json").write_text(json.dumps(RECORD | {"files": ["../precious"]}))
    with pytest.raises(XrayError, match=r"'\.\.' cannot be the name"):
        write({"a.csv": b"2"}, str(tmp_path / "out"))
    assert (tmp_path / "precious").exists()


def test_without_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = counted(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert "nothing written" in said(path, "--factors", "model", "scenario")
    assert names_in(tmp_path) == {"counts.csv"}


def test_out_may_be_a_bucket(bucket: str, tmp_path: Path) -> None:
    uri = bucket.format("regressions/one")
    assert "14 files" in said(counted(tmp_path), "--factors", "model", "--out", uri)
    said(counted(tmp_path), "--factors", "model", "--out", uri)


COMMAND = "__import__('os').system('touch PWNED')"
HOSTILE = ["=cmd|' /C calc'!A0", "a,b", 'say "x"', "line\nbreak", "<script>alert(1)</script>", "$x_1$", "NA", "-1"]


def test_hostile_names_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = pd.DataFrame(itertools.product(HOSTILE, HOSTILE[::-1], range(2)), columns=[COMMAND, "=scenario", "k"])
    rows["@accuracy"] = np.random.Generator(np.random.PCG64(1)).uniform(0.2, 0.8, len(rows))
    rows.to_csv("hostile.csv", index=False)
    factors = ["--factors", COMMAND, "=scenario", "--reference", f"{COMMAND}={HOSTILE[0]}", "=scenario=NA"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        printed = said("hostile.csv", "--response", "@accuracy", *factors, "--out", "out")
    assert not list(tmp_path.rglob("PWNED"))
    assert "\x1b" not in printed
    made = pd.read_csv("out/parameters.csv", keep_default_na=False)
    assert f"{COMMAND}[line\nbreak]" in set(made["term"])
    for path in Path("out").glob("*.csv"):
        for column in (table := pd.read_csv(path, dtype=str, keep_default_na=False)):
            assert [text for text in [column, *table[column]] if re.match(r"[=+@\t\r]|-[^\d]", text)] == []
    assert "<script>" not in re.sub(r"\\(.)", r"&\1", Path("out/reading.md").read_text())
    for path in Path("out/figures").iterdir():
        assert "<script" not in path.read_text()
        assert re.fullmatch(r"[a-z0-9_]+\.svg", path.name)
    for name in ("diagnostics", "fit"):
        json.loads(Path(f"out/{name}.json").read_text(), parse_constant=pytest.fail)


def test_names_in_a_csv_stay_as_written(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("class,accuracy\n01,0.5\n01,0.6\n1,0.7\n1,0.9\nNA,0.1\nNA,0.2\n")
    said(tmp_path / "t.csv", "--factors", "class", "--reference", "class=01", "--out", tmp_path / "out")
    assert pd.read_csv(tmp_path / "out/parameters.csv")["term"].tolist() == ["Intercept", "class[1]", "class[NA]"]


def test_too_many_rows_leave_single_residuals_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["xray.statistics.regression.result"], "ROWS_KEPT", 10)
    said(counted(tmp_path), "--factors", "model", "scenario", "--out", tmp_path / "out")
    assert {"residuals.csv", "figures/diagnostics.svg"} & names_in(tmp_path / "out") == set()
    assert json.loads((tmp_path / "out/diagnostics.json").read_text())["left_out"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nowhere.csv"], "'nowhere.csv'"),
        (["counts.csv"], "unknown column 'category'"),
        (["counts.csv", "--factors", "model", "--unit", "percentage"], "'percentage'"),
        (["counts.csv", "--factors", "model", "--missing", "skip"], "'skip'"),
        (["counts.csv", "--factors", "model", "--reference", "modl=a"], "'modl'; did you mean 'model'"),
        (["counts.csv", "--factors", "model", "--reference", "a"], "not 'a'"),
        *(
            (["counts.csv", "--factors", "model", *more], "'accuracy' has numbers")
            for more in (["accuracy"], ["--mixed", "accuracy"], ["--cluster", "accuracy"])
        ),
        (["counts.csv", "--factors", "model", "--interactions", "model:scenario"], "factor of an interaction"),
    ],
)
def test_mistakes_are_named_in_one_line(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(XrayError, match=named) as error:
        said(*arguments)
    assert "\n" not in str(error.value)


def test_empty_cells_are_left_out_on_request(tmp_path: Path) -> None:
    text = counted(tmp_path).read_text().splitlines()
    holes = [*text[:5], re.sub("^a", "", text[5]), re.sub(r"[\d.]+$", "", text[6]), *text[7:]]
    (tmp_path / "holes.csv").write_text("\n".join(holes))
    words = [tmp_path / "holes.csv", "--factors", "model", "scenario", "--glm"]
    with pytest.raises(XrayError, match=r"2 of 48 rows lack a value; the first is row 5, column 'model'"):
        said(*words)
    printed = said(*words, "--missing", "drop")
    assert "n 46, 3 parameters" in printed
    assert "note: 2 rows" in printed
    assert "- 1 row with" in printed.partition("binomial regression")[2]


def test_a_table_that_is_fitted_exactly_is_told_with_everything_beside_it(tmp_path: Path) -> None:
    rows = [(m, s, 0.9 - 0.1 * i - 0.25 * j) for i, m in enumerate("abc") for j, s in enumerate("xy")]
    pd.DataFrame(rows, columns=["model", "scenario", "accuracy"]).to_csv(tmp_path / "t.csv", index=False)
    printed = said(tmp_path / "t.csv", "--factors", "model", "scenario", "--out", tmp_path / "out")
    assert "25.0 points of accuracy lower than x" in printed
    assert "no confidence interval" in printed
    assert "fits all rows exactly" in printed
    fit = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert (fit["goodness"]["sum_of_squares"], fit["goodness"]["aicc"]) == (0, None)
    assert pd.read_csv(tmp_path / "out" / "anova.csv")["p"].isna().all()


def test_references_may_hold_the_sign_itself() -> None:
    assert parse_references(["a=b=c", "a b=1"], ["a", "a=b", "a b"]) == {"a=b": "c", "a b": "1"}
    with pytest.raises(XrayError, match="'a' has two references, '1'"):
        parse_references(["a=1", "a=2"], ["a"])


def test_it_needs_neither_torch_nor_ray(fig9: Path) -> None:
    script = (
        "import sys; from xray.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'ray', 'timm', 'transformers'} & sys.modules.keys()))"
    )
    words = ["regress", str(fig9), *FIG9, "--out", str(fig9.parent / "other")]
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert prism_table(regression(published.fig9_table(), factors=["model"]).fit)["Variable"].iloc[0] in done.stdout
