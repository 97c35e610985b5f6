"""The documentation agrees with the code: generated pages, links, commands, Python blocks, modules and files."""

from __future__ import annotations

import ast
import importlib
import itertools
import json
import re
import runpy
import shlex
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from support.paths import ROOT

from xray.cli.main import app

PAGES = sorted(
    path
    for folder in (".", "docs", "notebooks", "benchmarks")
    for path in (ROOT / folder).glob("*.md")
    if not path.name.startswith(".")
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
XRAY = re.compile(r"(?:\w+=\S+ )*(?:\.venv/bin/)?xray (?P<rest>.*)")
EXAMPLES = {
    *("xray/scenarios/posterize.py", "tests/scenarios/test_posterize.py"),
    *(
        "xray.masks.formats.numpy.NumPy",
        "xray/masks/formats/numpy.py",
        "tests/masks/formats/test_numpy.py",
        "xray/models/tinynet.py",
    ),
}
"""Files that docs/add-a-scenario.md makes."""
RECIPE = runpy.run_path(str(ROOT / "docs/recipe.py"))
COMMAND = typer.main.get_command(app)


def blocks(text: str, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(text) if name == language]


def prose(path: Path) -> str:
    """Return the text of a page or notebook without its code blocks."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def python_code(path: Path) -> list[str]:
    """Return the Python blocks of a page, or the code cells of a notebook without IPython's magic lines."""
    if path.suffix == ".ipynb":
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        return [re.sub(r"^%.*$", "", cell, flags=re.MULTILINE) for cell in code]
    return blocks(path.read_text(encoding="utf-8"), "python")


def anchors(path: Path) -> set[str]:
    return {RECIPE["anchor"](heading) for heading in re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)}


def shell_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each line of the shell blocks; lines that leave something out (…) are skipped."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and "…" not in words:
                yield words


def command_at(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the words begin with, and the words that are left for it.

    Raises:
        LookupError: there is no such command.
    """
    command, rest = COMMAND, words
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            raise LookupError(f"no command {rest[0]!r}")
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def resolve(name: str) -> Any:
    """Return the module or attribute at a dotted name.

    Raises:
        LookupError: there is none.
    """
    if name in EXAMPLES:
        return None
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[end:]:
            if not hasattr(value, attribute):
                raise LookupError(name)
            value = getattr(value, attribute)
        return value
    raise LookupError(name)


def test_the_recipe_reference_is_generated() -> None:
    page = (ROOT / "docs/recipe.md").read_text(encoding="utf-8")
    if page != RECIPE["page"]():
        pytest.fail("docs/recipe.md is out of date; run: python docs/recipe.py")


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=lambda path: path.name)
def test_links_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if re.match(r"\w+:", target):
            continue
        name, _, fragment = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.exists(), target
        if fragment:
            assert fragment in anchors(linked), target


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_commands_in_code_blocks_parse(path: Path) -> None:
    for words in shell_lines(path.read_text(encoding="utf-8")):
        if found := XRAY.fullmatch(" ".join(map(shlex.quote, words))):
            command, rest = command_at(shlex.split(found["rest"]))
            command.make_context("xray", rest)


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=lambda path: path.name)
def test_commands_in_the_text_exist(path: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", prose(path)):
        if found := XRAY.fullmatch(code):
            words = [word for word in found["rest"].replace("|", " ").split() if word != "…"]
            command, rest = command_at(words)
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
            assert {word for word in rest if word.startswith("-")} <= known, code


@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_scripts_and_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in shell_lines(path.read_text(encoding="utf-8")):
        for interpreter, script in itertools.pairwise(words):
            if interpreter.endswith("python") and script.endswith(".py"):
                assert (ROOT / script).is_file(), script
            if interpreter == "make":
                assert script in targets, script


@pytest.mark.parametrize("path", PAGES + NOTEBOOKS, ids=lambda path: path.name)
def test_python_code_compiles_and_imports_what_exists(path: Path) -> None:
    for code in python_code(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    resolve(alias.name)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    resolve(f"{node.module}.{alias.name}")


@pytest.mark.parametrize("path", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda path: path.name)
def test_named_modules_and_files_exist(path: Path) -> None:
    for code in re.findall(r"`([^`\n]+)`", prose(path)):
        if re.fullmatch(r"xray(\.\w+)+", code):
            resolve(code)
        elif re.fullmatch(r"(xray|tests|docs|benchmarks|jobs|deploy|notebooks)/[\w/.-]+", code) and "NAME" not in code:
            assert code in EXAMPLES or (ROOT / code).exists(), code


def run_example(code: str, name: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Run the code of a module under its name, and return the module."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(code, name, "exec"), module.__dict__)
    return module


def test_the_examples_pass_their_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/add-a-scenario.md").read_text(encoding="utf-8")
    scenario, scenario_test, mask, mask_test, *_ = blocks(page, "python")
    posterize = run_example(scenario, "posterize", monkeypatch)
    tests = run_example(scenario_test, "test_posterize", monkeypatch)
    tests.build_scenario = lambda name: posterize.PosterizeBackground()  # it is not in the package
    tests.test_golden_pixels()
    run_example(mask, "xray.masks.formats.numpy", monkeypatch)
    run_example(mask_test, "test_numpy", monkeypatch).test_it_reads_what_was_saved()


def test_the_tree_is_that_of_the_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    (tree,) = (block for block in blocks(text, "") if block.startswith("xray/"))
    rooms, shown = [""], set()
    for indent, name in re.findall(r"^([│├└─ ]+)(\w+)/ ", tree, re.MULTILINE):
        depth = len(indent) // 4
        rooms[depth:] = [f"{rooms[depth - 1]}{name}/"]
        shown.add(rooms[depth])
    package = ROOT / "xray"
    folders = {path.parent.relative_to(package).as_posix() + "/" for path in package.rglob("*") if path.is_file()}
    assert shown == {folder for folder in folders if "__pycache__" not in folder} - {"./"}


def test_the_layers_are_those_that_are_enforced() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    rooms, verbs = (contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    drawn = [block.splitlines() for block in blocks(text, "")]
    assert [line.replace("xray.", "") for line in rooms] in drawn
    assert verbs in drawn
