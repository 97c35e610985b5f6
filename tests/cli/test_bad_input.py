"""Damaged recipes and folders, through the command line: one message and exit code 2, never a traceback."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from support.drawn_photos import recipe_values, write_folder

from xray.cli.main import main
from xray.runs.folder import RunFolder


def xray(*arguments: object) -> tuple[int, str]:
    """Run a command; return its exit code and what it prints. Errors without a message are raised."""
    text = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(text),
        contextlib.redirect_stderr(text),
    ):
        patch.setattr(sys, "argv", ["xray", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return code, text.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of photographs and masks, the current one, with a recipe that accepts all bad rows."""
    write_folder(tmp_path)
    write_recipe(tmp_path, recipe_values(tmp_path, bad_rows=1.0))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_recipe(folder: Path, values: object) -> Path:
    path = folder / "recipe.yaml"
    path.write_bytes(yaml.safe_dump(values, allow_unicode=True, sort_keys=False).encode("utf-8", "surrogatepass"))
    return path


FILES = {
    "empty": b"",
    "a line break": b"\n",
    "binary": bytes(range(256)),
    "zeros": bytes(100),
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(range(128, 256)),
    "Latin-1": b"name: caf\xe9\n",
    "deep lists": b"[" * 3000,
    "deep mappings": b"{a: " * 2000,
    "a tab": b"a:\tb\n\t- x",
    "a list": b"- a",
    "text": b"hello",
    "a number": b"3",
    "an anchor": b"a: &x 1\nb: *x",
    "a tag": b"a: !!python/object/apply:os.system [ls]",
    "JSON that ends early": b'{"source": ',
    "two documents": b"a: 1\n---\nb: 2",
    "a list as key": b"? [a]\n: 1",
    "no key": b"~: 1",
    "a control character": b"name: \x07",
    "an escaped surrogate": b'name: "\\ud800"',
    "an escaped zero": b'name: "\\0"',
    "digits": b"seed: " + b"9" * 6000,
    "a long value": b"source: " + b"x" * 100_000,
}


@pytest.mark.parametrize("data", FILES.values(), ids=FILES)
def test_files_that_are_no_recipes(data: bytes, folder: Path) -> None:
    (folder / "other.yaml").write_bytes(data)
    code, text = xray("plan", "other.yaml", "run", "--dry-run")
    assert code == 2
    assert "other.yaml" in text


def values_of_recipe(folder: Path) -> dict[str, Any]:
    """A recipe with a value of each kind."""
    training = {"models": ["reduced:resnet"], "folds": 2, "scenarios": ["original"]}
    pools = {"gpus": 1, "refine": {"device": "cpu", "batch": 1}}
    return recipe_values(
        folder, name="x", seed=1, models={"net": "lite:efficientnet-lite0"}, training=training, filter={}, pools=pools,
        images={"format": "jpeg", "quality": 90}, limits={}, bad_rows=0.1, transparent_on=[0, 0, 0],
        backgrounds="own",
    )  # fmt: skip


