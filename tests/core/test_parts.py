from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray.core.errors import Rejected
from xray.core.files import read_bytes
from xray.core.parts import join_uris, pack, split_uri, unpack
from xray.core.uri import base_name, short_name


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_packed_files_are_unpacked_unchanged(files: list[bytes]) -> None:
    assert unpack(pack(files)) == files


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    for name in ("a b.png", "c.png"):
        (tmp_path / name).write_bytes(name.encode())
    uris = [(tmp_path / name).as_uri() for name in ("a b.png", "c.png")]
    joined = join_uris(uris)
    assert split_uri(joined) == uris
    assert unpack(read_bytes(joined)) == [b"a b.png", b"c.png"]
    assert base_name(joined) == "a b.png"
    assert short_name(joined).endswith("a b.png and 1 more")
    with pytest.raises(Rejected, match="missing_file"):
        read_bytes(join_uris([uris[0], f"{uris[1]}.gone"]))


def test_a_file_that_looks_like_several_is_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(pack([b"one", b"two"]))
    uri = (tmp_path / "a.png").as_uri()
    assert unpack(read_bytes(uri)) == [pack([b"one", b"two"])]
    assert len(unpack(read_bytes(join_uris([uri, uri])))) == 2
