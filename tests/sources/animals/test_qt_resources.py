from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.packages import qt_resources

from xray.core.errors import ConfigError
from xray.sources.animals.qt_resources import read_resources

FILES = {"/photos/fox.webp": b"RIFF fox", "/photos/Größe.webp": b"", "/index.js": b"x" * 5000}
names = st.text(
    st.characters(codec="utf-16", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_by_path(version: int) -> None:
    assert read_resources(qt_resources(FILES, version)) == FILES


def test_compressed_files_are_left_out() -> None:
    assert read_resources(qt_resources(FILES, compressed=frozenset({"/index.js"}))).keys() == FILES.keys() - {
        "/index.js"
    }


@given(
    st.dictionaries(
        names.filter(lambda name: name not in (".", "..") and len(name.encode("utf-16-be")) == 2 * len(name)),
        st.binary(max_size=20),
        min_size=1,
    )
)
def test_any_names_and_contents(files: dict[str, bytes]) -> None:
    inside = {f"/a/{name}": data for name, data in files.items()}
    assert read_resources(qt_resources(inside)) == inside


@pytest.mark.parametrize(
    "data", [b"", b"qres", b"PNG" * 20, qt_resources(FILES, 3).replace(b"\0\0\0\3", b"\0\0\0\7", 1)]
)
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="begins with"):
        read_resources(data)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_cut_files_are_refused(share: float) -> None:
    data = qt_resources(FILES)
    with pytest.raises(ConfigError, match="damaged"):
        read_resources(data[: int(len(data) * share)])