def places(value: object, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the values of a recipe are, from the whole to each item."""
    yield where
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*where, key))


def replaced(values: object, where: tuple[Any, ...], value: object) -> object:
    if not where:
        return value
    changed: Any = copy.deepcopy(values)
    holder = changed
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = value
    return changed


WRONG = (
    None, 0, -1, 10**30, 1e300, float("nan"), float("inf"), True, "", "x", " ", "\n", "😀", "x" * 2000, "a/../..", "\0", "..",
    "file:///", "s3://", "http://[", "~nobody", "%ff", "\ud800", b"\xff\0", [], {}, [[]], [None], {"a": 1}, {None: 1},
    {1: 2}, {"kind": None}, {"kind": []}, {"kind": "x"}, ["a", "a"], {"": ""}, [{}], "2024-01-01",
)  # fmt: skip
PLACES = tuple(places(values_of_recipe(Path("folder"))))


@settings(max_examples=80)
@given(where=st.sampled_from(PLACES), wrong=st.sampled_from(WRONG))
def test_recipes_with_a_wrong_value(
    where: tuple[Any, ...], wrong: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "wrong-values"
    if not folder.exists():
        write_folder(folder, per_category=2)
    recipe = write_recipe(folder, replaced(values_of_recipe(folder), where, wrong))
    code, text = xray("plan", recipe, folder / "run", "--dry-run")
    assert code in (0, 2)
    assert code == 0 or "xray: " in text


@pytest.mark.parametrize("name", ["nowhere", "x" * 2000, "😀", "a\nb", "s3://", "file://", "%ff", "\udcff"])
def test_locations_that_are_nothing(name: str, folder: Path) -> None:
    for arguments in (
        ("plan", name, "run"), ("generate", name), ("mask", name), ("evaluate", name), ("score", name), ("report", name),
        ("status", name), ("verify", name), ("sweep", name, "--dry-run"), ("init", name, "-o", "new.yaml"),
        ("list", name), ("regress", name, "--response", "a", "--factors", "b"), ("realism", name),
        ("weights", "pull", name, "--dry-run"), ("evaluate", "run", "--model", name),
    ):  # fmt: skip
        code, text = xray(*arguments)
        assert (code, "xray: " in text) == (2, True), arguments


def rewrite(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def as_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_link(target: str) -> Callable[[Path], None]:
    def link(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return link


DAMAGED: dict[str, Callable[[Path], None]] = {
    "empty": rewrite(b""),
    "noise": rewrite(bytes(range(256)) * 8),
    "text": rewrite(b"hello"),
    "the first half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "a folder": as_folder,
    "a link to itself": as_link("1.jpg"),
    "a link to nothing": as_link("nowhere"),
    "a pipe": as_fifo,
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("file", ["photos/cup/1.jpg", "masks/cup/1.png"])
def test_a_damaged_file_affects_only_its_own_row(file: str, damage: Callable[[Path], None], folder: Path) -> None:
    damage(folder / file)
    code, text = xray("plan", "recipe.yaml", "run")
    assert code == 0, text
    source = RunFolder.open(str(folder / "run")).store.table("source").to_pylist()
    others = [row for row in source if not row["uri"].endswith("cup/1.jpg")]
    assert [row["status"] for row in others] == ["ok"] * 5
    for command in ("status", "report"):
        assert xray(command, "run")[0] == 0


def no_photographs(folder: Path) -> None:
    for path in (folder / "photos").rglob("*.jpg"):
        path.unlink()


def files_instead(name: str) -> Callable[[Path], None]:
    def replace_folder(folder: Path) -> None:
        shutil.rmtree(folder / name)
        (folder / name).write_bytes(b"x")

    return replace_folder


REFUSED: dict[str, Callable[[Path], None]] = {
    "no folder": lambda folder: shutil.rmtree(folder / "photos"),
    "a file instead": files_instead("photos"),
    "no photographs": no_photographs,
    "no masks": lambda folder: shutil.rmtree(folder / "masks"),
    "a file instead of masks": files_instead("masks"),
}


@pytest.mark.parametrize("damage", REFUSED.values(), ids=REFUSED)
def test_folders_without_photographs_or_masks_are_refused(damage: Callable[[Path], None], folder: Path) -> None:
    damage(folder)
    code, text = xray("plan", "recipe.yaml", "run")
    assert (code, "xray: " in text) == (2, True)


def test_links_in_circles_list_every_photograph_once(folder: Path) -> None:
    for kind in ("photos", "masks"):
        (folder / kind / "cup/up").symlink_to("..")
        (folder / kind / "cup/itself").symlink_to("itself")
    assert xray("plan", "recipe.yaml", "run")[0] == 0
    source = RunFolder.open(str(folder / "run")).store.table("source").to_pylist()
    photographs = sorted(row["uri"].rpartition("/photos/")[2] for row in source)
    assert photographs == [f"{category}/{number}.jpg" for category in ("ball", "cup") for number in range(3)]


NAMES = (
    b"a\nb.jpg", "😀.jpg".encode(), b"\xff\xfe.jpg", b"x" * 250 + b".jpg", b" .jpg", b"%41.jpg", b"a#b.jpg", b"a?b.jpg",
    b"'.jpg", b'".jpg', b"$(x).jpg", b"[red].jpg", "\u202e.jpg".encode(), "e\u0301.jpg".encode(), "é.jpg".encode(),
)  # fmt: skip


def test_photographs_with_unusual_names(folder: Path) -> None:
    photo, cup = (folder / "photos/cup/1.jpg").read_bytes(), os.fsencode(folder / "photos/cup/")
    for name in NAMES:
        Path(os.fsdecode(cup + b"/" + name)).write_bytes(photo)
    code, text = xray("plan", "recipe.yaml", "run")
    assert code == 0, text
    source = RunFolder.open(str(folder / "run")).store.table("source").to_pylist()
    assert len(source) == 6 + len(NAMES)
    assert {row["status"] for row in source} == {"ok"}
    assert xray("report", "run")[0] == 0


@pytest.mark.parametrize("name", [b"\xff", "😀".encode(), b"c\nup", "c\u0301up".encode()])
def test_category_folders_with_unusual_names(name: bytes, folder: Path) -> None:
    (folder / "photos/cup").rename(Path(os.fsdecode(os.fsencode(folder / "photos") + b"/" + name)))
    code, text = xray("plan", "recipe.yaml", "run")
    assert (code, "xray: " in text) in ((0, False), (2, True))
    assert xray("init", "photos", "--masks", "masks", "-o", "new.yaml")[0] in (0, 2)


RUN_FILES = ("run.json", "source/00.parquet", "plan/00-00.parquet")


@pytest.mark.parametrize("damage", [rewrite(b""), rewrite(bytes(range(256))), as_folder, Path.unlink])
@pytest.mark.parametrize("file", RUN_FILES)
def test_damaged_runs_are_refused(file: str, damage: Callable[[Path], None], folder: Path) -> None:
    assert xray("plan", "recipe.yaml", "run")[0] == 0
    damage(folder / "run" / file)
    for command in ("status", "score", "report", "generate"):
        code, text = xray(command, "run", *(["--dry-run"] if command == "generate" else []))
        assert (code, "xray: " in text) == (2, True), command
    assert xray("verify", "run")[0] in (1, 2)
