from __future__ import annotations

from pathlib import Path

import pytest

from xray.core.cache import cache_folder, fill_once, settings_hash


def test_filled_once_only(tmp_path: Path) -> None:
    calls = []

    def fill(folder: Path) -> None:
        calls.append(folder)
        (folder / "a").write_text("a")

    folder = tmp_path / "deep" / "it"
    assert fill_once(folder, fill) == folder
    assert fill_once(folder, fill) == folder
    assert len(calls) == 1
    assert calls[0] != folder
    assert (folder / "a").read_text() == "a"
    assert [path.name for path in folder.parent.iterdir()] == ["it"]


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fill_once(tmp_path / "it", fill)
    assert list(tmp_path.iterdir()) == []


def test_the_first_of_two_wins(tmp_path: Path) -> None:
    def slow(folder: Path) -> None:
        fill_once(tmp_path / "it", lambda other: (other / "from").write_text("the quick one") and None)
        (folder / "from").write_text("the slow one")

    fill_once(tmp_path / "it", slow)
    assert (tmp_path / "it" / "from").read_text() == "the quick one"
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XRAY_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("XRAY_CACHE")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert cache_folder() == Path("/home/somebody/.cache/xray")


def test_hash_distinguishes_settings() -> None:
    assert settings_hash({"a": 1, "b": (2, 3)}) == settings_hash({"b": [2, 3], "a": 1})
    assert settings_hash({"a": 1}) != settings_hash({"a": 2})
